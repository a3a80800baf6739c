/* SPDX-License-Identifier: MIT */
/*
 * The live blocks of the heap: turns heap events into changes (a block of this size and stack went,
 * one came), across reallocs that move, fail or free. The hot path of the report: one lookup per
 * event in an open-addressing hash of 24-byte entries; memory follows the blocks that are live, not
 * the events. One thread.
 */
#ifndef LLMTRACE_LIVE_BLOCKS_H
#define LLMTRACE_LIVE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/events.h"

/* What one heap event did to the blocks that are tracked. */
struct heap_change {
	uint64_t time_ns;
	uint64_t live_bytes;	/* of the process, behind the change */
	uint64_t freed_bytes, added_bytes;
	uint32_t freed_stack, added_stack;
	bool has_freed;
	bool has_added;
	bool is_allocation;	/* false for a block that comes back after a realloc that failed */
	bool is_new_peak;	/* never were as many bytes live */
	bool is_temporary;	/* released by the thread that allocated nothing after it */
};

struct heap_totals {
	uint64_t live_count, live_bytes, peak_live_bytes, peak_ns;
	uint64_t free_count;		/* releases of blocks, free(NULL) left out */
	uint64_t unknown_free_count;	/* of these: blocks that were never seen */
	uint64_t missed_free_count;	/* blocks whose address came again without a release */
	uint64_t failed_count;		/* calls that found no memory */
};

struct live_blocks;

/* stream_limit: one more than the largest stream id. */
struct live_blocks *live_blocks_new(uint32_t stream_limit);
void live_blocks_free(struct live_blocks *blocks);

/*
 * Applies a record of kind alloc, alloc_aligned, free, realloc_begin or realloc_end.
 * is_counted: false outside the phase that is looked at: blocks that come then are not tracked.
 */
void live_blocks_apply(struct live_blocks *blocks, const struct lt_record *record, uint32_t stream,
		       bool is_counted, struct heap_change *ret_change);

/* Tells that a heap record comes soon, so that the memory that it needs is fetched meanwhile. */
void live_blocks_expect(const struct live_blocks *blocks, const struct lt_record *record);

const struct heap_totals *live_blocks_totals(const struct live_blocks *blocks);

#endif
