/* SPDX-License-Identifier: MIT */
/*
 * The tensors of one model file, compact: 24 bytes each and their names. Memory comes from the
 * kernel and is bounded; what no longer fits is left out. One thread.
 */
#ifndef LLMTRACE_MODEL_TABLE_H
#define LLMTRACE_MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_TENSORS_MAX 1000000u
#define MODEL_NAME_BYTES 1024u /* longer names are cut */
#define MODEL_TYPES_MAX 64u
#define MODEL_TYPE_BYTES 16u
#define MODEL_SIZE_UNKNOWN UINT64_MAX

struct model_row {
	uint64_t offset;
	uint64_t size_bytes;
	uint32_t name_at;
	uint16_t name_bytes;
	uint8_t type; /* index in types */
};

struct model_type {
	char text[MODEL_TYPE_BYTES]; /* terminated */
};

/* Set max_bytes; zeros else. */
struct model_table {
	struct model_row *rows;
	char *names;
	uint64_t max_bytes; /* of rows and names */
	uint32_t count, capacity;
	uint32_t name_bytes, name_capacity;
	uint32_t type_count;
	struct model_type types[MODEL_TYPES_MAX];
};

/* Adds a row. type: terminated. @return false: there is no room for more. */
bool model_table_add(struct model_table *table, const struct model_row *row, const char *type,
		     const char *name, size_t name_bytes);

/*
 * Moves offsets by data_offset, sorts by them, gives those of unknown size what lies in front of
 * the next one, and cuts what lies behind the end of the file. pause: may be NULL, called now and
 * then.
 */
void model_table_finish(struct model_table *table, uint64_t data_offset, uint64_t file_bytes,
			void (*pause)(void *context), void *context);

/* Gives back what is not used. */
void model_table_shrink(struct model_table *table);

uint64_t model_table_bytes(const struct model_table *table);

void model_table_release(struct model_table *table);

#endif
