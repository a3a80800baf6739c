/* SPDX-License-Identifier: MIT */
/* The two levels of defs_ids.h. */
#include "defs_ids.h"

#include <stdlib.h>

#include "blocks.h"

void id_map_release(struct id_map *map)
{
	for (uint32_t i = 0; i < map->chunk_count; i++)
		free(map->chunks[i]);
	free(map->chunks);
	*map = (struct id_map){ 0 };
}

static bool reserve_chunks(struct id_map *map, uint32_t wanted)
{
	uint32_t count = map->chunk_count ? map->chunk_count : 16;
	uint32_t **chunks;

	if (wanted <= map->chunk_count)
		return true;
	while (count < wanted)
		count *= 2;
	chunks = reallocarray(map->chunks, count, sizeof(*chunks));
	if (!chunks)
		return false;
	for (uint32_t i = map->chunk_count; i < count; i++)
		chunks[i] = NULL;
	map->chunks = chunks;
	map->chunk_count = count;
	return true;
}

bool id_map_set(struct id_map *map, uint64_t id, uint32_t row)
{
	uint32_t index = (uint32_t)(id / ID_CHUNK);

	if (id >= TRACE_MAX_ID || !reserve_chunks(map, index + 1))
		return false;
	if (!map->chunks[index])
		map->chunks[index] = calloc(ID_CHUNK, sizeof(uint32_t));
	if (!map->chunks[index])
		return false;
	map->chunks[index][id % ID_CHUNK] = row + 1;
	if (id >= map->limit)
		map->limit = (uint32_t)id + 1;
	return true;
}
