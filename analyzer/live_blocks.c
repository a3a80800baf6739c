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
	uint64_t start_ns;
	struct heap_totals totals;
};

struct live_blocks *live_blocks_new(uint32_t stream_limit, uint64_t start_ns)
{
	struct live_blocks *blocks = report_alloc(1, sizeof(*blocks));

	blocks->streams = report_alloc(stream_limit, sizeof(*blocks->streams));
	blocks->start_ns = start_ns;
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

void heap_batch_clear(struct heap_batch *batch)
{
	batch->added_count = 0;
	batch->freed_count = 0;
	batch->has_peak = false;
	batch->alloc_count = 0;
	batch->alloc_bytes = 0;
}

static void open_batch(const struct live_blocks *blocks, struct heap_batch *batch, uint64_t time_ns)
{
	uint64_t since_ns = time_ns > blocks->start_ns ? time_ns - blocks->start_ns : 0;
	uint64_t left_ns = HEAP_TICK_NS - 1 - since_ns % HEAP_TICK_NS;

	if (time_ns < blocks->start_ns)
		time_ns = blocks->start_ns;
	batch->begin_ns = time_ns;
	batch->last_ns = time_ns > UINT64_MAX - left_ns ? UINT64_MAX : time_ns + left_ns;
	batch->most_live_bytes = 0;
}

static inline void note_live(struct heap_totals *totals, struct heap_batch *batch, bool has_added,
			     uint64_t time_ns)
{
	if (totals->live_bytes > batch->most_live_bytes)
		batch->most_live_bytes = totals->live_bytes;
	if (totals->live_bytes <= totals->peak_live_bytes || !has_added)
		return;
	totals->peak_live_bytes = totals->live_bytes;
	totals->peak_ns = time_ns;
	batch->has_peak = true;
	batch->peak_added_count = batch->added_count;
	batch->peak_freed_count = batch->freed_count;
}

static inline void note_freed(struct live_blocks *blocks, const struct block_found *block,
			      struct heap_batch *batch)
{
	batch->freed[batch->freed_count++] =
		(struct heap_freed){ block->size_bytes, block->stack, false };
	blocks->totals.live_bytes -= block->size_bytes;
	blocks->totals.live_count--;
}

/* old: what lay at its address and was never seen to go. */
static void note_added(struct live_blocks *blocks, struct live_block block, bool is_allocation,
		       const struct block_found *old, struct heap_batch *batch)
{
	struct heap_totals *totals = &blocks->totals;

	if (old->is_known) {
		totals->missed_free_count++;
		note_freed(blocks, old, batch);
	}
	batch->added[batch->added_count++] =
		(struct heap_added){ block.size_bytes, block.stack, is_allocation };
	totals->live_bytes += block.size_bytes;
	totals->live_count++;
}

static void follow_realloc_begin(struct live_blocks *blocks, uint64_t addr,
				 struct stream_heap *heap, struct found_cursor *found,
				 struct heap_batch *batch)
{
	const struct block_found *block;

	heap->moving.addr = 0;
	heap->is_moving = addr != 0;
	if (!heap->is_moving)
		return;
	block = next_found(found, addr);
	if (!block->is_known)
		return;
	note_freed(blocks, block, batch);
	heap->moving = (struct moving_block){ addr, { block->size_bytes, block->stack } };
}

static void follow_realloc_end(struct live_blocks *blocks, const struct lt_record *record,
			       struct stream_heap *heap, bool is_counted,
			       struct found_cursor *found, struct heap_batch *batch)
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
		note_added(blocks, block.block, is_counted && !is_failed,
			   next_found(found, block.addr), batch);
		heap->last_addr = block.addr;
	}
	heap->moving.addr = 0;
	heap->is_moving = false;
}

/* Everything but allocs and frees that were answered. */
static __attribute__((noinline)) void
follow_other(struct live_blocks *blocks, const struct heap_run *run, size_t i,
	     struct found_cursor *found, struct heap_batch *batch)
{
	const struct lt_record *record = run->records[i];
	struct stream_heap *heap = &blocks->streams[run->stream];
	size_t added_count = batch->added_count;

	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_free:
		break;
	case LT_KIND_realloc_begin:
		follow_realloc_begin(blocks, heap_addr(record), heap, found, batch);
		break;
	case LT_KIND_realloc_end:
		follow_realloc_end(blocks, record, heap, run->is_counted, found, batch);
		break;
	default:
		blocks->totals.failed_count += run->is_counted && !heap_addr(record);
		break;
	}
	note_live(&blocks->totals, batch, batch->added_count > added_count, record->time);
}

/*
 * Allocs and frees of blocks are nearly all events, and which of the two comes next cannot be
 * guessed: both take the same way, without a branch.
 * @return the index of the first record that is something else.
 */
static size_t follow_blocks(struct live_blocks *blocks, const struct heap_run *run, size_t first,
			    size_t end, struct found_cursor *found, struct heap_batch *batch)
{
	static const uint64_t nothing;
	uint64_t missed_count = 0, last_addr = blocks->streams[run->stream].last_addr;
	uint64_t live_bytes = blocks->totals.live_bytes, most_live_bytes = batch->most_live_bytes;
	size_t added_count = batch->added_count, freed_count = batch->freed_count, i = first;
	size_t alloc_count, known_count;

	for (; i < end; i++) {
		const struct lt_record *record = run->records[i];
		unsigned kind = LT_STATE_KIND(record->state);
		bool is_alloc = kind != LT_KIND_free, is_known;
		const struct block_found *old;
		const uint64_t *size_bytes;
		uint64_t addr;

		if (kind >= LT_KIND_realloc_begin || record->time > batch->last_ns)
			break;
		addr = heap_addr(record);
		if (!addr)
			break;
		old = next_found(found, addr);
		is_known = old->is_known;
		size_bytes = is_alloc ? &((const struct lt_ev_alloc *)record)->size_bytes : &nothing;
		/* what a bound has dropped the allocation of is there, and no allocation */
		batch->added[added_count] = (struct heap_added){
			*size_bytes, record->stack,
			LT_STATE_AUX(record->state) != LT_alloc_call_before };
		batch->freed[freed_count] = (struct heap_freed){
			old->size_bytes, old->stack, !is_alloc & (last_addr == addr) };
		added_count += is_alloc;
		freed_count += is_known;
		missed_count += is_alloc & is_known;
		last_addr = is_alloc ? addr : is_known ? 0 : last_addr;
		live_bytes += *size_bytes - old->size_bytes;
		most_live_bytes = live_bytes > most_live_bytes ? live_bytes : most_live_bytes;
		if (live_bytes > blocks->totals.peak_live_bytes && is_alloc) {
			blocks->totals.peak_live_bytes = live_bytes;
			blocks->totals.peak_ns = record->time;
			batch->has_peak = true;
			batch->peak_added_count = added_count;
			batch->peak_freed_count = freed_count;
		}
	}
	alloc_count = added_count - batch->added_count;
	known_count = freed_count - batch->freed_count;
	batch->added_count = added_count;
	batch->freed_count = freed_count;
	batch->most_live_bytes = most_live_bytes;
	blocks->streams[run->stream].last_addr = last_addr;
	blocks->totals.live_bytes = live_bytes;
	blocks->totals.live_count += alloc_count - known_count;
	blocks->totals.missed_free_count += missed_count;
	blocks->totals.free_count += i - first - alloc_count;
	blocks->totals.unknown_free_count += i - first - alloc_count - (known_count - missed_count);
	return i;
}

/* Outside the phase that is looked at: blocks that come are not tracked, those that go are. */
static void follow_uncounted(struct live_blocks *blocks, const struct heap_run *run, size_t i,
			     struct found_cursor *found, struct heap_batch *batch)
{
	struct heap_totals before = blocks->totals;

	if (LT_STATE_KIND(run->records[i]->state) != LT_KIND_free) {
		follow_other(blocks, run, i, found, batch);
		return;
	}
	follow_blocks(blocks, run, i, i + 1, found, batch);
	blocks->totals.free_count = before.free_count;
	blocks->totals.unknown_free_count = before.unknown_free_count;
}

static void sum_allocations(const struct heap_batch *batch, size_t first,
			    struct heap_sums *ret_sums)
{
	*ret_sums = (struct heap_sums){ 0 };
	for (size_t i = first; i < batch->added_count; i++) {
		const struct heap_added *added = &batch->added[i];

		ret_sums->alloc_count += added->is_allocation;
		ret_sums->alloc_bytes += added->is_allocation ? added->size_bytes : 0;
		ret_sums->stackless_count += added->is_allocation & !added->stack;
	}
}

/* @return the end of the part of the run that the batch has room for, whatever the records are. */
static size_t room_end(const struct heap_run *run, size_t first, const struct heap_batch *batch)
{
	size_t used = batch->added_count > batch->freed_count ? batch->added_count
							      : batch->freed_count;
	size_t room = HEAP_BATCH_MAX - used;

	return run->count - first < room ? run->count : first + room;
}

size_t live_blocks_follow(struct live_blocks *blocks, const struct heap_run *run, size_t first,
			  struct found_cursor *found, struct heap_batch *batch,
			  struct heap_sums *ret_sums)
{
	size_t end = room_end(run, first, batch), i = first, added_count = batch->added_count;

	if (i < end && !batch->added_count && !batch->freed_count)
		open_batch(blocks, batch, run->records[i]->time);
	while (i < end) {
		const struct lt_record *record = run->records[i];

		if (LT_STATE_KIND(record->state) > LT_KIND_realloc_end ||
		    record->time > batch->last_ns)
			break;
		if (!run->is_counted)
			follow_uncounted(blocks, run, i++, found, batch);
		else if (LT_STATE_KIND(record->state) < LT_KIND_realloc_begin && heap_addr(record))
			i = follow_blocks(blocks, run, i, end, found, batch);
		else
			follow_other(blocks, run, i++, found, batch);
	}
	batch->live_bytes = blocks->totals.live_bytes;
	sum_allocations(batch, added_count, ret_sums);
	batch->alloc_count += ret_sums->alloc_count;
	batch->alloc_bytes += ret_sums->alloc_bytes;
	return i;
}
