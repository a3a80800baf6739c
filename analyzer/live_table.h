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

struct live_block {
	uint64_t size_bytes;
	uint32_t stack;			/* at most LIVE_STACK_MAX */
};

/* Ids in a trace are at most 2^24; see trace.h. */
#define LIVE_STACK_MAX ((1u << 25) - 1)

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

static inline uint64_t live_mix(uint64_t addr)
{
	return addr * 0x9e3779b97f4a7c15ull;
}

static inline uint64_t live_home(const struct live_table *table, uint64_t addr)
{
	return live_mix(addr) >> table->shift;
}

/* @return which of `count` tables an address belongs to; other bits than those of the home. */
static inline unsigned live_shard_of(uint64_t addr, unsigned count)
{
	return (unsigned)((live_mix(addr) >> 16 & 0xffff) * count >> 16);
}

/* Tells that an address is looked up soon, so that its entry is fetched meanwhile. */
static inline void live_table_expect(const struct live_table *table, uint64_t addr)
{
	__builtin_prefetch(&table->entries[live_home(table, addr)], 1);
}

void live_table_init(struct live_table *table);
void live_table_release(struct live_table *table);

/*
 * Puts a block in; addr is not 0.
 * @return whether a block lay there already; *ret_old gets it then.
 */
bool live_table_put(struct live_table *table, uint64_t addr, struct live_block block,
		    struct live_block *ret_old);

/* Takes a block out. @return whether there was one; *ret_block gets it then. */
bool live_table_take(struct live_table *table, uint64_t addr, struct live_block *ret_block);

#endif
