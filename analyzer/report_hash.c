/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing; at most half full; keys are never removed.
 */
#include "report_hash.h"

#include <stdlib.h>

#include "hash_mix.h"
#include "report_alloc.h"

#define FIRST_SLOTS 64u

static struct key_slot *slot_of(const struct key_index *index, uint64_t key)
{
	size_t i = hash_place(hash_mix(key), index->slot_count);

	while (index->slots[i].index_plus_one && index->slots[i].key != key)
		i = (i + 1) & (index->slot_count - 1);
	return &index->slots[i];
}

static void grow(struct key_index *index)
{
	struct key_index old = *index;

	index->slot_count = old.slot_count ? old.slot_count * 2 : FIRST_SLOTS;
	index->slots = report_alloc(index->slot_count, sizeof(*index->slots));
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i].index_plus_one)
			*slot_of(index, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

uint32_t key_index_put(struct key_index *index, uint64_t key)
{
	struct key_slot *slot;

	if ((size_t)index->count * 2 >= index->slot_count)
		grow(index);
	slot = slot_of(index, key);
	if (!slot->index_plus_one)
		*slot = (struct key_slot){ key, ++index->count };
	return slot->index_plus_one - 1;
}

uint32_t key_index_find(const struct key_index *index, uint64_t key)
{
	return index->slot_count ? slot_of(index, key)->index_plus_one - 1 : KEY_INDEX_NONE;
}

void key_index_release(struct key_index *index)
{
	free(index->slots);
	*index = (struct key_index){ 0 };
}
