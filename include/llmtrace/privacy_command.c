/* SPDX-License-Identifier: MIT */
/* Command lines; see privacy.h. No libc but for string.h: this is linked into the shim, too. */
#include <string.h>

#include "llmtrace/privacy_parts.h"

enum kind {
	KIND_NONE,
	KIND_PROMPT,
	KIND_SECRET,
	KIND_GUESS, /* a secret by its ending: what follows may be the next option */
	KIND_LIST,
	KIND_LOGIN,
	KIND_COOKIE,
};

static const struct {
	const char *name;
	enum kind kind;
} options[] = {
#define LT_PRIVATE_FOLDER(path, is_anywhere)
#define LT_PRIVATE_OPTION(name, kind) {name, KIND_##kind},
#define LT_PRIVATE_ENDING(text)
#define LT_PRIVATE_PART(text)
#include "llmtrace/privacy.def"
#undef LT_PRIVATE_OPTION
#undef LT_PRIVATE_ENDING
#undef LT_PRIVATE_PART
};

static const char *const endings[] = {
#define LT_PRIVATE_OPTION(name, kind)
#define LT_PRIVATE_ENDING(text) text,
#define LT_PRIVATE_PART(text)
#include "llmtrace/privacy.def"
#undef LT_PRIVATE_ENDING
#undef LT_PRIVATE_PART
};

static const char *const parts[] = {
#define LT_PRIVATE_ENDING(text)
#define LT_PRIVATE_PART(text) text,
#include "llmtrace/privacy.def"
#undef LT_PRIVATE_FOLDER
#undef LT_PRIVATE_OPTION
#undef LT_PRIVATE_ENDING
#undef LT_PRIVATE_PART
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define NAME_MAX_BYTES 64u

/* ---- names ---- */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_capital(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] >= 'a' && name[i] <= 'z')
			return false;
	return true;
}

static bool has_part(const char *name, size_t length)
{
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		for (size_t at = 0, part = strlen(parts[i]); at + part <= length; at++)
			if (!memcmp(name + at, parts[i], part))
				return true;
	return length >= 4 && !memcmp(name + length - 4, "PASS", 4);
}

static enum kind kind_of_long(const char *plain, size_t length)
{
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strlen(options[i].name) == length && !memcmp(options[i].name, plain, length))
			return options[i].kind;
	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		size_t ending = strlen(endings[i]);

		if (length >= ending && !memcmp(plain + length - ending, endings[i], ending))
			return KIND_GUESS;
	}
	return KIND_NONE;
}

/* Of a name with its dashes. */
static enum kind kind_of(const char *name, size_t length)
{
	char plain[NAME_MAX_BYTES];
	size_t dashes = length && name[0] == '-' ? length > 1 && name[1] == '-' ? 2 : 1 : 0;
	size_t used = 0;
	enum kind kind;

	for (size_t i = 0; dashes && i < COUNT_OF(options); i++)
		if (strlen(options[i].name) == length && !memcmp(options[i].name, name, length))
			return options[i].kind;
	if (length - dashes == 3 && !memcmp(name + dashes, "key", 3))
		return KIND_GUESS;
	for (size_t i = dashes; i < length && used < sizeof(plain); i++)
		if (name[i] != '-' && name[i] != '_')
			plain[used++] =
				(char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	kind = kind_of_long(plain, used);
	if (!kind && !dashes && is_capital(name, length) && has_part(name, length))
		kind = KIND_SECRET;
	return kind;
}

/* Of a name with = or : behind it, which may be glued to an option: -HAuthorization: -dprompt= */
static enum kind kind_of_key(const char *name, size_t length, char separator)
{
	enum kind kind = kind_of(name, length);

	if (kind || length < 3 || name[0] != '-' || name[1] == '-')
		return kind;
	if (name[1] == 'u' && separator == ':')
		return KIND_SECRET; /* curl -uNAME:PASSWORD */
	return kind_of(name + 2, length - 2);
}

/* ---- values ---- */
static bool is_number_list(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((text[i] < '0' || text[i] > '9') && text[i] != ',' && text[i] != '.')
			return false;
	return true;
}

static void put_value(const struct lt_privacy *privacy, enum kind kind, const char *text,
		      size_t length, struct lt_privacy_out *out)
{
	char mark[LT_PRIVACY_MARK_BYTES];

	if (!length || lt_privacy_is_mark(text, length) ||
	    (kind == KIND_PROMPT && is_number_list(text, length)))
		lt_privacy_put(out, text, length);
	else
		lt_privacy_put(out, mark, lt_privacy_mark(privacy->key, text, length, mark));
}

/* ---- arguments ---- */
static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'' || c == '\\';
}

static bool has_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (is_blank(text[i]))
			return true;
	return false;
}

/* What may stand before the name of an option or a variable. */
static bool starts_name(const char *text, size_t at)
{
	return !at || is_blank(text[at - 1]) || strchr("\"'`();|&?,{[=", text[at - 1]);
}

/* Where the = or : of a name stands, behind quotes and blanks as in "name" : x; else at. */
static size_t separator_of(const char *text, size_t length, size_t at)
{
	size_t to = at;

	while (to < length && (is_blank(text[to]) || is_quote(text[to])))
		to++;
	return to < length && (text[to] == '=' || text[to] == ':') ? to : at;
}

/* Whether the word that begins at `at` is what an option of that kind has for a value. */
static bool is_value(enum kind kind, const char *text, size_t length, size_t at)
{
	char needed = kind == KIND_LOGIN ? ':' : '=';

	if (kind != KIND_LOGIN && kind != KIND_COOKIE)
		return kind;
	while (at < length && (is_blank(text[at]) || is_quote(text[at])))
		at++;
	while (at < length && text[at] != needed && text[at] != ',' && !is_blank(text[at]) &&
	       !is_quote(text[at]))
		at++;
	return at < length && text[at] == needed;
}

struct hit {
	enum kind kind;
	size_t value; /* where the value begins */
};

/* Looks at the name [at, end). @return whether it is that of a private value. */
static bool is_hit(const char *text, size_t length, size_t at, size_t end, bool is_text,
		   struct hit *ret_hit)
{
	size_t separator = separator_of(text, length, end);

	*ret_hit = (struct hit){KIND_NONE, separator + 1};
	if (separator == length)
		return false;
	if (text[separator] == '=' || text[separator] == ':')
		ret_hit->kind = kind_of_key(text + at, end - at, text[separator]);
	else if (is_text && text[at] == '-' && is_blank(text[separator]))
		ret_hit->kind = kind_of(text + at, end - at);
	return is_value(ret_hit->kind, text, length, ret_hit->value);
}

/* The next name of a private value at or behind from; in a text of several words a blank may
 * follow. */
static bool next_hit(const char *text, size_t length, size_t from, bool is_text,
		     struct hit *ret_hit)
{
	for (size_t at = from; at < length; at++) {
		size_t end = at;

		if (!is_name_char(text[at]) || !starts_name(text, at))
			continue;
		while (end < length && is_name_char(text[end]))
			end++;
		if (is_hit(text, length, at, end, is_text, ret_hit))
			return true;
		at = end;
	}
	return false;
}

/* scheme://USER:PASSWORD@host: @return whether there is such a thing, and where. */
static bool find_login(const char *text, size_t length, size_t *ret_begin, size_t *ret_end)
{
	for (size_t at = 0; at + 3 < length; at++) {
		size_t end = at + 3, last = 0;

		if (memcmp(text + at, "://", 3))
			continue;
		for (; end < length && !strchr("/?# ", text[end]); end++)
			if (text[end] == '@')
				last = end;
		if (last <= at + 3)
			continue;
		*ret_begin = at + 3;
		*ret_end = last;
		return true;
	}
	return false;
}

/* The rest of an argument, that holds no private option: names in paths, and a login in a URL. */
static void put_rest(const struct lt_privacy *privacy, const char *text, size_t length,
		     struct lt_privacy_out *out)
{
	size_t begin, end;

	while (find_login(text, length, &begin, &end)) {
		lt_privacy_put(out, text, begin);
		put_value(privacy, KIND_SECRET, text + begin, end - begin, out);
		text += end;
		length -= end;
	}
	lt_privacy_put_text(privacy, text, length, true, out);
}

/* In a URL the next field begins behind an ampersand. */
static size_t value_end(const char *text, size_t length, size_t at, bool is_url)
{
	while (at < length && !(is_url && (text[at] == '&' || text[at] == '#')))
		at++;
	return at;
}

static void put_word(const struct lt_privacy *privacy, const char *text, size_t length,
		     struct lt_privacy_out *out)
{
	size_t from = 0, login, end;
	bool is_url = find_login(text, length, &login, &end);
	struct hit hit;

	for (size_t i = 0; !is_url && i + 2 < length; i++)
		is_url = !memcmp(text + i, "://", 3);
	while (next_hit(text, length, from, false, &hit)) {
		put_rest(privacy, text + from, hit.value - from, out);
		from = value_end(text, length, hit.value, is_url);
		put_value(privacy, hit.kind, text + hit.value, from - hit.value, out);
	}
	put_rest(privacy, text + from, length - from, out);
}

static void put_argument(const struct lt_privacy *privacy, const char *text, size_t length,
			 struct lt_privacy_out *out)
{
	struct hit hit;
	bool is_option = length > 1 && text[0] == '-';

	if (!has_blank(text, length) || (is_option && next_hit(text, length, 0, false, &hit) &&
					 !has_blank(text, hit.value ? hit.value - 1 : 0)))
		put_word(privacy, text, length, out);
	else if (next_hit(text, length, 0, true, &hit))
		put_value(privacy, KIND_SECRET, text, length, out);
	else
		put_rest(privacy, text, length, out);
}

/* Letters behind one dash that are more likely an option than a secret. */
#define OPTION_LETTERS_MAX 8u

/*
 * Whether an argument that begins with a dash looks like an option: --name, -ngl, -t4, and a number
 * as well, which is no secret; -a8Kz is one.
 */
static bool is_option_like(const char *text, size_t length)
{
	size_t at = 1, digits;

	if (length > 2 && text[1] == '-')
		return true;
	while (at < length && is_letter(text[at]))
		at++;
	for (digits = at; digits < length && is_number_list(text + digits, 1); digits++)
		;
	if (digits == length)
		return at <= 2 || (at == length && at <= OPTION_LETTERS_MAX + 1);
	return text[digits] == '=' && at == digits;
}

/* What the argument says of the next one. */
static enum kind kind_of_next(const char *text, size_t length)
{
	return length > 1 && text[0] == '-' ? kind_of(text, length) : KIND_NONE;
}

/* @return what is left of what the argument before said, now that this one is known. */
static enum kind confirm(enum kind pending, const char *argument, size_t length)
{
	bool has_dash = length && argument[0] == '-';

	if ((pending == KIND_GUESS && has_dash && is_option_like(argument, length)) ||
	    (pending == KIND_LIST && has_dash) || !is_value(pending, argument, length, 0))
		return KIND_NONE;
	return pending;
}

size_t lt_privacy_command(const struct lt_privacy *privacy, const char *command, size_t length,
			  char *out, size_t out_bytes)
{
	struct lt_privacy_out text = {out, out, out + out_bytes - 1};
	enum kind pending = KIND_NONE;

	for (size_t at = 0; at < length; at++) {
		const char *argument = command + at;
		size_t bytes = strnlen(argument, length - at);

		if (at)
			lt_privacy_put(&text, "", 1);
		pending = confirm(pending, argument, bytes);
		if (pending) {
			put_value(privacy, pending, argument, bytes, &text);
			pending = pending == KIND_LIST ? KIND_LIST : KIND_NONE;
		} else {
			put_argument(privacy, argument, bytes, &text);
			pending = kind_of_next(argument, bytes);
		}
		at += bytes;
	}
	return lt_privacy_finish(&text);
}
