/* SPDX-License-Identifier: MIT */
/*
 * The live blocks of the heap. Open addressing with linear probing; an entry is deleted by moving
 * its followers up, so that no tombstones pile up under malloc/free churn. Address 0 marks a free
 * entry.
 */
#include "live_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

#define FIRST_CAPACITY 4096u	/* a power of two */

struct block {
	uint64_t addr;
	uint64_t size_bytes;
	uint32_t stack;
	uint32_t reserved;
};

_Static_assert(sizeof(struct block) == 24, "the cache holds as many as possible");

/* What a thread has under way. */
struct stream_heap {
	struct block moving;	/* block of its realloc; addr 0: not tracked */
	uint64_t last_addr;	/* what it allocated last */
	bool is_moving;		/* realloc_begin of a block without its realloc_end so far */
};

struct live_blocks {
	struct block *entries;
	uint64_t mask;
	unsigned shift;
	struct stream_heap *streams;
	struct heap_totals totals;
};

static void set_capacity(struct live_blocks *blocks, uint64_t capacity)
{
	blocks->entries = report_alloc(capacity, sizeof(*blocks->entries));
	blocks->mask = capacity - 1;
	blocks->shift = 64 - (unsigned)__builtin_ctzll(capacity);
}

struct live_blocks *live_blocks_new(uint32_t stream_limit)
{
	struct live_blocks *blocks = report_alloc(1, sizeof(*blocks));

	blocks->streams = report_alloc(stream_limit, sizeof(*blocks->streams));
	set_capacity(blocks, FIRST_CAPACITY);
	return blocks;
}

void live_blocks_free(struct live_blocks *blocks)
{
	if (!blocks)
		return;
	free(blocks->entries);
	free(blocks->streams);
	free(blocks);
}

const struct heap_totals *live_blocks_totals(const struct live_blocks *blocks)
{
	return &blocks->totals;
}

static inline uint64_t home_of(const struct live_blocks *blocks, uint64_t addr)
{
	return addr * 0x9e3779b97f4a7c15ull >> blocks->shift;
}

void live_blocks_expect(const struct live_blocks *blocks, const struct lt_record *record)
{
	/* the address is the first field of every heap record */
	uint64_t addr = ((const struct lt_ev_alloc *)record)->addr;

	__builtin_prefetch(&blocks->entries[home_of(blocks, addr)]);
}

/* @return the entry of addr, or the free entry where it belongs. */
static inline struct block *entry_of(struct live_blocks *blocks, uint64_t addr)
{
	uint64_t i = home_of(blocks, addr);

	while (blocks->entries[i].addr && blocks->entries[i].addr != addr)
		i = (i + 1) & blocks->mask;
	return &blocks->entries[i];
}

static void grow(struct live_blocks *blocks)
{
	struct block *old = blocks->entries;
	uint64_t old_capacity = blocks->mask + 1;

	set_capacity(blocks, old_capacity * 2);
	for (uint64_t i = 0; i < old_capacity; i++)
		if (old[i].addr)
			*entry_of(blocks, old[i].addr) = old[i];
	free(old);
}

/* Moves followers up that would no longer be found from their home. */
static void delete_entry(struct live_blocks *blocks, struct block *entry)
{
	uint64_t hole = (uint64_t)(entry - blocks->entries), i = hole;

	for (;;) {
		uint64_t home;

		i = (i + 1) & blocks->mask;
		if (!blocks->entries[i].addr)
			break;
		home = home_of(blocks, blocks->entries[i].addr);
		if (((i - home) & blocks->mask) < ((i - hole) & blocks->mask))
			continue;
		blocks->entries[hole] = blocks->entries[i];
		hole = i;
	}
	blocks->entries[hole].addr = 0;
}

static void report_freed(struct live_blocks *blocks, const struct block *block,
			 struct heap_change *change)
{
	change->has_freed = true;
	change->freed_bytes = block->size_bytes;
	change->freed_stack = block->stack;
	blocks->totals.live_bytes -= block->size_bytes;
	blocks->totals.live_count--;
}

/* @return whether the block was known; *ret_block gets it. */
static bool remove_block(struct live_blocks *blocks, uint64_t addr, struct block *ret_block,
			 struct heap_change *change)
{
	struct block *entry = entry_of(blocks, addr);

	if (!entry->addr)
		return false;
	*ret_block = *entry;
	report_freed(blocks, entry, change);
	delete_entry(blocks, entry);
	return true;
}

static void add_block(struct live_blocks *blocks, const struct block *block, uint64_t time_ns,
		      struct heap_change *change)
{
	struct heap_totals *totals = &blocks->totals;
	struct block *entry = entry_of(blocks, block->addr);

	if (entry->addr) {
		totals->missed_free_count++;
		report_freed(blocks, entry, change);
	}
	*entry = *block;
	change->has_added = true;
	change->added_bytes = block->size_bytes;
	change->added_stack = block->stack;
	totals->live_bytes += block->size_bytes;
	if (totals->live_bytes > totals->peak_live_bytes) {
		totals->peak_live_bytes = totals->live_bytes;
		totals->peak_ns = time_ns;
		change->is_new_peak = true;
	}
	if (++totals->live_count * 2 > blocks->mask)
		grow(blocks);
}

static void apply_alloc(struct live_blocks *blocks, const struct lt_record *record, uint32_t stream,
			bool is_counted, struct heap_change *change)
{
	/* alloc_aligned begins with the fields of alloc */
	const struct lt_ev_alloc *event = (const struct lt_ev_alloc *)record;
	struct block block = { event->addr, event->size_bytes, record->stack, 0 };

	if (!event->addr) {
		blocks->totals.failed_count += is_counted;
		return;
	}
	if (!is_counted)
		return;
	add_block(blocks, &block, record->time, change);
	change->is_allocation = true;
	blocks->streams[stream].last_addr = event->addr;
}

static void apply_free(struct live_blocks *blocks, const struct lt_record *record, uint32_t stream,
		       bool is_counted, struct heap_change *change)
{
	const struct lt_ev_free *event = (const struct lt_ev_free *)record;
	struct block block;

	if (!event->addr)
		return;
	blocks->totals.free_count += is_counted;
	if (!remove_block(blocks, event->addr, &block, change)) {
		blocks->totals.unknown_free_count += is_counted;
		return;
	}
	change->is_temporary = blocks->streams[stream].last_addr == event->addr;
	blocks->streams[stream].last_addr = 0;
}

static void apply_realloc_begin(struct live_blocks *blocks, const struct lt_record *record,
				uint32_t stream, struct heap_change *change)
{
	const struct lt_ev_realloc_begin *event = (const struct lt_ev_realloc_begin *)record;
	struct stream_heap *heap = &blocks->streams[stream];

	heap->moving.addr = 0;
	heap->is_moving = event->addr != 0;
	if (heap->is_moving)
		remove_block(blocks, event->addr, &heap->moving, change);
}

static void apply_realloc_end(struct live_blocks *blocks, const struct lt_record *record,
			      uint32_t stream, bool is_counted, struct heap_change *change)
{
	const struct lt_ev_realloc_end *event = (const struct lt_ev_realloc_end *)record;
	struct stream_heap *heap = &blocks->streams[stream];
	struct block block = { event->addr, event->size_bytes, record->stack, 0 };
	bool is_failed = !event->addr && event->size_bytes;
	bool is_released = is_counted && heap->is_moving && !is_failed;

	blocks->totals.free_count += is_released;
	blocks->totals.unknown_free_count += is_released && !heap->moving.addr;
	blocks->totals.failed_count += is_counted && is_failed;
	if (is_failed)
		block = heap->moving;
	if (block.addr && (is_counted || heap->moving.addr)) {
		add_block(blocks, &block, record->time, change);
		change->is_allocation = is_counted && !is_failed;
		heap->last_addr = block.addr;
	}
	heap->moving.addr = 0;
	heap->is_moving = false;
}

void live_blocks_apply(struct live_blocks *blocks, const struct lt_record *record, uint32_t stream,
		       bool is_counted, struct heap_change *ret_change)
{
	*ret_change = (struct heap_change){ .time_ns = record->time };
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_alloc:
	case LT_KIND_alloc_aligned:
		apply_alloc(blocks, record, stream, is_counted, ret_change);
		break;
	case LT_KIND_free:
		apply_free(blocks, record, stream, is_counted, ret_change);
		break;
	case LT_KIND_realloc_begin:
		apply_realloc_begin(blocks, record, stream, ret_change);
		break;
	default:
		apply_realloc_end(blocks, record, stream, is_counted, ret_change);
		break;
	}
	ret_change->live_bytes = blocks->totals.live_bytes;
}
