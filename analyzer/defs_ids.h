/* SPDX-License-Identifier: MIT */
/*
 * Ids of a file > indices of rows in memory. Two levels, so that a file with a few large ids costs
 * a few pages. Ids at or above TRACE_MAX_ID are refused. One thread writes, then any number may
 * look up.
 */
#ifndef LLMTRACE_ANALYZER_DEFS_IDS_H
#define LLMTRACE_ANALYZER_DEFS_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define ID_CHUNK 1024u

struct id_map {
	uint32_t **chunks;		/* of row index + 1 */
	uint32_t chunk_count;
	uint32_t limit;			/* one more than the largest id */
};

void id_map_release(struct id_map *map);

/* @return false for an id that is too large or when memory is short. */
bool id_map_set(struct id_map *map, uint64_t id, uint32_t row);

/* @return whether the id has a row. */
static inline bool id_map_get(const struct id_map *map, uint64_t id, uint32_t *ret_row)
{
	const uint32_t *chunk;

	if (id >= map->limit)
		return false;
	chunk = map->chunks[id / ID_CHUNK];
	if (!chunk || !chunk[id % ID_CHUNK])
		return false;
	*ret_row = chunk[id % ID_CHUNK] - 1;
	return true;
}

#endif
