/* SPDX-License-Identifier: MIT */
/*
 * What model_maps.c and model_places.c share: one follows the calls, the other looks addresses up.
 * For these two files alone.
 */
#ifndef LLMTRACE_MODEL_MAPS_INNER_H
#define LLMTRACE_MODEL_MAPS_INNER_H

#include "model_maps.h"

/* @return the index of the group, which is made when there is none. */
uint32_t map_model_group_of(struct map_model *model, enum map_label kind, uint32_t label,
			    uint32_t stack);

static inline uint64_t map_range_end(uint64_t addr, uint64_t bytes)
{
	return bytes > UINT64_MAX - addr ? UINT64_MAX : addr + bytes;
}

#endif
