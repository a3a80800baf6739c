/* SPDX-License-Identifier: MIT */
/* Text without stdio; see text.h. */
#include "text.h"

#include <stdarg.h>
#include <string.h>

#include "sys.h"

struct text_out {
	char *at;
	char *end; /* the place for the terminator at the latest */
};

static void put_char(struct text_out *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
}

static void put_text(struct text_out *out, const char *text)
{
	while (*text)
		put_char(out, *text++);
}

static void put_number(struct text_out *out, uint64_t number, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = "0123456789abcdef"[number % base];
	while (number /= base);
	while (count)
		put_char(out, digits[--count]);
}

size_t text_copy(char *buffer, size_t bytes, const char *text)
{
	struct text_out out = {buffer, buffer + bytes - 1};

	put_text(&out, text);
	*out.at = '\0';
	return (size_t)(out.at - buffer);
}

size_t text_format(char *buffer, size_t bytes, const char *format, ...)
{
	struct text_out out = {buffer, buffer + bytes - 1};
	va_list arguments;

	va_start(arguments, format);
	for (; *format; format++) {
		if (*format != '%') {
			put_char(&out, *format);
			continue;
		}
		switch (*++format) {
		case 's':
			put_text(&out, va_arg(arguments, const char *));
			break;
		case 'u':
			put_number(&out, va_arg(arguments, uint64_t), 10);
			break;
		case 'x':
			put_number(&out, va_arg(arguments, uint64_t), 16);
			break;
		default:
			put_char(&out, *format);
		}
	}
	va_end(arguments);
	*out.at = '\0';
	return (size_t)(out.at - buffer);
}

long text_read_file(const char *path, char *buffer, size_t bytes)
{
	long fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	size_t used = 0;
	long got = 0;

	buffer[0] = '\0';
	if (fd < 0)
		return fd;
	while (used < bytes - 1 && (got = sys_read((int)fd, buffer + used, bytes - 1 - used)) > 0)
		used += (size_t)got;
	sys_close((int)fd);
	buffer[used] = '\0';
	return got < 0 ? got : (long)used;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

uint64_t text_number(const char *text, unsigned base)
{
	uint64_t number = 0;

	while (is_blank(*text))
		text++;
	for (;; text++) {
		unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0')
				 : base == 16 && *text >= 'a' && *text <= 'f'
					 ? (unsigned)(*text - 'a') + 10
					 : base;

		if (digit >= base)
			return number;
		number = number * base + digit;
	}
}

const char *text_next_word(const char *text)
{
	while (*text && !is_blank(*text))
		text++;
	while (is_blank(*text))
		text++;
	return *text ? text : NULL;
}

const char *text_last(const char *text, char c)
{
	const char *last = NULL;

	for (; *text; text++)
		if (*text == c)
			last = text;
	return last;
}

bool text_has_prefix(const char *text, const char *prefix, const char **ret_rest)
{
	size_t length = strlen(prefix);

	if (strncmp(text, prefix, length))
		return false;
	if (ret_rest)
		*ret_rest = text + length;
	return true;
}

bool text_find_number(const char *text, const char *key, uint64_t *ret_number)
{
	while (text) {
		const char *rest;

		if (text_has_prefix(text, key, &rest)) {
			*ret_number = text_number(rest, 10);
			return true;
		}
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return false;
}
