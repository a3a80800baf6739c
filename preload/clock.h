/* SPDX-License-Identifier: MIT */
/*
 * Time stamps of records, and the pairs that turn them into CLOCK_MONOTONIC nanoseconds.
 *
 * Records hold ticks: the processor's time stamp counter where it is steady, else CLOCK_MONOTONIC
 * nanoseconds. clock_now and clock_after are for any thread, need no set-up, take no lock and make
 * no system call. The pairs belong to the writer.
 */
#ifndef LLMTRACE_CLOCK_H
#define LLMTRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arch.h"
#include "llmtrace/pool.h"

/* false until clock_init found a steady counter; set once, before recording starts. */
extern bool clock_is_ticking;

/* CLOCK_MONOTONIC in ns, through the vDSO. */
uint64_t clock_monotonic_ns(void);

/* Decides between counter and clock_gettime. Call once, before the first stamp. */
void clock_init(void);

/* A stamp for a release: not later than anything that follows. */
static inline uint64_t clock_now(void)
{
	return __builtin_expect(clock_is_ticking, 1) ? arch_ticks() : clock_monotonic_ns();
}

/* A stamp for an acquire: not earlier than anything before. */
static inline uint64_t clock_after(void)
{
	return __builtin_expect(clock_is_ticking, 1) ? arch_ticks_after() : clock_monotonic_ns();
}

/* Reads both clocks at the same moment: the closest of a few tries. */
struct lt_clock_pair clock_read_pair(void);

/*
 * The writer's map from ticks to ns: exact between the pairs that it was given, so it never runs
 * backwards.
 */
#define CLOCK_HISTORY 64u
struct clock_map {
	struct lt_clock_pair pairs[CLOCK_HISTORY];
	uint32_t count; /* pairs so far; the newest is (count - 1) % CLOCK_HISTORY */
	struct lt_clock_pair first;
	/*
	 * derived when a pair is added: the newest segment and the rate since the first pair,
	 * as 32.32 fixed point
	 */
	struct lt_clock_pair segment_start;
	uint64_t segment_ticks;
	uint64_t segment_rate;
	uint64_t rate;
};

void clock_map_add(struct clock_map *map, struct lt_clock_pair pair);

/* clock_map_ns for a moment before the newest segment. */
uint64_t clock_map_old_ns(const struct clock_map *map, uint64_t ticks);

/* ticks must not be later than the newest pair. */
static inline uint64_t clock_map_ns(const struct clock_map *map, uint64_t ticks)
{
	uint64_t since = ticks - map->segment_start.ticks;

	if (__builtin_expect(since > map->segment_ticks, 0))
		return clock_map_old_ns(map, ticks);
	return map->segment_start.ns +
	       (uint64_t)((unsigned __int128)since * map->segment_rate >> 32);
}

/* The other way, for what the kernel has stamped; ns must not be later than the newest pair. */
uint64_t clock_map_ticks(const struct clock_map *map, uint64_t ns);

/* A span of ticks as ns, by the rate since the first pair. */
static inline uint64_t clock_map_span_ns(const struct clock_map *map, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * map->rate >> 32);
}

#endif
