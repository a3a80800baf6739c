/* SPDX-License-Identifier: MIT */
/*
 * Marks and paths; see privacy.h. Command lines are in privacy_command.c. No libc but for string.h:
 * this is linked into the shim, too.
 */
#include "llmtrace/privacy.h"

#include <string.h>

#include "llmtrace/privacy_parts.h"

/* ---- the hash: SipHash-2-4 (Aumasson and Bernstein, 2012) ---- */
static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], unsigned count)
{
	while (count--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t word_at(const char *text, size_t bytes)
{
	uint64_t word = 0;

	for (size_t i = 0; i < bytes; i++)
		word |= (uint64_t)(uint8_t)text[i] << 8 * i;
	return word;
}

uint64_t lt_privacy_hash(const uint64_t key[2], const char *text, size_t length)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
			 key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
	size_t left = length;

	for (;; text += 8, left -= 8) {
		uint64_t word =
			left >= 8 ? word_at(text, 8) : word_at(text, left) | (uint64_t)length << 56;

		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- marks ---- */
size_t lt_privacy_mark(const uint64_t key[2], const char *text, size_t length, char *out)
{
	uint32_t hash = (uint32_t)lt_privacy_hash(key, text, length);
	char digits[20], *at = out;
	unsigned count = 0;

	*at++ = '<';
	for (size_t rest = length; rest || !count; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count)
		*at++ = digits[--count];
	*at++ = ':';
	for (int shift = 28; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[hash >> shift & 15];
	*at++ = '>';
	*at = '\0';
	return (size_t)(at - out);
}

size_t lt_privacy_mark_name(const char *name, size_t length, char *out)
{
	static const uint64_t no_key[2];

	return lt_privacy_mark(no_key, name, length, out);
}

bool lt_privacy_is_mark(const char *text, size_t length)
{
	size_t at = 1;

	if (length < 12 || length >= LT_PRIVACY_MARK_BYTES || text[0] != '<' ||
	    text[length - 1] != '>' || text[length - 10] != ':')
		return false;
	for (; at < length - 10; at++)
		if (text[at] < '0' || text[at] > '9')
			return false;
	for (at++; at < length - 1; at++)
		if ((text[at] < '0' || text[at] > '9') && (text[at] < 'a' || text[at] > 'f'))
			return false;
	return true;
}

/* ---- output ---- */
void lt_privacy_put(struct lt_privacy_out *out, const char *text, size_t length)
{
	size_t room = (size_t)(out->end - out->at);

	if (length > room)
		length = room;
	memcpy(out->at, text, length);
	out->at += length;
}

size_t lt_privacy_finish(struct lt_privacy_out *out)
{
	*out->at = '\0';
	return (size_t)(out->at - out->begin);
}

/* ---- user names ---- */
static const struct folder {
	const char *path;
	size_t length;
	bool is_anywhere;
} folders[] = {
#define LT_PRIVATE_FOLDER(path, is_anywhere) {path, sizeof(path) - 1, is_anywhere},
#define LT_PRIVATE_OPTION(name, kind)
#define LT_PRIVATE_ENDING(text)
#define LT_PRIVATE_PART(text)
#include "llmtrace/privacy.def"
#undef LT_PRIVATE_FOLDER
#undef LT_PRIVATE_OPTION
#undef LT_PRIVATE_ENDING
#undef LT_PRIVATE_PART
};

/* Folders that every system has: replacing them would hide more than a name. */
static const char *const common_names[] = {"root", "home", "bin", "lib",  "usr",    "etc",
					   "var",  "opt",  "tmp", "dev",  "proc",   "sys",
					   "run",  "srv",  "mnt", "data", "models", "share"};

static bool is_same(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && !memcmp(a, b, a_length);
}

static bool is_known(const struct lt_privacy *privacy, const char *name, size_t length)
{
	for (uint32_t i = 0; i < privacy->name_count; i++)
		if (is_same(name, length, privacy->names[i].text, privacy->names[i].length))
			return true;
	return false;
}

void lt_privacy_add_name(struct lt_privacy *privacy, const char *name, size_t length)
{
	struct lt_privacy_name *added = &privacy->names[privacy->name_count];

	if (!length || length > LT_PRIVACY_NAME_BYTES || privacy->name_count == LT_PRIVACY_NAMES ||
	    is_known(privacy, name, length) || lt_privacy_is_mark(name, length))
		return;
	for (size_t i = 0; i < length; i++)
		if (name[i] == '/')
			return;
	for (size_t i = 0; i < sizeof(common_names) / sizeof(common_names[0]); i++)
		if (is_same(name, length, common_names[i], strlen(common_names[i])))
			return;
	memcpy(added->text, name, length);
	added->length = (uint32_t)length;
	privacy->name_count++;
}

/* What ends a name in a text that is not a path alone. */
static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == ':' || c == ';' || c == ',' || c == '"' ||
	       c == '\'' || c == '|' || c == '&' || c == ')' || c == '=';
}

static size_t name_end(const char *text, size_t length, size_t at, bool is_text)
{
	while (at < length && text[at] != '/' && text[at] && !(is_text && ends_word(text[at])))
		at++;
	return at;
}

/* @return the length of the private folder that begins at a slash, 0 for none. */
static size_t folder_at(const char *text, size_t length, size_t at)
{
	bool is_start = !at || ends_word(text[at - 1]);

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if ((is_start || folders[i].is_anywhere) && length - at > folders[i].length &&
		    !memcmp(text + at, folders[i].path, folders[i].length))
			return folders[i].length;
	return 0;
}

bool lt_privacy_next_name(const struct lt_privacy *privacy, const char *text, size_t length,
			  bool is_text, size_t from, size_t *ret_begin, size_t *ret_end)
{
	for (size_t at = from; at < length; at++) {
		size_t folder, begin, end;

		if (text[at] != '/')
			continue;
		folder = folder_at(text, length, at);
		begin = at + (folder ? folder : 1);
		end = name_end(text, length, begin, is_text);
		if (begin == end || lt_privacy_is_mark(text + begin, end - begin) ||
		    (!folder && !is_known(privacy, text + begin, end - begin)))
			continue;
		*ret_begin = begin;
		*ret_end = end;
		return true;
	}
	return false;
}

void lt_privacy_put_text(const struct lt_privacy *privacy, const char *text, size_t length,
			 bool is_text, struct lt_privacy_out *out)
{
	size_t from = 0, begin, end;

	while (lt_privacy_next_name(privacy, text, length, is_text, from, &begin, &end)) {
		char mark[LT_PRIVACY_MARK_BYTES];

		lt_privacy_put(out, text + from, begin - from);
		lt_privacy_put(out, mark, lt_privacy_mark_name(text + begin, end - begin, mark));
		from = end;
	}
	lt_privacy_put(out, text + from, length - from);
}

void lt_privacy_learn(struct lt_privacy *privacy, const char *path, size_t length)
{
	static const struct lt_privacy no_names;
	size_t from = 0, begin, end;

	while (lt_privacy_next_name(&no_names, path, length, true, from, &begin, &end)) {
		lt_privacy_add_name(privacy, path + begin, end - begin);
		from = end;
	}
}

bool lt_privacy_is_private(const struct lt_privacy *privacy, const char *path, size_t length)
{
	size_t begin, end;

	return lt_privacy_next_name(privacy, path, length, false, 0, &begin, &end);
}

size_t lt_privacy_path(const struct lt_privacy *privacy, const char *path, size_t length, char *out,
		       size_t out_bytes)
{
	struct lt_privacy_out text = {out, out, out + out_bytes - 1};

	lt_privacy_put_text(privacy, path, length, false, &text);
	return lt_privacy_finish(&text);
}
