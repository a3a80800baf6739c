/* SPDX-License-Identifier: MIT */
/*
 * The interval map as a sorted list of sorted chunks: a change moves part of one chunk, however
 * many intervals there are. Owns the chunks alone; values mean something to the caller only.
 */
#include "intervals.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

#define CHUNK_INTERVALS 256u

/* Never empty. */
struct interval_chunk {
	size_t count;
	struct interval intervals[CHUNK_INTERVALS];	/* in order of addresses */
};

struct place {
	size_t chunk, i;
};

void interval_map_release(struct interval_map *map)
{
	for (size_t i = 0; i < map->chunk_count; i++)
		free(map->chunks[i]);
	free(map->chunks);
	*map = (struct interval_map){ 0 };
}

static uint64_t range_end(uint64_t begin, uint64_t bytes)
{
	return bytes > UINT64_MAX - begin ? UINT64_MAX : begin + bytes;
}

static uint64_t last_end(const struct interval_chunk *chunk)
{
	return chunk->intervals[chunk->count - 1].end;
}

/* Whether a place is behind all intervals. */
static bool is_behind_all(const struct interval_map *map, struct place place)
{
	return place.chunk == map->chunk_count;
}

/* @return where the first interval is that ends behind addr. */
static struct place lower(const struct interval_map *map, uint64_t addr)
{
	struct place place = { 0, 0 };
	size_t high = map->chunk_count;

	while (place.chunk < high) {
		size_t middle = place.chunk + (high - place.chunk) / 2;

		if (last_end(map->chunks[middle]) <= addr)
			place.chunk = middle + 1;
		else
			high = middle;
	}
	high = is_behind_all(map, place) ? 0 : map->chunks[place.chunk]->count;
	while (place.i < high) {
		size_t middle = place.i + (high - place.i) / 2;

		if (map->chunks[place.chunk]->intervals[middle].end <= addr)
			place.i = middle + 1;
		else
			high = middle;
	}
	return place;
}

static struct interval *at(const struct interval_map *map, struct place place)
{
	return &map->chunks[place.chunk]->intervals[place.i];
}

static struct place settle(const struct interval_map *map, struct place place)
{
	if (place.i == map->chunks[place.chunk]->count)
		place = (struct place){ place.chunk + 1, 0 };
	return place;
}

const struct interval *interval_map_next(const struct interval_map *map, uint64_t addr)
{
	struct place place = lower(map, addr);

	return is_behind_all(map, place) ? NULL : at(map, place);
}

const struct interval *interval_map_find(const struct interval_map *map, uint64_t addr)
{
	const struct interval *next = interval_map_next(map, addr);

	return next && next->begin <= addr ? next : NULL;
}

void interval_map_overlaps(const struct interval_map *map, uint64_t begin, uint64_t bytes,
			   void (*visit)(void *context, const struct interval *part), void *context)
{
	struct place place = lower(map, begin);
	uint64_t end = range_end(begin, bytes);

	while (!is_behind_all(map, place) && at(map, place)->begin < end) {
		struct interval part = *at(map, place);

		if (part.begin < begin)
			part.begin = begin;
		if (part.end > end)
			part.end = end;
		visit(context, &part);
		place.i++;
		place = settle(map, place);
	}
}

static struct interval_chunk *add_chunk(struct interval_map *map, size_t index)
{
	struct interval_chunk *chunk = report_alloc(1, sizeof(*chunk));

	map->chunks = report_grow(map->chunks, &map->chunk_capacity, map->chunk_count + 1,
				  sizeof(struct interval_chunk *));
	memmove(map->chunks + index + 1, map->chunks + index,
		(map->chunk_count - index) * sizeof(struct interval_chunk *));
	map->chunks[index] = chunk;
	map->chunk_count++;
	return chunk;
}

/* Gives half of a full chunk to a new one. */
static struct place split(struct interval_map *map, struct place place)
{
	struct interval_chunk *upper = add_chunk(map, place.chunk + 1);
	struct interval_chunk *chunk = map->chunks[place.chunk];
	size_t half = CHUNK_INTERVALS / 2;

	memcpy(upper->intervals, chunk->intervals + half, half * sizeof(*upper->intervals));
	upper->count = half;
	chunk->count = half;
	return place.i <= half ? place : (struct place){ place.chunk + 1, place.i - half };
}

/* Nothing overlaps what is added. */
static void insert(struct interval_map *map, const struct interval *added)
{
	struct place place = lower(map, added->begin);
	struct interval_chunk *chunk;

	if (!map->chunk_count)
		add_chunk(map, 0);
	else if (is_behind_all(map, place))
		place = (struct place){ map->chunk_count - 1,
					map->chunks[map->chunk_count - 1]->count };
	if (map->chunks[place.chunk]->count == CHUNK_INTERVALS)
		place = split(map, place);
	chunk = map->chunks[place.chunk];
	memmove(&chunk->intervals[place.i + 1], &chunk->intervals[place.i],
		(chunk->count - place.i) * sizeof(*added));
	chunk->intervals[place.i] = *added;
	chunk->count++;
	map->count++;
}

/* @return the place of what follows. */
static struct place take_out(struct interval_map *map, struct place place)
{
	struct interval_chunk *chunk = map->chunks[place.chunk];

	map->count--;
	if (--chunk->count) {
		memmove(&chunk->intervals[place.i], &chunk->intervals[place.i + 1],
			(chunk->count - place.i) * sizeof(*chunk->intervals));
		return settle(map, place);
	}
	free(chunk);
	map->chunk_count--;
	memmove(map->chunks + place.chunk, map->chunks + place.chunk + 1,
		(map->chunk_count - place.chunk) * sizeof(struct interval_chunk *));
	return place;
}

/* Replaces [begin, end) by `middle` (none when NULL), keeping what sticks out on both sides. */
static void replace_range(struct interval_map *map, uint64_t begin, uint64_t end,
			  const struct interval *middle)
{
	struct interval before = { 0 }, behind = { 0 };
	struct place place = lower(map, begin);

	while (!is_behind_all(map, place) && at(map, place)->begin < end) {
		const struct interval *old = at(map, place);

		if (old->begin < begin)
			before = (struct interval){ old->begin, begin, old->value, old->shift };
		if (old->end > end)
			behind = (struct interval){ end, old->end, old->value, old->shift };
		place = take_out(map, place);
	}
	if (before.end)
		insert(map, &before);
	if (middle)
		insert(map, middle);
	if (behind.end)
		insert(map, &behind);
}

void interval_map_clear(struct interval_map *map, uint64_t begin, uint64_t bytes)
{
	if (bytes)
		replace_range(map, begin, range_end(begin, bytes), NULL);
}

void interval_map_set(struct interval_map *map, uint64_t begin, uint64_t bytes, uint32_t value)
{
	struct interval added = { .begin = begin, .end = range_end(begin, bytes), .value = value };

	interval_map_put(map, &added);
}

void interval_map_put(struct interval_map *map, const struct interval *added)
{
	if (added->begin < added->end)
		replace_range(map, added->begin, added->end, added);
}

uint64_t interval_map_fill(struct interval_map *map, const struct interval *added)
{
	uint64_t begin = added->begin, end = added->end, filled = 0;

	while (begin < end) {
		const struct interval *next = interval_map_next(map, begin);
		struct interval part = *added;

		if (next && next->begin <= begin) {
			begin = next->end;
			continue;
		}
		part.begin = begin;
		if (next && next->begin < end)
			part.end = next->begin;
		interval_map_put(map, &part);
		filled += part.end - part.begin;
		begin = part.end;
	}
	return filled;
}

uint64_t interval_set_add(struct interval_map *map, uint64_t begin, uint64_t bytes)
{
	uint64_t end = range_end(begin, bytes), held = 0;
	struct interval joined = { .begin = begin, .end = end };
	struct place place = lower(map, begin ? begin - 1 : 0);

	if (!bytes)
		return 0;
	while (!is_behind_all(map, place) && at(map, place)->begin <= joined.end) {
		const struct interval *old = at(map, place);
		uint64_t low = old->begin > begin ? old->begin : begin;
		uint64_t high = old->end < end ? old->end : end;

		held += high > low ? high - low : 0;
		if (old->begin < joined.begin)
			joined.begin = old->begin;
		if (old->end > joined.end)
			joined.end = old->end;
		place = take_out(map, place);
	}
	insert(map, &joined);
	return end - begin - held;
}
