/* SPDX-License-Identifier: MIT */
/*
 * A run is gone through in pieces: first the events of this shard are picked out, then they are
 * applied while the entries of later ones are fetched.
 */
#include "live_shard.h"

#include <stdlib.h>

#include "report_alloc.h"

#define PIECE_EVENTS 256u
#define AHEAD_COUNT 12u		/* events whose entries are fetched meanwhile */

void live_shard_init(struct live_shard *shard, unsigned index, unsigned shard_count,
		     uint32_t stream_limit)
{
	*shard = (struct live_shard){ .index = index, .shard_count = shard_count };
	live_table_init(&shard->table);
	shard->moving = report_alloc(stream_limit, sizeof(*shard->moving));
}

void live_shard_release(struct live_shard *shard)
{
	live_table_release(&shard->table);
	free(shard->moving);
}

static inline bool is_ours(const struct live_shard *shard, uint64_t addr)
{
	return live_shard_of(addr, shard->shard_count) == shard->index;
}

/* @return whether the event may change this shard. */
static inline bool concerns(const struct live_shard *shard, const struct lt_record *record)
{
	unsigned kind = LT_STATE_KIND(record->state);

	if (kind == LT_KIND_realloc_begin || kind == LT_KIND_realloc_end)
		return true;
	return kind <= LT_KIND_realloc_end && is_ours(shard, heap_addr(record));
}

/* at: where the next answer goes, moved on. */
static inline void answer(struct block_found **at, bool is_known, struct live_block block)
{
	*(*at)++ = (struct block_found){ block.size_bytes, block.stack, is_known };
}

static inline void put(struct live_shard *shard, uint64_t addr, struct live_block block,
		       struct block_found **at)
{
	struct live_block old = { 0 };
	bool is_known = live_table_put(&shard->table, addr, block, &old);

	answer(at, is_known, old);
}

static inline bool take(struct live_shard *shard, uint64_t addr, struct live_block *ret_block,
			struct block_found **at)
{
	bool is_known = live_table_take(&shard->table, addr, ret_block);

	answer(at, is_known, *ret_block);
	return is_known;
}

static void begin_realloc(struct live_shard *shard, uint64_t addr, struct moving_block *moving,
			  struct block_found **at)
{
	moving->addr = 0;
	if (!addr || !is_ours(shard, addr))
		return;
	moving->block = (struct live_block){ 0 };
	if (take(shard, addr, &moving->block, at))
		moving->addr = addr;
}

static void end_realloc(struct live_shard *shard, const struct lt_record *record, bool is_counted,
			struct moving_block *moving, struct block_found **at)
{
	uint64_t addr = heap_addr(record), size_bytes = realloc_size(record);

	if (addr) {
		if (is_ours(shard, addr) && (is_counted || moving->addr))
			put(shard, addr, (struct live_block){ size_bytes, record->stack }, at);
	} else if (size_bytes && moving->addr) {
		put(shard, moving->addr, moving->block, at);
	}
	moving->addr = 0;
}

static inline void apply(struct live_shard *shard, const struct lt_record *record,
			 const struct heap_run *run, struct block_found **at)
{
	/* alloc_aligned begins with the fields of alloc */
	const struct lt_ev_alloc *event = (const struct lt_ev_alloc *)record;
	struct live_block block = { 0 };

	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_free:
		if (event->addr)
			take(shard, event->addr, &block, at);
		return;
	case LT_KIND_realloc_begin:
		begin_realloc(shard, event->addr, &shard->moving[run->stream], at);
		return;
	case LT_KIND_realloc_end:
		end_realloc(shard, record, run->is_counted, &shard->moving[run->stream], at);
		return;
	default:
		if (event->addr && run->is_counted)
			put(shard, event->addr,
			    (struct live_block){ event->size_bytes, record->stack }, at);
		return;
	}
}

static void apply_piece(struct live_shard *shard, const struct heap_run *run, size_t first,
			size_t count, struct block_found_list *found)
{
	const struct lt_record *ours[PIECE_EVENTS + AHEAD_COUNT];
	struct block_found *at = found->items + found->count;
	size_t our_count = 0;

	for (size_t i = 0; i < count; i++) {
		ours[our_count] = run->records[first + i];
		our_count += concerns(shard, ours[our_count]);
	}
	for (size_t i = 0; i < AHEAD_COUNT && i < our_count; i++)
		live_table_expect(&shard->table, heap_addr(ours[i]));
	for (size_t i = 0; i < our_count; i++) {
		if (i + AHEAD_COUNT < our_count)
			live_table_expect(&shard->table, heap_addr(ours[i + AHEAD_COUNT]));
		apply(shard, ours[i], run, &at);
	}
	found->count = (size_t)(at - found->items);
}

void live_shard_apply(struct live_shard *shard, const struct heap_run *run,
		      struct block_found_list *found)
{
	found->items = report_grow(found->items, &found->capacity, found->count + run->count,
				   sizeof(*found->items));
	for (size_t first = 0; first < run->count; first += PIECE_EVENTS) {
		size_t count = run->count - first;

		apply_piece(shard, run, first, count < PIECE_EVENTS ? count : PIECE_EVENTS, found);
	}
}
