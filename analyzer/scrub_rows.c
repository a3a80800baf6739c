/* SPDX-License-Identifier: MIT */
/*
 * See scrub_rows.h. Rows are taken apart by the file's own table, so that kinds of an older or a
 * newer minor version keep their fields; every field of text is looked at.
 */
#include "scrub_rows.h"

#include <stdlib.h>
#include <string.h>

#include "llmtrace/wire.h"

/* "/a" becomes "/<1:01234567>" at worst. */
#define ROOM_FACTOR 8u

void scrub_rows_release(struct scrub_rows *rows)
{
	free(rows->bytes);
	*rows = (struct scrub_rows){0};
}

static struct lt_wire_out room_for(struct scrub_rows *rows, size_t bytes)
{
	if (rows->capacity - rows->length < bytes) {
		size_t capacity = (rows->capacity + bytes) * 2;
		uint8_t *grown = realloc(rows->bytes, capacity);

		rows->is_bad |= !grown;
		if (!grown)
			return (struct lt_wire_out){NULL, NULL, true};
		rows->bytes = grown;
		rows->capacity = capacity;
	}
	return (struct lt_wire_out){rows->bytes + rows->length, rows->bytes + rows->capacity,
				    false};
}

static void add_row(struct scrub_rows *rows, uint64_t kind, const uint8_t *bytes, size_t length)
{
	struct lt_wire_out out = room_for(rows, length + 2 * LT_VARINT_MAX_BYTES);

	if (out.is_bad)
		return;
	lt_put_varint(&out, kind);
	lt_put_text(&out, bytes, length);
	rows->length = (size_t)(out.at - rows->bytes);
	rows->count++;
}

/* ---- fields ---- */
struct field {
	uint64_t number;
	const uint8_t *bytes; /* NULL: a number */
	size_t length;
};

static struct field next_field(struct lt_wire_in *in, uint8_t type)
{
	struct field field = {0, NULL, 0};
	uint64_t length;

	if (type == LT_TYPE_text || type == LT_TYPE_bytes || type == LT_TYPE_frames) {
		field.bytes = lt_get_text(in, &length);
		field.length = in->is_bad ? 0 : (size_t)length;
	} else {
		field.number = lt_get_varint(in);
	}
	return field;
}

static bool is_text(const struct field *field, const char *text)
{
	return field->length == strlen(text) && !memcmp(field->bytes, text, field->length);
}

/* The value of a fact whose key is given; else a text as any other. */
static size_t replace(const struct scrub_facts *facts, const struct field *key,
		      const struct field *field, char *out, size_t bytes)
{
	const char *text = (const char *)field->bytes;

	if (key && is_text(key, "privacy")) {
		memcpy(out, "scrubbed", 9);
		return 8;
	}
	if (key && is_text(key, "command"))
		return lt_privacy_command(&facts->privacy, text, field->length, out, bytes);
	return lt_privacy_path(&facts->privacy, text, field->length, out, bytes);
}

static void put_field(const struct scrub_facts *facts, const struct field *key,
		      const struct field *field, uint8_t type, struct lt_wire_out *out)
{
	size_t room = field->length * ROOM_FACTOR + 64;
	char *text;

	if (!field->bytes) {
		lt_put_varint(out, field->number);
		return;
	}
	if (type != LT_TYPE_text) {
		lt_put_text(out, field->bytes, field->length);
		return;
	}
	text = malloc(room);
	out->is_bad |= !text;
	if (text)
		lt_put_text(out, text, replace(facts, key, field, text, room));
	free(text);
}

/* ---- rows ---- */
struct row {
	uint64_t kind;
	const uint8_t *bytes;
	size_t length;
	const struct schema_kind *schema; /* NULL: the file's table does not have it */
};

static bool next_row(struct lt_wire_in *in, const struct schema *schema, struct row *ret_row)
{
	uint64_t length = 0;

	ret_row->kind = lt_get_varint(in);
	ret_row->bytes = lt_get_text(in, &length);
	ret_row->length = (size_t)length;
	ret_row->schema = ret_row->kind < SCHEMA_KINDS && schema->kinds[ret_row->kind].field_count
				  ? &schema->kinds[ret_row->kind]
				  : NULL;
	return ret_row->bytes;
}

static bool rewrite_row(const struct scrub_facts *facts, const struct row *row,
			struct scrub_rows *rows)
{
	struct lt_wire_in in = {row->bytes, row->bytes + row->length, false};
	size_t room = (row->length + 64) * (ROOM_FACTOR + 1);
	uint8_t *bytes = malloc(room);
	struct lt_wire_out out = {bytes, bytes + (bytes ? room : 0), !bytes};
	struct field key = {0, NULL, 0};

	for (unsigned i = 0; i < row->schema->field_count && in.at < in.end && !out.is_bad; i++) {
		uint8_t type = row->schema->fields[i].file_type;
		struct field field = next_field(&in, type);

		put_field(facts, row->kind == LT_KIND_meta && i == 1 ? &key : NULL, &field, type,
			  &out);
		if (!i)
			key = field;
	}
	if (!in.is_bad && !out.is_bad)
		add_row(rows, row->kind, bytes, (size_t)(out.at - bytes));
	rows->is_bad |= out.is_bad;
	free(bytes);
	return !in.is_bad;
}

const char *scrub_rewrite(const struct scrub_facts *facts, const struct schema *schema,
			  const uint8_t *bytes, size_t length, uint32_t row_count,
			  struct scrub_rows *rows)
{
	struct lt_wire_in in = {bytes, bytes + length, false};

	for (uint32_t i = 0; i < row_count; i++) {
		struct row row;

		if (!next_row(&in, schema, &row))
			return "a block of definitions is torn";
		if (row.schema && !rewrite_row(facts, &row, rows))
			return "a definition is torn";
	}
	return NULL;
}

void scrub_add_string(const struct scrub_facts *facts, uint32_t id, const char *text, size_t length,
		      struct scrub_rows *rows)
{
	size_t room = length * ROOM_FACTOR + 64;
	uint8_t *bytes = malloc(room);
	char *replaced = malloc(room);

	if (bytes && replaced) {
		struct lt_wire_out out = {bytes, bytes + room, false};

		lt_put_varint(&out, id);
		lt_put_text(&out, replaced,
			    lt_privacy_path(&facts->privacy, text, length, replaced, room - 32));
		if (!out.is_bad)
			add_row(rows, LT_KIND_string, bytes, (size_t)(out.at - bytes));
		rows->is_bad |= out.is_bad;
	} else {
		rows->is_bad = true;
	}
	free(bytes);
	free(replaced);
}

/* ---- the first pass ---- */
const char *scrub_learn(struct scrub_facts *facts, const struct schema *schema,
			const uint8_t *bytes, size_t length, uint32_t row_count)
{
	struct lt_wire_in in = {bytes, bytes + length, false};

	for (uint32_t i = 0; i < row_count; i++) {
		struct lt_wire_in row_in;
		struct row row;

		if (!next_row(&in, schema, &row))
			return "a block of definitions is torn";
		row_in = (struct lt_wire_in){row.bytes, row.bytes + row.length, false};
		for (unsigned j = 0;
		     row.schema && j < row.schema->field_count && row_in.at < row_in.end; j++) {
			uint8_t type = row.schema->fields[j].file_type;
			struct field field = next_field(&row_in, type);

			if (type == LT_TYPE_text && field.bytes)
				lt_privacy_learn(&facts->privacy, (const char *)field.bytes,
						 field.length);
			if (row.kind == LT_KIND_string && !j && field.number > facts->last_string &&
			    field.number < UINT32_MAX)
				facts->last_string = (uint32_t)field.number;
		}
	}
	return NULL;
}
