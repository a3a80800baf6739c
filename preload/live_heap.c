/* SPDX-License-Identifier: MIT */
/*
 * Open addressing by address; see live_heap.h. An entry is the call on its address that is latest
 * in time, whatever the order in which calls come: behind a cut the block is live when that is an
 * allocation. A release stays as an entry until a cut tells that nothing older is outstanding, so
 * the table follows the addresses that are in use, not the events. Entered by the writer thread
 * alone; takes its memory from the kernel.
 */
#include "live_heap.h"

#include <string.h>

#include "sys.h"

#define FIRST_CAPACITY 8192u /* a power of two */
#define MOVING_MAX 1024u

struct entry {
	uint64_t addr;	/* 0: free */
	uint64_t ticks; /* of the latest call */
	uint64_t size_bytes;
	uint32_t stack;
	uint32_t stream : 31;
	uint32_t is_released : 1; /* the latest call is a release */
};

_Static_assert(sizeof(struct entry) == 32, "two in a cache line");

/* A realloc that has begun and not ended: its block comes back when it fails. */
struct moving {
	const struct lt_ring *ring;
	struct entry entry; /* addr 0: it was not known */
};

bool live_heap_is_kept;

static struct entry *entries;
static uint64_t capacity, used_count;
static uint64_t live_count, live_bytes;
static uint64_t settled_ticks;
static struct moving *moving;
static uint32_t moving_count;

bool live_heap_init(void)
{
	capacity = FIRST_CAPACITY;
	entries = sys_memory(capacity * sizeof(*entries));
	moving = sys_memory(MOVING_MAX * sizeof(*moving));
	live_heap_is_kept = entries && moving;
	return live_heap_is_kept;
}

uint64_t live_heap_count(void)
{
	return live_count;
}

uint64_t live_heap_bytes(void)
{
	return live_bytes;
}

static uint64_t home_of(uint64_t addr)
{
	return addr * 0x9e3779b97f4a7c15u >> 20 & (capacity - 1);
}

/* @return the entry of addr, or the free one where it belongs. */
static struct entry *find(uint64_t addr)
{
	uint64_t at = home_of(addr);

	while (entries[at].addr && entries[at].addr != addr)
		at = (at + 1) & (capacity - 1);
	return &entries[at];
}

/* Moves followers up that would no longer be found from their home. */
static void remove_entry(struct entry *entry)
{
	uint64_t mask = capacity - 1, hole = (uint64_t)(entry - entries), at = hole;

	for (;;) {
		uint64_t home;

		at = (at + 1) & mask;
		if (!entries[at].addr)
			break;
		home = home_of(entries[at].addr);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		entries[hole] = entries[at];
		hole = at;
	}
	entries[hole].addr = 0;
	used_count--;
}

/* Without memory the table is given up: a wrong one would be worse than none. */
static void give_up(void)
{
	sys_memory_release(entries, capacity * sizeof(*entries));
	entries = NULL;
	live_heap_is_kept = false;
}

static bool is_live(const struct entry *entry)
{
	return entry->addr && !entry->is_released;
}

static void forget_releases(uint64_t until_ticks)
{
	for (uint64_t i = 0; i < capacity;) {
		if (entries[i].addr && !is_live(&entries[i]) && entries[i].ticks <= until_ticks)
			remove_entry(&entries[i]); /* a follower may have moved up to here */
		else
			i++;
	}
}

static bool grow(void)
{
	struct entry *old = entries;
	uint64_t old_capacity = capacity;

	entries = sys_memory(old_capacity * 2 * sizeof(*entries));
	if (!entries) {
		entries = old;
		give_up();
		return false;
	}
	capacity = old_capacity * 2;
	for (uint64_t i = 0; i < old_capacity; i++)
		if (old[i].addr)
			*find(old[i].addr) = old[i];
	sys_memory_release(old, old_capacity * sizeof(*old));
	return true;
}

/* Grows unless forgetting makes so much room that it lasts for a while. */
static bool make_room(void)
{
	if ((used_count + 1) * 2 <= capacity)
		return true;
	forget_releases(settled_ticks);
	return used_count * 8 <= capacity * 3 || grow();
}

static void count(const struct entry *entry, int sign)
{
	if (!is_live(entry))
		return;
	live_count += (uint64_t)(int64_t)sign;
	live_bytes += (uint64_t)(int64_t)sign * entry->size_bytes;
}

/* A call: what came earlier and was later in time wins. */
static void apply(const struct entry *call)
{
	struct entry *entry = find(call->addr);

	if (!entry->addr) {
		if (!make_room())
			return;
		entry = find(call->addr);
		used_count++;
	} else if (call->ticks < entry->ticks) {
		return;
	}
	count(entry, -1);
	*entry = *call;
	count(entry, 1);
}

static void apply_alloc(const struct entry *block)
{
	if (block->addr)
		apply(block);
}

static void apply_release(uint64_t addr, uint64_t ticks)
{
	struct entry call = {.addr = addr, .ticks = ticks, .is_released = 1};

	if (addr)
		apply(&call);
}

/* ---- realloc ---- */
static void begin_moving(const struct lt_ring *ring, uint64_t addr, uint64_t ticks)
{
	struct entry known;

	if (!addr)
		return;
	known = *find(addr);
	apply_release(addr, ticks);
	if (!live_heap_is_kept || moving_count == MOVING_MAX)
		return;
	moving[moving_count++] = (struct moving){ring, known};
}

static bool end_moving(const struct lt_ring *ring, struct entry *ret_entry)
{
	for (uint32_t i = moving_count; i-- > 0;) {
		if (moving[i].ring != ring)
			continue;
		*ret_entry = moving[i].entry;
		moving[i] = moving[--moving_count];
		return true;
	}
	return false;
}

static void apply_realloc_end(const struct lt_ring *ring, const struct lt_ev_realloc_end *event,
			      const struct entry *block)
{
	struct entry old;
	bool has_old = end_moving(ring, &old);

	if (event->addr) {
		apply_alloc(block);
	} else if (event->size_bytes && has_old && is_live(&old)) {
		old.ticks = event->head.time; /* it failed: the old block lives on */
		apply_alloc(&old);
	}
}

void live_heap_apply(const struct lt_ring *ring, const struct lt_record *record)
{
	/* alloc, alloc_aligned and realloc_end begin with the same fields */
	const struct lt_ev_alloc *event = (const struct lt_ev_alloc *)record;
	struct entry block = {
		.ticks = record->time,
		.stack = record->stack,
		.stream = ring->stream & 0x7fffffff,
	};

	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_alloc:
	case LT_KIND_alloc_aligned:
		block.addr = event->addr;
		block.size_bytes = event->size_bytes;
		apply_alloc(&block);
		break;
	case LT_KIND_free:
		apply_release(event->addr, record->time);
		break;
	case LT_KIND_realloc_begin:
		begin_moving(ring, event->addr, record->time);
		break;
	case LT_KIND_realloc_end:
		block.addr = event->addr;
		block.size_bytes = event->size_bytes;
		apply_realloc_end(ring, (const struct lt_ev_realloc_end *)record, &block);
		break;
	}
}

/* ---- cuts ---- */
void live_heap_cut(uint64_t ticks)
{
	settled_ticks = ticks;
}

void live_heap_sweep(void)
{
	forget_releases(UINT64_MAX);
}

bool live_heap_next(uint64_t *position, struct live_heap_block *ret_block)
{
	while (*position < capacity) {
		const struct entry *entry = &entries[(*position)++];

		if (!is_live(entry))
			continue;
		*ret_block = (struct live_heap_block){entry->addr, entry->size_bytes, entry->ticks,
						      entry->stack, entry->stream};
		return true;
	}
	return false;
}
