/* SPDX-License-Identifier: MIT */
/*
 * Live blocks by address: an open-addressing hash of 16-byte entries. Memory follows the blocks
 * that are live. A table is used by one thread at a time.
 */
#ifndef LLMTRACE_LIVE_TABLE_H
#define LLMTRACE_LIVE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash_mix.h"

struct live_block {
	uint64_t size_bytes;
	uint32_t stack;			/* at most LIVE_STACK_MAX */
};

/* The size lies above the stack, whose ids in a trace are at most 2^24; see trace.h. */
#define LIVE_STACK_BITS 25u
#define LIVE_STACK_MAX ((1u << LIVE_STACK_BITS) - 1)
#define LIVE_IS_LARGE ((uint64_t)1 << 63)
#define LIVE_SIZE_LIMIT ((uint64_t)1 << (63 - LIVE_STACK_BITS))

struct live_entry {
	uint64_t addr;			/* 0: free */
	uint64_t size_and_stack;
};

struct live_table {
	struct live_entry *entries;
	uint64_t mask;			/* entries - 1 */
	unsigned shift;			/* 64 - log2 of the entries */
	size_t count;
	/* sizes that do not fit into an entry; the entry has the index */
	uint64_t *large_sizes;
	size_t large_count, large_capacity;
	uint32_t *free_larges;
	size_t free_count, free_capacity;
};

static inline uint64_t live_home(const struct live_table *table, uint64_t addr)
{
	return hash_mix(addr) >> table->shift;
}

/* @return which of `count` tables an address belongs to; other bits than those of the home. */
static inline unsigned live_shard_of(uint64_t addr, unsigned count)
{
	return (unsigned)((hash_mix(addr) >> 16 & 0xffff) * count >> 16);
}

/* Tells that an address is looked up soon, so that its entry is fetched meanwhile. */
static inline void live_table_expect(const struct live_table *table, uint64_t addr)
{
	__builtin_prefetch(&table->entries[live_home(table, addr)], 1);
}

void live_table_init(struct live_table *table);
void live_table_release(struct live_table *table);

/* The rare parts of what follows. */
void live_table_grow(struct live_table *table);
uint64_t live_table_keep_large(struct live_table *table, uint64_t size_bytes);
uint64_t live_table_drop_large(struct live_table *table, uint64_t index);

/* @return the entry of addr, or the free entry where it belongs. */
static inline struct live_entry *live_entry_of(const struct live_table *table, uint64_t addr)
{
	uint64_t i = live_home(table, addr);

	while (table->entries[i].addr && table->entries[i].addr != addr)
		i = (i + 1) & table->mask;
	return &table->entries[i];
}

static inline uint64_t live_packed(struct live_table *table, struct live_block block)
{
	uint64_t mark = 0;

	if (block.size_bytes >= LIVE_SIZE_LIMIT) {
		block.size_bytes = live_table_keep_large(table, block.size_bytes);
		mark = LIVE_IS_LARGE;
	}
	return mark | block.size_bytes << LIVE_STACK_BITS | block.stack;
}

/* What an entry held; the entry is overwritten or deleted next. */
static inline struct live_block live_unpacked(struct live_table *table, uint64_t word)
{
	struct live_block block = { (word & ~LIVE_IS_LARGE) >> LIVE_STACK_BITS,
				    (uint32_t)word & LIVE_STACK_MAX };

	if (word & LIVE_IS_LARGE)
		block.size_bytes = live_table_drop_large(table, block.size_bytes);
	return block;
}

/* Moves followers up that would no longer be found from their home. */
static inline void live_entry_delete(struct live_table *table, struct live_entry *entry)
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

/*
 * Puts a block in; addr is not 0.
 * @return whether a block lay there already; *ret_old gets it then.
 */
static inline bool live_table_put(struct live_table *table, uint64_t addr,
				  struct live_block block, struct live_block *ret_old)
{
	struct live_entry *entry = live_entry_of(table, addr);

	if (entry->addr) {
		*ret_old = live_unpacked(table, entry->size_and_stack);
		entry->size_and_stack = live_packed(table, block);
		return true;
	}
	*entry = (struct live_entry){ addr, live_packed(table, block) };
	if (++table->count * 2 > table->mask)
		live_table_grow(table);
	return false;
}

/* Takes a block out. @return whether there was one; *ret_block gets it then. */
static inline bool live_table_take(struct live_table *table, uint64_t addr,
				   struct live_block *ret_block)
{
	struct live_entry *entry = live_entry_of(table, addr);

	if (!entry->addr)
		return false;
	*ret_block = live_unpacked(table, entry->size_and_stack);
	live_entry_delete(table, entry);
	table->count--;
	return true;
}

#endif
