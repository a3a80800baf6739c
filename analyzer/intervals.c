/* SPDX-License-Identifier: MIT */
/*
 * The interval map as a sorted array. Owns the array alone; values mean something to the caller
 * only.
 */
#include "intervals.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

void interval_map_release(struct interval_map *map)
{
	free(map->intervals);
	*map = (struct interval_map){ 0 };
}

static uint64_t range_end(uint64_t begin, uint64_t bytes)
{
	return bytes > UINT64_MAX - begin ? UINT64_MAX : begin + bytes;
}

size_t interval_map_lower(const struct interval_map *map, uint64_t addr)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->intervals[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct interval *interval_map_find(const struct interval_map *map, uint64_t addr)
{
	size_t i = interval_map_lower(map, addr);

	if (i == map->count || map->intervals[i].begin > addr)
		return NULL;
	return &map->intervals[i];
}

void interval_map_overlaps(const struct interval_map *map, uint64_t begin, uint64_t bytes,
			   void (*visit)(void *context, const struct interval *part), void *context)
{
	uint64_t end = range_end(begin, bytes);

	for (size_t i = interval_map_lower(map, begin); i < map->count; i++) {
		struct interval part = map->intervals[i];

		if (part.begin >= end)
			return;
		if (part.begin < begin)
			part.begin = begin;
		if (part.end > end)
			part.end = end;
		visit(context, &part);
	}
}

/* Replaces the intervals [first, last) by `count` new ones. */
static void splice(struct interval_map *map, size_t first, size_t last,
		   const struct interval *added, size_t count)
{
	size_t tail = map->count - last;

	map->intervals = report_grow(map->intervals, &map->capacity,
				     map->count - (last - first) + count, sizeof(*added));
	if (tail)
		memmove(&map->intervals[first + count], &map->intervals[last],
			tail * sizeof(*added));
	if (count)
		memcpy(&map->intervals[first], added, count * sizeof(*added));
	map->count = first + count + tail;
}

/* @return the first interval that starts at or behind end, seen from index `from`. */
static size_t first_behind(const struct interval_map *map, size_t from, uint64_t end)
{
	while (from < map->count && map->intervals[from].begin < end)
		from++;
	return from;
}

/* Replaces [begin, end) by `middle` (none when NULL), keeping what sticks out on both sides. */
static void replace_range(struct interval_map *map, uint64_t begin, uint64_t end,
			  const struct interval *middle)
{
	size_t first = interval_map_lower(map, begin), last = first_behind(map, first, end);
	struct interval added[3];
	size_t count = 0;

	if (first < last && map->intervals[first].begin < begin) {
		added[count] = map->intervals[first];
		added[count++].end = begin;
	}
	if (middle)
		added[count++] = *middle;
	if (first < last && map->intervals[last - 1].end > end) {
		added[count] = map->intervals[last - 1];
		added[count++].begin = end;
	}
	splice(map, first, last, added, count);
}

void interval_map_clear(struct interval_map *map, uint64_t begin, uint64_t bytes)
{
	if (bytes)
		replace_range(map, begin, range_end(begin, bytes), NULL);
}

void interval_map_set(struct interval_map *map, uint64_t begin, uint64_t bytes, uint32_t value)
{
	struct interval added = { begin, range_end(begin, bytes), value };

	if (bytes)
		replace_range(map, begin, added.end, &added);
}

uint64_t interval_map_fill(struct interval_map *map, uint64_t begin, uint64_t bytes, uint32_t value)
{
	uint64_t end = range_end(begin, bytes), filled = 0;

	while (begin < end) {
		size_t i = interval_map_lower(map, begin);
		uint64_t hole_end = end;

		if (i < map->count && map->intervals[i].begin <= begin) {
			begin = map->intervals[i].end;
			continue;
		}
		if (i < map->count && map->intervals[i].begin < end)
			hole_end = map->intervals[i].begin;
		interval_map_set(map, begin, hole_end - begin, value);
		filled += hole_end - begin;
		begin = hole_end;
	}
	return filled;
}

uint64_t interval_set_add(struct interval_map *map, uint64_t begin, uint64_t bytes)
{
	struct interval joined = { begin, range_end(begin, bytes), 0 };
	size_t first = interval_map_lower(map, begin ? begin - 1 : 0), last = first;
	uint64_t held = 0;

	if (!bytes)
		return 0;
	for (; last < map->count && map->intervals[last].begin <= joined.end; last++) {
		const struct interval *old = &map->intervals[last];
		uint64_t low = old->begin > begin ? old->begin : begin;
		uint64_t high =
			old->end < range_end(begin, bytes) ? old->end : range_end(begin, bytes);

		held += high > low ? high - low : 0;
		if (old->begin < joined.begin)
			joined.begin = old->begin;
		if (old->end > joined.end)
			joined.end = old->end;
	}
	splice(map, first, last, &joined, 1);
	return range_end(begin, bytes) - begin - held;
}
