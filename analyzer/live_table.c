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

_Static_assert(sizeof(struct live_entry) == 16, "four share a cache line");

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

void live_table_grow(struct live_table *table)
{
	struct live_entry *old = table->entries;
	uint64_t old_capacity = table->mask + 1;

	set_capacity(table, old_capacity * 2);
	for (uint64_t i = 0; i < old_capacity; i++)
		if (old[i].addr)
			*live_entry_of(table, old[i].addr) = old[i];
	free(old);
}

uint64_t live_table_keep_large(struct live_table *table, uint64_t size_bytes)
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

uint64_t live_table_drop_large(struct live_table *table, uint64_t index)
{
	table->free_larges = report_grow(table->free_larges, &table->free_capacity,
					 table->free_count + 1, sizeof(*table->free_larges));
	table->free_larges[table->free_count++] = (uint32_t)index;
	return table->large_sizes[index];
}
