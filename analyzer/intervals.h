/* SPDX-License-Identifier: MIT */
/*
 * An interval map: ranges of addresses that do not overlap, each with a 32-bit value, as mappings
 * need it (partial unmap, MAP_FIXED over old ranges, mremap). Also used as a set, for bytes of a
 * file. Lookups and changes take log n. Empty ranges are ignored; ends that would pass 2^64 are cut
 * there. One thread uses a map.
 */
#ifndef LLMTRACE_INTERVALS_H
#define LLMTRACE_INTERVALS_H

#include <stddef.h>
#include <stdint.h>

struct interval {
	uint64_t begin, end;	/* end is the first address behind it */
	uint32_t value;
	uint64_t shift;		/* address + shift is its offset in a file; splitting keeps it */
};

/* Zeroed memory is an empty map. */
struct interval_map {
	struct interval_chunk **chunks;	/* in order of addresses */
	size_t chunk_count, chunk_capacity;
	size_t count;			/* of intervals */
};

void interval_map_release(struct interval_map *map);

/* @return the interval that holds addr, NULL when there is none; valid until the next change. */
const struct interval *interval_map_find(const struct interval_map *map, uint64_t addr);

/* @return the first interval that ends behind addr, NULL for none; valid until the next change. */
const struct interval *interval_map_next(const struct interval_map *map, uint64_t addr);

/* Calls visit for each part of an interval that lies in [begin, begin + bytes), cut to that range.
 */
void interval_map_overlaps(const struct interval_map *map, uint64_t begin, uint64_t bytes,
			   void (*visit)(void *context, const struct interval *part),
			   void *context);

/* Removes [begin, begin + bytes) from all intervals, splitting those that reach over it. */
void interval_map_clear(struct interval_map *map, uint64_t begin, uint64_t bytes);

/* Gives [begin, begin + bytes) this value; what was there before is replaced. */
void interval_map_set(struct interval_map *map, uint64_t begin, uint64_t bytes, uint32_t value);

/* The same for a whole interval, with its shift. */
void interval_map_put(struct interval_map *map, const struct interval *added);

/* Gives the value and the shift to those parts of the interval that no other one holds. @return
 * their bytes. */
uint64_t interval_map_fill(struct interval_map *map, const struct interval *added);

/* For sets of bytes: adds the range and joins it with its neighbours. @return bytes that were new.
 */
uint64_t interval_set_add(struct interval_map *map, uint64_t begin, uint64_t bytes);

#endif
