/* SPDX-License-Identifier: MIT */
/*
 * The books of the heap: what the shards found at the addresses of events becomes changes (a block
 * of this size and stack went, one came) and totals, in the order of time, across reallocs that
 * move, fail or free. No address is looked up here: that is the work of the shards. One thread.
 */
#ifndef LLMTRACE_LIVE_BLOCKS_H
#define LLMTRACE_LIVE_BLOCKS_H

#include "heap_windows.h"

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

/* What analyses of the heap get at a time. */
#define HEAP_CHANGES_MAX 256u

/* Changes that were not analysed so far, and sums of the events behind them. */
struct heap_changes {
	struct heap_change items[HEAP_CHANGES_MAX];
	size_t count;
	uint64_t alloc_count, alloc_bytes;
	uint64_t stackless_count;	/* allocations without a call stack */
};

/* The answers of the shards to a window, taken off one by one. */
struct found_cursor {
	const struct block_found *next[SHARDS_MAX];
	unsigned shard_count;
};

struct live_blocks;

/* stream_limit: one more than the largest stream id. */
struct live_blocks *live_blocks_new(uint32_t stream_limit);
void live_blocks_free(struct live_blocks *blocks);

/*
 * Goes on with a run from record `first` on: until its end, a record that is none of alloc,
 * alloc_aligned, free, realloc_begin and realloc_end, or until there is no room for another change.
 * @return the index of the record where it stopped.
 */
size_t live_blocks_follow(struct live_blocks *blocks, const struct heap_run *run, size_t first,
			  struct found_cursor *found, struct heap_changes *changes);

const struct heap_totals *live_blocks_totals(const struct live_blocks *blocks);

#endif
