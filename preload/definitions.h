/* SPDX-License-Identifier: MIT */
/*
 * Definitions of the trace: strings, stacks, modules, symbols, streams, facts. Rows collect here
 * until the writer puts them into a block before the events that use them. Belongs to the writer
 * thread.
 */
#ifndef LLMTRACE_DEFINITIONS_H
#define LLMTRACE_DEFINITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "modules.h"

bool definitions_init(void);

/*
 * @return the file's id of an interned stack or string; 0 for 0. A first use adds its definition,
 * and those of its modules.
 */
uint32_t definitions_id(uint32_t intern_id);

void definitions_meta(const char *key, const char *value, size_t length);
void definitions_stream(uint32_t stream, uint32_t tid, uint64_t start_ns);
void definitions_symbol(uint32_t module, uint64_t start_offset, uint64_t size_bytes,
			const char *name, size_t length);

struct model_header;
struct model_row;

/* A model file; the fields that its header does not have. path: of the intern table. */
struct definitions_model {
	uint32_t id;
	uint32_t path;
	uint64_t device;
	uint64_t inode;
	uint64_t file_bytes;
};

void definitions_model(const struct definitions_model *model, const struct model_header *header);
void definitions_tensor(uint32_t model, const struct model_header *header,
			const struct model_row *tensor);

/* Adds rows for modules that are new or gone since the last call. */
void definitions_modules(void);

/* What stands at the begin of a segment; fields as in events.def. */
struct definitions_segment {
	uint64_t number;
	uint64_t begin_ns;
	uint64_t event_count;
	uint64_t written_bytes;
	uint64_t live_count;
	uint64_t live_bytes;
};

void definitions_segment(const struct definitions_segment *segment);

/*
 * Adds all facts, stacks, strings, modules, symbols and models again: a checkpoint. Streams are left
 * out.
 */
void definitions_repeat(void);

/* The rows so far, for a DEFS block; taking them starts anew. @return false when there are none. */
bool definitions_take(const uint8_t **ret_rows, size_t *ret_bytes, uint32_t *ret_count);

#endif
