/* SPDX-License-Identifier: MIT */
/*
 * The books of the heap: what the shards found at the addresses of events becomes changes (a block
 * of this size and stack went, one came) and totals, in the order of time, across reallocs that
 * move, fail or free. No address is looked up here: that is the work of the shards. One thread.
 */
#ifndef LLMTRACE_LIVE_BLOCKS_H
#define LLMTRACE_LIVE_BLOCKS_H

#include "heap_windows.h"

/* A block that came. */
struct heap_added {
	uint64_t size_bytes;
	uint32_t stack;
	uint32_t is_allocation;	/* 0: it comes back after a failed realloc, or was there before */
};

/* A block that went. */
struct heap_freed {
	uint64_t size_bytes;
	uint32_t stack;		/* of its allocation */
	uint32_t is_temporary;	/* released by the thread that allocated nothing after it */
};

#define HEAP_BATCH_MAX 256u

/* A batch does not cross a multiple of this, counted from the start of recording. */
#define HEAP_TICK_NS 1000000ull

/*
 * What a few hundred events did to the blocks that are tracked: those that came and those that
 * went, each in their order. Apart, since nobody can guess which of the two is next. An event has
 * at most one of each.
 */
struct heap_batch {
	struct heap_added added[HEAP_BATCH_MAX + 1];
	struct heap_freed freed[HEAP_BATCH_MAX + 1];
	size_t added_count, freed_count;
	/* the newest moment in the batch when more bytes were live than ever before */
	bool has_peak;
	size_t peak_added_count, peak_freed_count;	/* of these: up to that moment */
	uint64_t begin_ns;		/* of the first event */
	uint64_t last_ns;		/* no event may be later */
	uint64_t live_bytes;		/* of the process, behind the last event */
	uint64_t most_live_bytes;	/* behind any event */
	uint64_t alloc_count, alloc_bytes;
};

/* Sums of a stretch of events. */
struct heap_sums {
	uint64_t alloc_count, alloc_bytes;
	uint64_t stackless_count;	/* allocations without a call stack */
};

struct heap_totals {
	uint64_t live_count, live_bytes, peak_live_bytes, peak_ns;
	uint64_t free_count;		/* releases of blocks, free(NULL) left out */
	uint64_t unknown_free_count;	/* of these: blocks that were never seen */
	uint64_t missed_free_count;	/* blocks whose address came again without a release */
	uint64_t failed_count;		/* calls that found no memory */
};

/* The answers of the shards to a window, taken off one by one. */
struct found_cursor {
	const struct block_found *next[SHARDS_MAX];
	unsigned shard_count;
};

struct live_blocks;

/* stream_limit: one more than the largest stream id. start_ns: of recording. */
struct live_blocks *live_blocks_new(uint32_t stream_limit, uint64_t start_ns);
void live_blocks_free(struct live_blocks *blocks);

/*
 * Goes on with a run from record `first` on and adds to the batch: until the end of the run, a
 * record that is none of alloc, alloc_aligned, free, realloc_begin and realloc_end, or one that
 * must go into another batch. An empty batch takes at least one.
 * ret_sums: of the records that it went through.
 * @return the index of the record where it stopped.
 */
size_t live_blocks_follow(struct live_blocks *blocks, const struct heap_run *run, size_t first,
			  struct found_cursor *found, struct heap_batch *batch,
			  struct heap_sums *ret_sums);

/* Empties a batch for the next events. */
void heap_batch_clear(struct heap_batch *batch);

const struct heap_totals *live_blocks_totals(const struct live_blocks *blocks);

#endif
