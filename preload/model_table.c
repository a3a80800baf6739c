/* SPDX-License-Identifier: MIT */
/* Tensors of a file; see model_table.h. Entered by the writer thread alone; takes no lock. */
#include "model_table.h"

#include <string.h>

#include "sys.h"

#define ROWS_FIRST 256u
#define NAMES_FIRST 16384u
#define ROWS_A_TIME 4096u /* of sorting, between two pauses */

uint64_t model_table_bytes(const struct model_table *table)
{
	return (uint64_t)table->capacity * sizeof(*table->rows) + table->name_capacity;
}

/* Moves used elements to new memory. @return NULL, and nothing has changed, without memory. */
static void *moved(void *old, uint64_t used_bytes, uint64_t old_bytes, uint64_t new_bytes)
{
	void *memory = sys_memory(new_bytes);

	if (!memory)
		return NULL;
	if (old) {
		memcpy(memory, old, used_bytes);
		sys_memory_release(old, old_bytes);
	}
	return memory;
}

static bool make_room(struct model_table *table, size_t name_bytes)
{
	uint32_t rows = table->capacity ? table->capacity : ROWS_FIRST;
	uint32_t names = table->name_capacity ? table->name_capacity : NAMES_FIRST;
	void *memory;

	while (rows <= table->count)
		rows *= 2;
	while (names - table->name_bytes < name_bytes)
		names *= 2;
	if ((uint64_t)rows * sizeof(*table->rows) + names > table->max_bytes)
		return false;
	if (rows != table->capacity) {
		memory = moved(table->rows, table->count * sizeof(*table->rows),
			       table->capacity * sizeof(*table->rows), rows * sizeof(*table->rows));
		if (!memory)
			return false;
		table->rows = memory;
		table->capacity = rows;
	}
	if (names != table->name_capacity) {
		memory = moved(table->names, table->name_bytes, table->name_capacity, names);
		if (!memory)
			return false;
		table->names = memory;
		table->name_capacity = names;
	}
	return true;
}

/* Where there are too many types, the last one stands for the rest. */
static uint8_t type_index(struct model_table *table, const char *type)
{
	size_t length = strnlen(type, MODEL_TYPE_BYTES - 1);

	for (uint32_t i = 0; i < table->type_count; i++)
		if (!strncmp(table->types[i].text, type, length) && !table->types[i].text[length])
			return (uint8_t)i;
	if (table->type_count == MODEL_TYPES_MAX - 1) {
		type = "?";
		length = 1;
	} else if (table->type_count == MODEL_TYPES_MAX) {
		return MODEL_TYPES_MAX - 1;
	}
	memcpy(table->types[table->type_count].text, type, length);
	return (uint8_t)table->type_count++;
}

/* Not in the middle of a character. */
static size_t cut(const char *name, size_t bytes)
{
	if (bytes <= MODEL_NAME_BYTES)
		return bytes;
	bytes = MODEL_NAME_BYTES;
	while (bytes > MODEL_NAME_BYTES - 4 && ((uint8_t)name[bytes] & 0xc0) == 0x80)
		bytes--;
	return bytes;
}

bool model_table_add(struct model_table *table, const struct model_row *row, const char *type,
		     const char *name, size_t name_bytes)
{
	name_bytes = cut(name, name_bytes);
	if (table->count == MODEL_TENSORS_MAX || !make_room(table, name_bytes))
		return false;
	table->rows[table->count] = *row;
	table->rows[table->count].type = type_index(table, type);
	table->rows[table->count].name_at = table->name_bytes;
	table->rows[table->count].name_bytes = (uint16_t)name_bytes;
	table->count++;
	memcpy(table->names + table->name_bytes, name, name_bytes);
	table->name_bytes += (uint32_t)name_bytes;
	return true;
}

/* ---- the end ---- */
static bool is_sorted(const struct model_table *table)
{
	for (uint32_t i = 1; i < table->count; i++)
		if (table->rows[i].offset < table->rows[i - 1].offset)
			return false;
	return true;
}

static void sift_down(struct model_row *rows, uint32_t at, uint32_t count)
{
	while (at * 2 + 1 < count) {
		uint32_t child = at * 2 + 1;
		struct model_row row = rows[at];

		child += child + 1 < count && rows[child].offset < rows[child + 1].offset;
		if (rows[child].offset <= row.offset)
			return;
		rows[at] = rows[child];
		rows[child] = row;
		at = child;
	}
}

/* Most files are sorted as they are. */
static void sort(struct model_table *table, void (*pause)(void *context), void *context)
{
	struct model_row *rows = table->rows;

	if (is_sorted(table))
		return;
	for (uint32_t i = table->count / 2; i-- > 0;)
		sift_down(rows, i, table->count);
	for (uint32_t end = table->count; end-- > 1;) {
		struct model_row last = rows[end];

		rows[end] = rows[0];
		rows[0] = last;
		sift_down(rows, 0, end);
		if (pause && end % ROWS_A_TIME == 0)
			pause(context);
	}
}

/* @return false: it lies behind the end of the file. */
static bool place(struct model_row *row, uint64_t data_offset, uint64_t file_bytes)
{
	if (data_offset > file_bytes || row->offset > file_bytes - data_offset)
		return false;
	row->offset += data_offset;
	if (row->size_bytes != MODEL_SIZE_UNKNOWN && row->size_bytes > file_bytes - row->offset)
		row->size_bytes = file_bytes - row->offset;
	return true;
}

void model_table_finish(struct model_table *table, uint64_t data_offset, uint64_t file_bytes,
			void (*pause)(void *context), void *context)
{
	uint64_t next_offset = file_bytes, next = file_bytes;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->count; i++)
		if (place(&table->rows[i], data_offset, file_bytes))
			table->rows[kept++] = table->rows[i];
	table->count = kept;
	sort(table, pause, context);
	for (uint32_t i = table->count; i-- > 0;) {
		struct model_row *row = &table->rows[i];

		if (row->offset < next)
			next_offset = next;
		if (row->size_bytes == MODEL_SIZE_UNKNOWN)
			row->size_bytes = next_offset - row->offset;
		next = row->offset;
	}
}

void model_table_shrink(struct model_table *table)
{
	uint64_t row_bytes = sizeof(*table->rows);
	void *memory;

	if (table->count && table->count < table->capacity) {
		memory = moved(table->rows, table->count * row_bytes, table->capacity * row_bytes,
			       table->count * row_bytes);
		if (memory) {
			table->rows = memory;
			table->capacity = table->count;
		}
	}
	if (table->name_bytes && table->name_bytes < table->name_capacity) {
		memory = moved(table->names, table->name_bytes, table->name_capacity,
			       table->name_bytes);
		if (memory) {
			table->names = memory;
			table->name_capacity = table->name_bytes;
		}
	}
}

void model_table_release(struct model_table *table)
{
	if (table->rows)
		sys_memory_release(table->rows, table->capacity * sizeof(*table->rows));
	if (table->names)
		sys_memory_release(table->names, table->name_capacity);
	table->rows = NULL;
	table->names = NULL;
	table->count = table->capacity = 0;
	table->name_bytes = table->name_capacity = 0;
}
