/* SPDX-License-Identifier: MIT */
/* Clock choice and the map from ticks to ns; see clock.h. */
#include "clock.h"

#include <time.h>

bool clock_is_ticking;

uint64_t clock_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void clock_init(void)
{
	clock_is_ticking = arch_has_steady_ticks();
}

struct lt_clock_pair clock_read_pair(void)
{
	struct lt_clock_pair best = {0, 0};
	uint64_t best_window = UINT64_MAX;

	if (!clock_is_ticking) {
		best.ticks = best.ns = clock_monotonic_ns();
		return best;
	}
	for (int i = 0; i < 5; i++) {
		uint64_t before = arch_ticks_after();
		uint64_t ns = clock_monotonic_ns();
		uint64_t after = arch_ticks_after();

		if (after - before < best_window) {
			best_window = after - before;
			best.ticks = before + best_window / 2;
			best.ns = ns;
		}
	}
	return best;
}

/*
 * ns for a tick, as 32.32 fixed point, rounded down: so a segment never ends past the next one's
 * begin.
 */
static uint64_t rate_between(const struct lt_clock_pair *from, const struct lt_clock_pair *to)
{
	if (to->ticks == from->ticks)
		return (uint64_t)1 << 32;
	return (uint64_t)(((unsigned __int128)(to->ns - from->ns) << 32) /
			  (to->ticks - from->ticks));
}

void clock_map_add(struct clock_map *map, struct lt_clock_pair pair)
{
	if (map->count == 0) {
		map->first = map->segment_start = pair;
		map->rate = map->segment_rate = rate_between(&pair, &pair);
	} else {
		const struct lt_clock_pair *last = &map->pairs[(map->count - 1) % CLOCK_HISTORY];

		if (pair.ticks <= last->ticks || pair.ns <= last->ns)
			return;
		map->segment_start = *last;
		map->segment_ticks = pair.ticks - last->ticks;
		map->segment_rate = rate_between(last, &pair);
		map->rate = rate_between(&map->first, &pair);
	}
	map->pairs[map->count++ % CLOCK_HISTORY] = pair;
}

/* Between two known moments exact at both ends; beyond them by the rate between them. */
static uint64_t ns_between(const struct lt_clock_pair *from, const struct lt_clock_pair *to,
			   uint64_t ticks)
{
	unsigned __int128 rate = rate_between(from, to);

	if (ticks >= from->ticks)
		return from->ns + (uint64_t)((ticks - from->ticks) * rate >> 32);
	return from->ns - (uint64_t)((from->ticks - ticks) * rate >> 32);
}

uint64_t clock_map_old_ns(const struct clock_map *map, uint64_t ticks)
{
	uint32_t oldest = map->count > CLOCK_HISTORY ? map->count - CLOCK_HISTORY : 0;
	const struct lt_clock_pair *oldest_pair = &map->pairs[oldest % CLOCK_HISTORY];

	if (ticks < oldest_pair->ticks)
		return ns_between(&map->first, oldest_pair, ticks);
	for (uint32_t i = map->count - 1; i > oldest; i--) {
		const struct lt_clock_pair *from = &map->pairs[(i - 1) % CLOCK_HISTORY];

		if (ticks >= from->ticks)
			return ns_between(from, &map->pairs[i % CLOCK_HISTORY], ticks);
	}
	return ns_between(oldest_pair, oldest_pair, ticks);
}

static uint64_t ticks_between(const struct lt_clock_pair *from, const struct lt_clock_pair *to,
			      uint64_t ns)
{
	if (to->ns <= from->ns || ns <= from->ns)
		return from->ticks;
	return from->ticks + (uint64_t)((unsigned __int128)(ns - from->ns) *
					(to->ticks - from->ticks) / (to->ns - from->ns));
}

uint64_t clock_map_ticks(const struct clock_map *map, uint64_t ns)
{
	uint32_t oldest = map->count > CLOCK_HISTORY ? map->count - CLOCK_HISTORY : 0;
	const struct lt_clock_pair *newest = &map->pairs[(map->count - 1) % CLOCK_HISTORY];

	if (ns >= newest->ns)
		return newest->ticks;
	for (uint32_t i = map->count - 1; i > oldest; i--) {
		const struct lt_clock_pair *from = &map->pairs[(i - 1) % CLOCK_HISTORY];

		if (ns >= from->ns)
			return ticks_between(from, &map->pairs[i % CLOCK_HISTORY], ns);
	}
	return map->pairs[oldest % CLOCK_HISTORY].ticks;
}
