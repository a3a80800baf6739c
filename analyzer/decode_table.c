/* SPDX-License-Identifier: MIT */
/* The mapping of decode_table.h, matched by the names of fields. */
#include "decode_table.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "llmtrace/wire.h"

static bool is_text(const uint8_t *text, uint64_t length, const char *name)
{
	return strlen(name) == length && memcmp(text, name, length) == 0;
}

static void schema_map_field(struct schema_field *field, const struct lt_event_info *info,
			     const uint8_t *name, uint64_t length)
{
	field->info = NULL;
	for (unsigned i = 0; info && i < info->field_count; i++) {
		if (!is_text(name, length, info->fields[i].name))
			continue;
		field->info = &info->fields[i];
		field->index = (uint8_t)i;
	}
}

/*
 * A release is stamped before the real call and an acquire after it, so of two of the same ns that
 * concern the same address the release came first.
 */
static bool is_release(unsigned kind)
{
	return kind == LT_KIND_free || kind == LT_KIND_realloc_begin || kind == LT_KIND_unmap ||
	       kind == LT_KIND_remap_begin || kind == LT_KIND_close;
}

static bool schema_init_kind(struct schema_kind *kind, const struct lt_event_info *info)
{
	kind->info = info;
	kind->is_acquire = !is_release(info->kind);
	kind->field_count = info->field_count;
	kind->fields = calloc(info->field_count, sizeof(*kind->fields));
	if (!kind->fields)
		return false;
	if (info->slots)
		kind->stride_bytes = sizeof(struct lt_record);
	for (unsigned i = 0; i < info->field_count; i++) {
		const struct lt_field_info *field = &info->fields[i];
		unsigned width = field->type == LT_TYPE_u64 || field->type == LT_TYPE_i64 ? 8 : 4;

		kind->fields[i] = (struct schema_field){ field, (uint8_t)i, field->type };
		if (info->slots)
			kind->stride_bytes += width * field->count;
	}
	kind->stride_bytes = (kind->stride_bytes + 7) & ~7u;
	return true;
}

bool schema_init(struct schema *schema)
{
	memset(schema, 0, sizeof(*schema));
	for (unsigned i = 0; i < lt_event_info_count; i++) {
		const struct lt_event_info *info = &lt_event_infos[i];

		if (!schema_init_kind(&schema->kinds[info->kind], info)) {
			schema_release(schema);
			return false;
		}
	}
	return true;
}

void schema_release(struct schema *schema)
{
	for (unsigned i = 0; i < SCHEMA_KINDS; i++)
		free(schema->kinds[i].fields);
	for (size_t i = 0; i < schema->name_count; i++) {
		free(schema->names[i].list);
		free(schema->names[i].name);
	}
	free(schema->names);
	memset(schema, 0, sizeof(*schema));
}

/* @return false when the row is torn; then nothing of it was taken. */
static bool schema_read_row(struct schema *schema, struct lt_wire_in *in)
{
	struct schema_field fields[SCHEMA_MAX_FIELDS], *kept;
	uint64_t length, kind = lt_get_varint(in);
	const struct lt_event_info *info = kind < SCHEMA_KINDS ? schema->kinds[kind].info : NULL;
	uint64_t field_count;

	lt_get_text(in, &length);	/* the event's name */
	lt_get_text(in, &length);	/* its aux list */
	lt_get_varint(in);		/* group */
	field_count = lt_get_varint(in);
	if (in->is_bad || kind >= SCHEMA_KINDS || field_count > SCHEMA_MAX_FIELDS)
		return false;
	for (uint64_t i = 0; i < field_count; i++) {
		const uint8_t *name = lt_get_text(in, &length);

		fields[i] = (struct schema_field){ .info = NULL };
		if (name)
			schema_map_field(&fields[i], info, name, length);
		fields[i].file_type = (uint8_t)lt_get_varint(in);
		lt_get_varint(in);	/* unit */
		/* each column says its own; the table tells which ones to expect */
		if (lt_get_varint(in) > LT_CODEC_recent && fields[i].info)
			schema->unknown_codec = fields[i].info->name;
		lt_get_varint(in);	/* count: likewise */
	}
	if (in->is_bad)
		return false;
	kept = malloc((field_count + 1) * sizeof(*kept));
	if (!kept)
		return false;
	memcpy(kept, fields, field_count * sizeof(*kept));
	free(schema->kinds[kind].fields);
	schema->kinds[kind].fields = kept;
	schema->kinds[kind].field_count = (unsigned)field_count;
	schema->kinds[kind].is_in_file = true;
	return true;
}

static bool schema_read_name(struct schema *schema, struct lt_wire_in *in)
{
	uint64_t list_length, name_length;
	const uint8_t *list = lt_get_text(in, &list_length);
	uint64_t value = lt_get_varint(in);
	const uint8_t *name = lt_get_text(in, &name_length);
	struct schema_name row = { .value = value };

	if (in->is_bad || !grow((void **)&schema->names, schema->name_count, &schema->name_capacity,
				sizeof(*schema->names)))
		return false;
	row.list = strndup((const char *)list, list_length);
	row.name = strndup((const char *)name, name_length);
	schema->names[schema->name_count++] = row;
	return row.list && row.name;
}

const char *schema_read(struct schema *schema, const uint8_t *bytes, size_t length)
{
	struct lt_wire_in in = { bytes, bytes + length, false };
	uint64_t row_count = lt_get_varint(&in);
	uint64_t name_count;

	if (in.is_bad || row_count > SCHEMA_KINDS)
		return "the event table is torn";
	for (uint64_t i = 0; i < row_count; i++)
		if (!schema_read_row(schema, &in))
			return "the event table is torn";
	if (schema->name_count)
		return NULL;		/* a checkpoint repeats the table */
	name_count = lt_get_varint(&in);
	if (in.is_bad || name_count > SCHEMA_MAX_NAMES)
		return "the table of names is torn";
	for (uint64_t i = 0; i < name_count; i++)
		if (!schema_read_name(schema, &in))
			return "the table of names is torn";
	return NULL;
}

const char *schema_aux_name(const struct schema *schema, unsigned kind, unsigned value)
{
	const struct lt_event_info *info = kind < SCHEMA_KINDS ? schema->kinds[kind].info : NULL;
	const char *name;

	if (!info || strcmp(info->aux, "none") == 0)
		return NULL;
	name = lt_aux_name(info->aux, value);
	for (size_t i = 0; !name && i < schema->name_count; i++)
		if (schema->names[i].value == value && schema->names[i].list &&
		    strcmp(schema->names[i].list, info->aux) == 0)
			name = schema->names[i].name;
	return name;
}
