/* SPDX-License-Identifier: MIT */
/*
 * The definitions of a trace: facts, strings, stacks, modules, symbols, streams, model files and
 * their tensors. All are read before the first event is delivered. The first definition of an id
 * counts; checkpoints repeat them.
 *
 * One thread writes; afterwards any number may read.
 */
#ifndef LLMTRACE_ANALYZER_DEFS_H
#define LLMTRACE_ANALYZER_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_table.h"
#include "defs_ids.h"
#include "stacks.h"
#include "trace.h"

struct text_chunk;

struct meta_row {
	const char *key;
	const char *value;
	size_t value_bytes;
};

struct string_row {
	const char *text;
	size_t bytes;
};

/* The rows of one kind: an array and the map of ids to it. */
struct defs {
	struct meta_row *metas;
	size_t meta_count, meta_capacity;
	struct string_row *strings;
	size_t string_count, string_capacity;
	struct id_map string_ids;
	struct trace_module *modules;
	size_t module_count, module_capacity;
	struct id_map module_ids;
	struct trace_stream *streams;
	size_t stream_count, stream_capacity;
	struct id_map stream_ids;
	struct trace_symbol *symbols;	/* sorted by defs_finish */
	size_t symbol_count, symbol_capacity;
	struct trace_model *models;	/* sorted by defs_finish */
	size_t model_count, model_capacity;
	struct id_map model_ids;
	struct id_map first_tensors;	/* by id of the model: index of its first tensor */
	struct trace_tensor *tensors;	/* sorted by defs_finish */
	size_t tensor_count, tensor_capacity;
	size_t tensor_repeat;		/* index of the one that a checkpoint repeats next */
	struct stacks stacks;
	struct trace_segment oldest;	/* the one with the smallest number */
	struct text_chunk *texts;	/* what the rows point to */
};

bool defs_init(struct defs *defs);
void defs_release(struct defs *defs);

/*
 * Reads the rows of a DEFS payload.
 * @return NULL, or what is wrong (a constant string); rows before the fault were taken.
 */
const char *defs_read(struct defs *defs, const struct schema *schema, const uint8_t *bytes,
		      size_t length, uint32_t row_count);

/* Adds a string, unless its id is in use. @return false when it was not added. */
bool defs_add_string(struct defs *defs, uint64_t id, const void *text, size_t length);

/* Adds a stream, unless its id is in use. */
void defs_add_stream(struct defs *defs, uint64_t id, uint32_t tid, uint64_t start_ns);

/* @return the stream of an id, made when it is not defined; NULL when the id is too large. */
struct trace_stream *defs_need_stream(struct defs *defs, uint32_t id);

/* Sorts what is looked up by place. Call once everything was read. */
void defs_finish(struct defs *defs);

const struct trace_module *defs_module(const struct defs *defs, uint32_t id);

/*
 * The module that an address was in, by the loader's count of removed objects.
 * @return NULL when there was none.
 */
const struct trace_module *defs_module_of_generation(const struct defs *defs, uint64_t addr,
						     uint64_t generation);

/* The same by time. */
const struct trace_module *defs_module_at(const struct defs *defs, uint64_t addr, uint64_t time_ns);

const struct trace_symbol *defs_symbol_at(const struct defs *defs, struct trace_frame frame);

#endif
