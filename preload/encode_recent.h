/* SPDX-License-Identifier: MIT */
/*
 * Addresses of a block as distances back to where they were seen last (codec `recent` of
 * llmtrace/FORMAT.md). A program that does the same again gets other addresses and the same
 * distances. Belongs to the writer thread; allocates when it starts, and nothing later.
 */
#ifndef LLMTRACE_ENCODE_RECENT_H
#define LLMTRACE_ENCODE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/events.h"
#include "llmtrace/pool.h"

/* Entries of a block's sequence: one an event at most. */
#define RECENT_MAX LT_RING_SLOTS
#define RECENT_BUCKET_BITS 13u

/*
 * newest: where an address stands in the sequence, two places for each hash. Never cleared: a place
 * counts only when the sequence has the address there.
 */
struct recent {
	uint64_t *sequence;
	uint16_t (*newest)[2];
	uint32_t count;
};

_Static_assert(RECENT_MAX <= UINT16_MAX, "places are 16 bits wide");

extern struct recent recent_state;

/* @return false when memory could not be had. */
bool recent_init(void);

/* Starts a block. */
static inline void recent_begin(void)
{
	recent_state.count = 0;
}

static inline bool recent_is_at(const struct recent *recent, uint32_t place, uint64_t addr)
{
	return place < recent->count && recent->sequence[place] == addr;
}

/* Appends an address to the sequence. @return its code; addresses beyond RECENT_MAX are new. */
static inline uint32_t recent_code(uint64_t addr)
{
	struct recent *recent = &recent_state;
	uint32_t at = recent->count, place;
	uint16_t *bucket;
	unsigned way;

	if (!addr)
		return LT_RECENT_NULL;
	if (at == RECENT_MAX)
		return LT_RECENT_NEW;
	bucket = recent->newest[(addr >> 3) * 0x9e3779b97f4a7c15u >> (64 - RECENT_BUCKET_BITS)];
	way = recent_is_at(recent, bucket[0], addr)   ? 0
	      : recent_is_at(recent, bucket[1], addr) ? 1
						      : 2;
	recent->sequence[at] = addr;
	recent->count = at + 1;
	if (way == 2) { /* the older one of the two makes room */
		bucket[1] = bucket[0];
		bucket[0] = (uint16_t)at;
		return LT_RECENT_NEW;
	}
	place = bucket[way];
	bucket[way] = (uint16_t)at;
	return at - place + 1;
}

/* The addresses behind the codes LT_RECENT_NEW of one column. */
struct new_addrs {
	uint64_t *addrs;
	uint32_t count;
	uint64_t all_bits;
	uint8_t *bytes; /* the column, after new_addrs_finish */
	uint32_t used;
};

/* Room for count addresses. @return false when memory could not be had. */
bool new_addrs_init(struct new_addrs *new_addrs, uint32_t count);

static inline void new_addrs_begin(struct new_addrs *new_addrs)
{
	new_addrs->count = new_addrs->used = 0;
	new_addrs->all_bits = 0;
}

static inline void new_addrs_add(struct new_addrs *new_addrs, uint64_t addr)
{
	new_addrs->addrs[new_addrs->count++] = addr;
	new_addrs->all_bits |= addr;
}

/* Writes the column: nothing when there was no new address. */
void new_addrs_finish(struct new_addrs *new_addrs);

#endif
