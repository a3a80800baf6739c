/* SPDX-License-Identifier: MIT */
/*
 * The shim's parsers of model files by themselves, over a file in memory, and what must hold of
 * whatever they make of it. Included once by a program; the shim's memory is malloc's here, so that
 * sanitizers see its bounds.
 */
#ifndef LLMTRACE_TESTS_MODEL_PARSERS_H
#define LLMTRACE_TESTS_MODEL_PARSERS_H

#include <stdlib.h>
#include <string.h>

#include "../../preload/model_source.c"
#include "../../preload/model_table.c"
#include "../../preload/gguf.c"
#include "../../preload/safetensors.c"

void *sys_memory(size_t bytes)
{
	return calloc(1, bytes);
}

void sys_memory_release(void *addr, size_t bytes)
{
	(void)bytes;
	free(addr);
}

struct memory_model {
	const uint8_t *bytes;
	size_t length;
	size_t piece_bytes; /* what one read gives at most */
};

static long read_memory(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	const struct memory_model *file = context;

	if (offset >= file->length)
		return 0;
	if (bytes > file->length - offset)
		bytes = file->length - offset;
	if (bytes > file->piece_bytes)
		bytes = file->piece_bytes;
	memcpy(buffer, file->bytes + offset, bytes);
	return (long)bytes;
}

/* As preload/model_index.c. */
static bool parse_model(struct memory_model *file, uint64_t max_bytes, struct model_header *header)
{
	static uint8_t buffer[MODEL_PIECE_BYTES];
	struct model_source source = {
		.read = read_memory,
		.context = file,
		.buffer = buffer,
		.end = file->length,
		.file_bytes = file->length,
	};
	uint8_t magic[MODEL_MAGIC_BYTES];
	bool is_model;

	memset(header, 0, sizeof(*header));
	header->table.max_bytes = max_bytes;
	if (file->length < sizeof(magic))
		return false;
	memcpy(magic, file->bytes, sizeof(magic));
	if (gguf_is(magic))
		is_model = gguf_read(&source, header);
	else
		is_model = safetensors_is(magic, file->length) && safetensors_read(&source, header);
	if (is_model)
		model_table_shrink(&header->table);
	else
		model_table_release(&header->table);
	return is_model;
}

/* @return NULL, or what is wrong with the rows. */
static const char *check_model(const struct memory_model *file, const struct model_header *header)
{
	const struct model_table *table = &header->table;

	if (table->count && header->data_offset > file->length)
		return "tensors behind the end of the file";
	if (model_table_bytes(table) > table->max_bytes)
		return "more memory than is allowed";
	for (uint32_t i = 0; i < table->count; i++) {
		const struct model_row *row = &table->rows[i];

		if (i && row->offset < table->rows[i - 1].offset)
			return "not sorted";
		if (row->offset < header->data_offset || row->offset > file->length ||
		    row->size_bytes > file->length - row->offset)
			return "a tensor that is not in the file";
		if (row->name_bytes > MODEL_NAME_BYTES || row->name_at > table->name_bytes ||
		    row->name_bytes > table->name_bytes - row->name_at)
			return "a name that is not in the table";
		if (row->type >= table->type_count ||
		    !memchr(table->types[row->type].text, 0, MODEL_TYPE_BYTES))
			return "a type that is not in the table";
	}
	return NULL;
}

#endif
