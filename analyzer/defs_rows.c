/* SPDX-License-Identifier: MIT */
/*
 * The store behind defs.h: adding rows, keeping their texts, looking them up. Reading them from
 * payloads is in defs.c.
 */
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "defs.h"
#include "defs_rows.h"

#define TEXT_CHUNK_BYTES 65536u
#define MAX_METAS 4096u

/* Texts of rows: chunks that are filled one after the other and released together. */
struct text_chunk {
	struct text_chunk *next;
	size_t used, capacity;
	char bytes[];
};

bool defs_init(struct defs *defs)
{
	memset(defs, 0, sizeof(*defs));
	return stacks_init(&defs->stacks);
}

void defs_release(struct defs *defs)
{
	while (defs->texts) {
		struct text_chunk *next = defs->texts->next;

		free(defs->texts);
		defs->texts = next;
	}
	free(defs->metas);
	free(defs->strings);
	free(defs->modules);
	free(defs->streams);
	free(defs->symbols);
	free(defs->models);
	free(defs->tensors);
	id_map_release(&defs->string_ids);
	id_map_release(&defs->module_ids);
	id_map_release(&defs->stream_ids);
	id_map_release(&defs->model_ids);
	id_map_release(&defs->first_tensors);
	stacks_release(&defs->stacks);
	memset(defs, 0, sizeof(*defs));
}

char *defs_keep_text(struct defs *defs, const void *text, size_t length)
{
	struct text_chunk *chunk = defs->texts;
	char *kept;

	if (!chunk || chunk->capacity - chunk->used < length + 1) {
		size_t capacity = length + 1 > TEXT_CHUNK_BYTES ? length + 1 : TEXT_CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + capacity);
		if (!chunk)
			return NULL;
		*chunk = (struct text_chunk){ defs->texts, 0, capacity };
		defs->texts = chunk;
	}
	kept = chunk->bytes + chunk->used;
	if (length)
		memcpy(kept, text, length);
	kept[length] = '\0';
	chunk->used += length + 1;
	return kept;
}

bool defs_add_meta(struct defs *defs, const char *key, const char *value, size_t value_bytes)
{
	if (!key || !value || defs->meta_count >= MAX_METAS)
		return false;
	for (size_t i = 0; i < defs->meta_count; i++) {
		if (strcmp(defs->metas[i].key, key) != 0)
			continue;
		defs->metas[i].value = value;	/* what is known later is known better */
		defs->metas[i].value_bytes = value_bytes;
		return true;
	}
	if (!grow((void **)&defs->metas, defs->meta_count, &defs->meta_capacity,
		  sizeof(*defs->metas)))
		return false;
	defs->metas[defs->meta_count++] = (struct meta_row){ key, value, value_bytes };
	return true;
}

bool defs_add_string(struct defs *defs, uint64_t id, const void *text, size_t length)
{
	struct string_row row = { .bytes = length };
	uint32_t index;

	if (id == 0 || id_map_get(&defs->string_ids, id, &index) ||
	    !grow((void **)&defs->strings, defs->string_count, &defs->string_capacity,
		  sizeof(*defs->strings)))
		return false;
	row.text = defs_keep_text(defs, text, length);
	if (!row.text || !id_map_set(&defs->string_ids, id, (uint32_t)defs->string_count))
		return false;
	defs->strings[defs->string_count++] = row;
	return true;
}

bool defs_add_module(struct defs *defs, uint64_t id, const struct trace_module *module)
{
	uint32_t index;

	if (id == 0 || id_map_get(&defs->module_ids, id, &index) ||
	    !grow((void **)&defs->modules, defs->module_count, &defs->module_capacity,
		  sizeof(*defs->modules)) ||
	    !id_map_set(&defs->module_ids, id, (uint32_t)defs->module_count))
		return false;
	defs->modules[defs->module_count] = *module;
	defs->modules[defs->module_count++].id = (uint32_t)id;
	return true;
}

void defs_end_module(struct defs *defs, uint64_t id, uint64_t last_generation, uint64_t time_ns)
{
	uint32_t index;

	if (!id_map_get(&defs->module_ids, id, &index))
		return;
	defs->modules[index].last_generation = last_generation;
	defs->modules[index].last_ns = time_ns;
}

void defs_add_symbol(struct defs *defs, const struct trace_symbol *symbol)
{
	if (symbol->name && grow((void **)&defs->symbols, defs->symbol_count,
				 &defs->symbol_capacity, sizeof(*defs->symbols)))
		defs->symbols[defs->symbol_count++] = *symbol;
}

struct trace_stream *defs_need_stream(struct defs *defs, uint32_t id)
{
	uint32_t index;

	if (id_map_get(&defs->stream_ids, id, &index))
		return &defs->streams[index];
	if (!grow((void **)&defs->streams, defs->stream_count, &defs->stream_capacity,
		  sizeof(*defs->streams)) ||
	    !id_map_set(&defs->stream_ids, id, (uint32_t)defs->stream_count))
		return NULL;
	defs->streams[defs->stream_count] = (struct trace_stream){ .id = id };
	return &defs->streams[defs->stream_count++];
}

void defs_add_stream(struct defs *defs, uint64_t id, uint32_t tid, uint64_t start_ns)
{
	struct trace_stream *stream;

	if (id == 0 || id >= TRACE_MAX_ID)
		return;
	stream = defs_need_stream(defs, (uint32_t)id);
	if (!stream || stream->tid)
		return;
	stream->tid = tid;
	stream->start_ns = start_ns;
}

const struct trace_module *defs_module(const struct defs *defs, uint32_t id)
{
	uint32_t index;

	return id_map_get(&defs->module_ids, id, &index) ? &defs->modules[index] : NULL;
}

const struct trace_module *defs_module_of_generation(const struct defs *defs, uint64_t addr,
						     uint64_t generation)
{
	for (size_t i = defs->module_count; i-- > 0;) {
		const struct trace_module *module = &defs->modules[i];

		if (addr >= module->start_addr && addr < module->end_addr &&
		    generation >= module->first_generation && generation <= module->last_generation)
			return module;
	}
	return NULL;
}

const struct trace_module *defs_module_at(const struct defs *defs, uint64_t addr, uint64_t time_ns)
{
	const struct trace_module *found = NULL;

	for (size_t i = defs->module_count; i-- > 0;) {
		const struct trace_module *module = &defs->modules[i];

		if (addr < module->start_addr || addr >= module->end_addr ||
		    time_ns > module->last_ns)
			continue;
		found = module;
		if (time_ns >= module->first_ns)
			break;
	}
	return found;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct trace_symbol *left = a, *right = b;

	if (left->module != right->module)
		return left->module < right->module ? -1 : 1;
	if (left->start_offset != right->start_offset)
		return left->start_offset < right->start_offset ? -1 : 1;
	return strcmp(left->name, right->name);
}

void defs_finish(struct defs *defs)
{
	size_t kept = 0;

	defs_finish_models(defs);
	if (!defs->symbol_count)
		return;
	qsort(defs->symbols, defs->symbol_count, sizeof(*defs->symbols), compare_symbols);
	for (size_t i = 1; i < defs->symbol_count; i++)
		if (compare_symbols(&defs->symbols[kept], &defs->symbols[i]) != 0)
			defs->symbols[++kept] = defs->symbols[i];
	defs->symbol_count = kept + 1;
}

const struct trace_symbol *defs_symbol_at(const struct defs *defs, struct trace_frame frame)
{
	size_t low = 0, high = defs->symbol_count;
	const struct trace_symbol *symbol;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		symbol = &defs->symbols[middle];
		if (symbol->module < frame.module ||
		    (symbol->module == frame.module && symbol->start_offset <= frame.offset))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	symbol = &defs->symbols[low - 1];
	if (symbol->module != frame.module ||
	    frame.offset - symbol->start_offset >= symbol->size_bytes)
		return NULL;
	return symbol;
}
