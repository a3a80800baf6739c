/* SPDX-License-Identifier: MIT */
/*
 * The live blocks of a part of the address space: a shard. All shards together answer, for every
 * heap event, which block lay at its address; each does so for its addresses alone, so that they
 * run side by side without a lock. The answers of a shard come as a list, in the order of events.
 * One thread at a time uses a shard.
 *
 * A realloc concerns two addresses, and when it fails the old block comes back: every shard sees
 * both its events, and the one of the old address keeps the block meanwhile.
 */
#ifndef LLMTRACE_LIVE_SHARD_H
#define LLMTRACE_LIVE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "live_table.h"
#include "llmtrace/events.h"

/* Consecutive events of one stream. */
struct heap_run {
	const struct lt_record *const *records;
	size_t count;
	uint32_t stream;
	bool is_counted;		/* false outside the phase that is looked at */
};

/* The block that lay at the address of an event and went; zeros when there was none. */
struct block_found {
	uint64_t size_bytes;
	uint32_t stack;
	uint32_t is_known;
};

struct block_found_list {
	struct block_found *items;
	size_t count, capacity;
};

struct live_shard {
	struct live_table table;
	struct moving_block {
		uint64_t addr;		/* 0: no block of this shard is being reallocated */
		struct live_block block;
	} *moving;			/* by stream */
	unsigned index, shard_count;
};

void live_shard_init(struct live_shard *shard, unsigned index, unsigned shard_count,
		     uint32_t stream_limit);
void live_shard_release(struct live_shard *shard);

/*
 * Applies the heap events of a run. Appends one answer to the list for each event that takes a
 * block out of this shard or puts one in, in their order; other events have none.
 */
void live_shard_apply(struct live_shard *shard, const struct heap_run *run,
		      struct block_found_list *found);

/* The address is the first field of every heap record. */
static inline uint64_t heap_addr(const struct lt_record *record)
{
	return ((const struct lt_ev_alloc *)record)->addr;
}

static inline uint64_t realloc_size(const struct lt_record *record)
{
	return ((const struct lt_ev_realloc_end *)record)->size_bytes;
}

#endif
