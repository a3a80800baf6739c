/* SPDX-License-Identifier: MIT */
/*
 * Linear probing; an entry is deleted by moving its followers up, so that no tombstones pile up
 * under malloc/free churn. The size lies in the upper bits of the second word; one that is too
 * large for them (or a lie of a damaged file) lies in an array beside.
 */
#include "live_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "report_alloc.h"

#define FIRST_CAPACITY 4096u	/* a power of two */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

#define STACK_BITS 25u
#define IS_LARGE ((uint64_t)1 << 63)
#define SIZE_LIMIT ((uint64_t)1 << (63 - STACK_BITS))

_Static_assert(sizeof(struct live_entry) == 16, "four share a cache line");
_Static_assert(LIVE_STACK_MAX == (1u << STACK_BITS) - 1, "a stack fits");

/*
 * Large tables take huge pages: a fault and a TLB entry for each 4 KiB would cost more than the
 * lookups.
 */
static struct live_entry *allocate_entries(uint64_t capacity)
{
	size_t bytes = capacity * sizeof(struct live_entry);
	void *memory;

	if (bytes < HUGE_PAGE_BYTES)
		return report_alloc(capacity, sizeof(struct live_entry));
	memory = aligned_alloc(HUGE_PAGE_BYTES, bytes);
	if (!memory)
		return report_alloc(capacity, sizeof(struct live_entry));
	madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static void set_capacity(struct live_table *table, uint64_t capacity)
{
	table->entries = allocate_entries(capacity);
	table->mask = capacity - 1;
	table->shift = 64 - (unsigned)__builtin_ctzll(capacity);
}

void live_table_init(struct live_table *table)
{
	*table = (struct live_table){ 0 };
	set_capacity(table, FIRST_CAPACITY);
}

void live_table_release(struct live_table *table)
{
	free(table->entries);
	free(table->large_sizes);
	free(table->free_larges);
}

/* @return the entry of addr, or the free entry where it belongs. */
static inline struct live_entry *entry_of(const struct live_table *table, uint64_t addr)
{
	uint64_t i = live_home(table, addr);

	while (table->entries[i].addr && table->entries[i].addr != addr)
		i = (i + 1) & table->mask;
	return &table->entries[i];
}

static __attribute__((noinline)) void grow(struct live_table *table)
{
	struct live_entry *old = table->entries;
	uint64_t old_capacity = table->mask + 1;

	set_capacity(table, old_capacity * 2);
	for (uint64_t i = 0; i < old_capacity; i++)
		if (old[i].addr)
			*entry_of(table, old[i].addr) = old[i];
	free(old);
}

static __attribute__((noinline)) uint64_t keep_large(struct live_table *table, uint64_t size_bytes)
{
	uint64_t index;

	if (table->free_count) {
		index = table->free_larges[--table->free_count];
	} else {
		table->large_sizes = report_grow(table->large_sizes, &table->large_capacity,
						 table->large_count + 1,
						 sizeof(*table->large_sizes));
		index = table->large_count++;
	}
	table->large_sizes[index] = size_bytes;
	return index;
}

static __attribute__((noinline)) uint64_t drop_large(struct live_table *table, uint64_t index)
{
	table->free_larges = report_grow(table->free_larges, &table->free_capacity,
					 table->free_count + 1, sizeof(*table->free_larges));
	table->free_larges[table->free_count++] = (uint32_t)index;
	return table->large_sizes[index];
}

static inline uint64_t packed(struct live_table *table, struct live_block block)
{
	if (block.size_bytes >= SIZE_LIMIT)
		return IS_LARGE | keep_large(table, block.size_bytes) << STACK_BITS | block.stack;
	return block.size_bytes << STACK_BITS | block.stack;
}

/* What an entry held; the entry is overwritten or deleted next. */
static inline struct live_block unpacked(struct live_table *table, uint64_t word)
{
	struct live_block block = { (word & ~IS_LARGE) >> STACK_BITS,
				    (uint32_t)word & LIVE_STACK_MAX };

	if (word & IS_LARGE)
		block.size_bytes = drop_large(table, block.size_bytes);
	return block;
}

/* Moves followers up that would no longer be found from their home. */
static inline void delete_entry(struct live_table *table, struct live_entry *entry)
{
	uint64_t hole = (uint64_t)(entry - table->entries), i = hole;

	for (;;) {
		uint64_t home;

		i = (i + 1) & table->mask;
		if (!table->entries[i].addr)
			break;
		home = live_home(table, table->entries[i].addr);
		if (((i - home) & table->mask) < ((i - hole) & table->mask))
			continue;
		table->entries[hole] = table->entries[i];
		hole = i;
	}
	table->entries[hole].addr = 0;
}

bool live_table_put(struct live_table *table, uint64_t addr, struct live_block block,
		    struct live_block *ret_old)
{
	struct live_entry *entry = entry_of(table, addr);

	if (entry->addr) {
		*ret_old = unpacked(table, entry->size_and_stack);
		entry->size_and_stack = packed(table, block);
		return true;
	}
	*entry = (struct live_entry){ addr, packed(table, block) };
	if (++table->count * 2 > table->mask)
		grow(table);
	return false;
}

bool live_table_take(struct live_table *table, uint64_t addr, struct live_block *ret_block)
{
	struct live_entry *entry = entry_of(table, addr);

	if (!entry->addr)
		return false;
	*ret_block = unpacked(table, entry->size_and_stack);
	delete_entry(table, entry);
	table->count--;
	return true;
}
