/* SPDX-License-Identifier: MIT */
/*
 * Every heap event comes by here, one after the other: what can be done by the shards is not done
 * here. An event that live_shard.c answered takes its answer off the list of that shard; which
 * events these are follows from the same fields there and here.
 */
#include "live_blocks.h"

#include <stdlib.h>

#include "report_alloc.h"

/* What a thread has under way. */
struct stream_heap {
	struct moving_block moving;	/* block of its realloc; addr 0: not tracked */
	uint64_t last_addr;		/* what it allocated last */
	bool is_moving;			/* realloc_begin of a block without its realloc_end so far */
};

struct live_blocks {
	struct stream_heap *streams;
	struct heap_totals totals;
};

struct live_blocks *live_blocks_new(uint32_t stream_limit)
{
	struct live_blocks *blocks = report_alloc(1, sizeof(*blocks));

	blocks->streams = report_alloc(stream_limit, sizeof(*blocks->streams));
	return blocks;
}

void live_blocks_free(struct live_blocks *blocks)
{
	if (!blocks)
		return;
	free(blocks->streams);
	free(blocks);
}

const struct heap_totals *live_blocks_totals(const struct live_blocks *blocks)
{
	return &blocks->totals;
}

static inline const struct block_found *next_found(struct found_cursor *found, uint64_t addr)
{
	return found->next[live_shard_of(addr, found->shard_count)]++;
}

static inline void note_peak(struct heap_totals *totals, struct heap_change *change)
{
	change->live_bytes = totals->live_bytes;
	if (totals->live_bytes <= totals->peak_live_bytes || !change->has_added)
		return;
	totals->peak_live_bytes = totals->live_bytes;
	totals->peak_ns = change->time_ns;
	change->is_new_peak = true;
}

/*
 * An alloc or a free of a block. Nearly all events are such, and which of the two comes next cannot
 * be guessed: both take the same way, without a branch.
 */
static inline void follow_block(struct live_blocks *blocks, const struct lt_record *record,
				struct stream_heap *heap, bool is_alloc,
				const struct block_found *old, struct heap_change *change)
{
	static const uint64_t nothing;
	const uint64_t *size_bytes =
		is_alloc ? &((const struct lt_ev_alloc *)record)->size_bytes : &nothing;
	struct heap_totals *totals = &blocks->totals;
	uint64_t addr = heap_addr(record), last_addr = heap->last_addr;
	bool is_known = old->is_known;

	*change = (struct heap_change){
		.time_ns = record->time, .freed_bytes = old->size_bytes,
		.added_bytes = *size_bytes, .freed_stack = old->stack,
		.added_stack = is_alloc ? record->stack : 0, .has_freed = is_known,
		.has_added = is_alloc, .is_allocation = is_alloc,
		.is_temporary = !is_alloc & is_known & (last_addr == addr) };
	heap->last_addr = is_alloc ? addr : is_known ? 0 : last_addr;
	totals->live_bytes += change->added_bytes - change->freed_bytes;
	totals->live_count += (uint64_t)is_alloc - is_known;
	totals->missed_free_count += is_alloc & is_known;
	note_peak(totals, change);
}

static inline void note_freed(struct live_blocks *blocks, const struct block_found *block,
			      struct heap_change *change)
{
	change->has_freed = true;
	change->freed_bytes = block->size_bytes;
	change->freed_stack = block->stack;
	blocks->totals.live_bytes -= block->size_bytes;
	blocks->totals.live_count--;
}

/* old: what lay at its address and was never seen to go. */
static void note_added(struct live_blocks *blocks, struct live_block block,
		       const struct block_found *old, struct heap_change *change)
{
	struct heap_totals *totals = &blocks->totals;

	if (old->is_known) {
		totals->missed_free_count++;
		note_freed(blocks, old, change);
	}
	change->has_added = true;
	change->added_bytes = block.size_bytes;
	change->added_stack = block.stack;
	totals->live_bytes += block.size_bytes;
	totals->live_count++;
}

static void follow_realloc_begin(struct live_blocks *blocks, uint64_t addr,
				 struct stream_heap *heap, struct found_cursor *found,
				 struct heap_change *change)
{
	const struct block_found *block;

	heap->moving.addr = 0;
	heap->is_moving = addr != 0;
	if (!heap->is_moving)
		return;
	block = next_found(found, addr);
	if (!block->is_known)
		return;
	note_freed(blocks, block, change);
	heap->moving = (struct moving_block){ addr, { block->size_bytes, block->stack } };
}

static void follow_realloc_end(struct live_blocks *blocks, const struct lt_record *record,
			       struct stream_heap *heap, bool is_counted,
			       struct found_cursor *found, struct heap_change *change)
{
	struct moving_block block = { heap_addr(record), { realloc_size(record), record->stack } };
	bool is_failed = !block.addr && block.block.size_bytes;
	bool is_released = is_counted && heap->is_moving && !is_failed;

	blocks->totals.free_count += is_released;
	blocks->totals.unknown_free_count += is_released && !heap->moving.addr;
	blocks->totals.failed_count += is_counted && is_failed;
	if (is_failed)
		block = heap->moving;
	if (block.addr && (is_counted || heap->moving.addr)) {
		note_added(blocks, block.block, next_found(found, block.addr), change);
		change->is_allocation = is_counted && !is_failed;
		heap->last_addr = block.addr;
	}
	heap->moving.addr = 0;
	heap->is_moving = false;
}

/* Everything but allocs and frees that were answered. */
static __attribute__((noinline)) void follow_other(struct live_blocks *blocks,
						   const struct lt_record *record,
						   const struct heap_run *run,
						   struct found_cursor *found,
						   struct heap_change *change)
{
	struct stream_heap *heap = &blocks->streams[run->stream];

	*change = (struct heap_change){ .time_ns = record->time };
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_free:
		break;
	case LT_KIND_realloc_begin:
		follow_realloc_begin(blocks, heap_addr(record), heap, found, change);
		break;
	case LT_KIND_realloc_end:
		follow_realloc_end(blocks, record, heap, run->is_counted, found, change);
		break;
	default:
		blocks->totals.failed_count += run->is_counted && !heap_addr(record);
		break;
	}
	note_peak(&blocks->totals, change);
}

size_t live_blocks_follow(struct live_blocks *blocks, const struct heap_run *run, size_t first,
			  struct found_cursor *found, struct heap_changes *changes)
{
	struct stream_heap *heap = &blocks->streams[run->stream];
	uint64_t free_count = 0, unknown_count = 0;
	size_t i = first;

	for (; i < run->count && changes->count < HEAP_CHANGES_MAX; i++) {
		const struct lt_record *record = run->records[i];
		struct heap_change *change = &changes->items[changes->count];
		unsigned kind = LT_STATE_KIND(record->state);
		bool is_alloc = kind != LT_KIND_free;
		uint64_t addr;

		if (kind > LT_KIND_realloc_end)
			break;
		addr = heap_addr(record);
		if (kind < LT_KIND_realloc_begin && addr && (run->is_counted || !is_alloc)) {
			follow_block(blocks, record, heap, is_alloc, next_found(found, addr),
				     change);
			free_count += !is_alloc;
			unknown_count += !is_alloc & !change->has_freed;
		} else {
			follow_other(blocks, record, run, found, change);
		}
		changes->count += change->has_freed | change->has_added;
		changes->alloc_count += change->is_allocation;
		changes->alloc_bytes += change->is_allocation ? change->added_bytes : 0;
		changes->stackless_count += change->is_allocation & !record->stack;
	}
	if (run->is_counted) {
		blocks->totals.free_count += free_count;
		blocks->totals.unknown_free_count += unknown_count;
	}
	return i;
}
