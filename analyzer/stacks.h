/* SPDX-License-Identifier: MIT */
/*
 * Call stacks as ids of frames. A place in a module is one frame however many stacks it is in, so
 * names are looked up once for each place. One thread writes, then any number may read.
 */
#ifndef LLMTRACE_ANALYZER_STACKS_H
#define LLMTRACE_ANALYZER_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "defs_ids.h"
#include "trace.h"

struct stack_row {
	size_t first;			/* in frame_ids */
	uint32_t count;
	bool is_truncated;
};

struct stacks {
	struct trace_frame *frames;	/* by frame id; 0 is the frame that could not be kept */
	size_t frame_count, frame_capacity;
	uint32_t *slots;		/* hash of frames: frame id, 0 is free */
	size_t slot_count;		/* a power of two */
	uint32_t *frame_ids;		/* of all stacks, one after the other */
	size_t frame_id_count, frame_id_capacity;
	struct stack_row *rows;
	size_t row_count, row_capacity;
	struct id_map ids;
};

bool stacks_init(struct stacks *stacks);
void stacks_release(struct stacks *stacks);

/*
 * Opens a stack: frames that are added next belong to it. @return false: id in use, too large, no
 * memory.
 */
bool stacks_begin(struct stacks *stacks, uint64_t id, bool is_truncated);

/* Adds a frame to the stack that was opened last. @return false when memory is short. */
bool stacks_add_frame(struct stacks *stacks, struct trace_frame frame);

struct trace_stack stacks_get(const struct stacks *stacks, uint32_t id);

#endif
