/* SPDX-License-Identifier: MIT */
/*
 * safetensors: eight bytes of length, a JSON object of so many bytes, the data. A pull parser of
 * what JSON may hold, with bounds on depth and on texts. Every member but __metadata__ is a tensor,
 * with its dtype, shape and data_offsets: its first byte, and the first one behind it, in the data.
 */
#include "model_header.h"

#include <string.h>

#define JSON_DEPTH_MAX 32u
#define MEMBER_BYTES 32u

bool safetensors_is(const uint8_t magic[MODEL_MAGIC_BYTES], uint64_t file_bytes)
{
	uint64_t length = 0;

	for (unsigned i = 8; i-- > 0;)
		length = length << 8 | magic[i];
	return file_bytes > 8 && length >= 2 && length <= file_bytes - 8 && magic[8] == '{';
}

/* ---- JSON ---- */
static int next_char(struct model_source *source)
{
	int c = source_peek(source);

	while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		source->at++;
		c = source_peek(source);
	}
	return c;
}

/* Takes the next character if it is this one. */
static bool take(struct model_source *source, int wanted)
{
	if (next_char(source) != wanted)
		return false;
	source->at++;
	return true;
}

static bool expect(struct model_source *source, int wanted)
{
	if (!take(source, wanted))
		source->is_bad = true;
	return !source->is_bad;
}

struct json_text {
	char *bytes;
	size_t room, length; /* what has no room is left out */
};

static void put(struct json_text *text, uint32_t byte)
{
	if (text->length < text->room)
		text->bytes[text->length++] = (char)byte;
}

static void put_character(struct json_text *text, uint32_t c)
{
	if (c < 0x80) {
		put(text, c);
		return;
	}
	if (c < 0x800) {
		put(text, 0xc0 | c >> 6);
	} else if (c < 0x10000) {
		put(text, 0xe0 | c >> 12);
		put(text, 0x80 | (c >> 6 & 0x3f));
	} else {
		put(text, 0xf0 | c >> 18);
		put(text, 0x80 | (c >> 12 & 0x3f));
		put(text, 0x80 | (c >> 6 & 0x3f));
	}
	put(text, 0x80 | (c & 0x3f));
}

static uint32_t read_hex(struct model_source *source)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < 4; i++) {
		int c = source_byte(source);
		int lower = c | 0x20;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 0 && lower >= 'a' && lower <= 'f')
			value = value << 4 | (uint32_t)(lower - 'a' + 10);
		else
			source->is_bad = true;
	}
	return value;
}

/* \u: one of 16 bits, or two that make one of 21. */
static void read_unicode(struct model_source *source, struct json_text *text)
{
	uint32_t c = read_hex(source), low;

	if (c >= 0xd800 && c < 0xdc00 && source_peek(source) == '\\') {
		source->at++;
		if (source_byte(source) != 'u')
			source->is_bad = true;
		low = read_hex(source);
		if (low < 0xdc00 || low >= 0xe000)
			source->is_bad = true;
		c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
	}
	put_character(text, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
}

static void read_escape(struct model_source *source, struct json_text *text)
{
	static const char codes[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	int c = source_byte(source);
	const char *code = c > 0 ? strchr(codes, c) : NULL;

	if (c == 'u')
		read_unicode(source, text);
	else if (code)
		put(text, (uint8_t)values[code - codes]);
	else
		source->is_bad = true;
}

static void json_string(struct model_source *source, struct json_text *text)
{
	text->length = 0;
	if (!expect(source, '"'))
		return;
	while (!source->is_bad) {
		int c = source_byte(source);

		if (c == '"')
			return;
		if (c == '\\')
			read_escape(source, text);
		else if (c < 0x20)
			source->is_bad = true;
		else
			put(text, (uint32_t)c);
	}
}

/* Only what a length or an offset may be: digits. */
static uint64_t json_number(struct model_source *source)
{
	int c = next_char(source);
	uint64_t value = 0;

	if (c < '0' || c > '9')
		source->is_bad = true;
	for (; c >= '0' && c <= '9'; c = source_peek(source)) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(c - '0'), &value)) {
			source->is_bad = true;
			return 0;
		}
		source->at++;
	}
	return value;
}

/* A number, true, false or null, whatever its letters. */
static void json_skip_word(struct model_source *source)
{
	int c = next_char(source);
	bool is_empty = true;

	while ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '+' || c == '.') {
		source->at++;
		is_empty = false;
		c = source_peek(source);
	}
	if (is_empty)
		source->is_bad = true;
}

static void json_skip(struct model_source *source, unsigned depth)
{
	struct json_text none = {NULL, 0, 0};
	int c = next_char(source);
	bool is_object = c == '{';

	if (c == '"') {
		json_string(source, &none);
		return;
	}
	if (c != '{' && c != '[') {
		json_skip_word(source);
		return;
	}
	source->at++;
	if (depth == JSON_DEPTH_MAX)
		source->is_bad = true;
	if (source->is_bad || take(source, is_object ? '}' : ']'))
		return;
	do {
		if (is_object) {
			json_string(source, &none);
			expect(source, ':');
		}
		json_skip(source, depth + 1);
	} while (!source->is_bad && take(source, ','));
	expect(source, is_object ? '}' : ']');
}

/* ---- tensors ---- */
struct entry {
	char type[MODEL_TYPE_BYTES];
	uint64_t begin, end; /* from the first byte of the data */
	bool has_type, has_offsets;
};

static void read_member(struct model_source *source, struct entry *entry)
{
	char key[MEMBER_BYTES];
	struct json_text key_text = {key, sizeof(key) - 1, 0};
	struct json_text type = {entry->type, sizeof(entry->type) - 1, 0};

	json_string(source, &key_text);
	key[key_text.length] = '\0';
	expect(source, ':');
	if (!strcmp(key, "dtype")) {
		json_string(source, &type);
		entry->type[type.length] = '\0';
		entry->has_type = true;
	} else if (!strcmp(key, "data_offsets")) {
		expect(source, '[');
		entry->begin = json_number(source);
		expect(source, ',');
		entry->end = json_number(source);
		expect(source, ']');
		entry->has_offsets = true;
	} else {
		json_skip(source, 1);
	}
}

static void read_object(struct model_source *source, struct model_header *header, const char *name,
			size_t name_bytes)
{
	struct entry entry = {.has_type = false};
	struct model_row row;

	expect(source, '{');
	do
		read_member(source, &entry);
	while (!source->is_bad && take(source, ','));
	expect(source, '}');
	if (!entry.has_type || !entry.has_offsets || entry.end < entry.begin)
		source->is_bad = true;
	if (source->is_bad)
		return;
	row = (struct model_row){.offset = entry.begin, .size_bytes = entry.end - entry.begin};
	model_table_add(&header->table, &row, entry.type, name, name_bytes);
}

static void read_entry(struct model_source *source, struct model_header *header)
{
	/* a byte more than is kept, so that the name can be cut between two characters */
	char name[MODEL_NAME_BYTES + 1];
	struct json_text text = {name, sizeof(name), 0};

	json_string(source, &text);
	expect(source, ':');
	if (source->is_bad)
		return;
	if (text.length == strlen("__metadata__") && !memcmp(name, "__metadata__", text.length))
		json_skip(source, 1);
	else
		read_object(source, header, name, text.length);
}

bool safetensors_read(struct model_source *source, struct model_header *header)
{
	uint8_t magic[MODEL_MAGIC_BYTES] = {0};
	uint64_t length = source_u64(source);

	for (unsigned i = 0; i < 8; i++)
		magic[i] = (uint8_t)(length >> i * 8);
	magic[8] = (uint8_t)source_peek(source);
	if (source->is_bad || !safetensors_is(magic, source->file_bytes))
		return false;
	header->format = "safetensors";
	header->data_offset = 8 + length;
	if (source->end > header->data_offset)
		source->end = header->data_offset;
	source->at++; /* the brace */
	if (!take(source, '}'))
		do
			read_entry(source, header);
		while (!source->is_bad && take(source, ','));
	model_table_finish(&header->table, header->data_offset, source->file_bytes, source->pause,
			   source->context);
	return header->table.count;
}
