/* SPDX-License-Identifier: MIT */
/*
 * Ids of the intern table > ids of the file. An entry that the writer has written names its id; for
 * others a new one is made above all that are in use, and its addresses are resolved against the
 * modules of the file.
 */
#include <stdlib.h>
#include <string.h>

#include "blocks_window.h"
#include "hash_mix.h"
#include "pool_reader_parts.h"

#define MAX_STRING_BYTES 65536u

static struct intern_slot *find(const struct pool *pool, uint32_t id)
{
	size_t mask = pool->intern_capacity - 1;

	for (size_t i = hash_place(hash_mix(id), pool->intern_capacity);; i++) {
		struct intern_slot *slot = &pool->interns[i & mask];

		if (slot->id == id || slot->id == 0)
			return slot;
	}
}

static bool make_room(struct pool *pool)
{
	struct intern_slot *old = pool->interns;
	size_t old_capacity = pool->intern_capacity;

	if ((pool->intern_count + 1) * 2 <= old_capacity)
		return true;
	pool->interns = calloc(old_capacity ? old_capacity * 2 : 1024, sizeof(*pool->interns));
	if (!pool->interns) {
		pool->interns = old;
		return false;
	}
	pool->intern_capacity = old_capacity ? old_capacity * 2 : 1024;
	for (size_t i = 0; i < old_capacity; i++)
		if (old[i].id)
			*find(pool, old[i].id) = old[i];
	free(old);
	return true;
}

/* @return where an entry lies in the pool file, 0 when there is no such place. */
static uint64_t entry_offset(const struct pool *pool, uint32_t id)
{
	uint64_t inside = (uint64_t)LT_INTERN_GRAIN(id) * LT_ARENA_GRAIN;
	uint32_t count = pool->header->extent_count;

	for (uint32_t i = 0; i < count && i < LT_EXTENT_MAX; i++) {
		const struct lt_extent *extent = &pool->header->extents[i];

		if (extent->type == LT_EXTENT_ARENA && extent->index == LT_INTERN_ARENA(id) &&
		    inside + sizeof(struct lt_intern_entry) <= extent->bytes)
			return extent->offset + inside;
	}
	return 0;
}

static bool read_entry(const struct pool *pool, uint32_t id, enum lt_intern_type type,
		       struct lt_intern_entry *ret_entry, uint64_t *ret_offset)
{
	*ret_offset = entry_offset(pool, id);
	return *ret_offset &&
	       window_pread(pool->fd, ret_entry, sizeof(*ret_entry), *ret_offset) ==
		       sizeof(*ret_entry) &&
	       (ret_entry->state & ~LT_INTERN_IS_DUPLICATE) == type &&
	       ret_entry->length <= MAX_STRING_BYTES;
}

void pool_intern_note(struct pool *pool, uint32_t id, enum lt_intern_type type)
{
	struct lt_intern_entry entry;
	struct intern_slot *slot;
	uint64_t offset;
	uint32_t *next = type == LT_INTERN_STACK ? &pool->next_stack_id : &pool->next_string_id;

	if (id == 0 || !make_room(pool))
		return;
	slot = find(pool, id);
	if (slot->id || !read_entry(pool, id, type, &entry, &offset))
		return;
	*slot = (struct intern_slot){ id, type, entry.file_id, 0 };
	pool->intern_count++;
	if (entry.file_id < TRACE_MAX_ID && entry.file_id >= *next)
		*next = entry.file_id + 1;
}

void pool_intern_start(struct pool *pool, const struct defs *defs)
{
	if (pool->next_stack_id < defs->stacks.ids.limit)
		pool->next_stack_id = defs->stacks.ids.limit;
	if (pool->next_string_id < defs->string_ids.limit)
		pool->next_string_id = defs->string_ids.limit;
	if (pool->next_stack_id == 0)
		pool->next_stack_id = 1;
	if (pool->next_string_id == 0)
		pool->next_string_id = 1;
}

static bool define_stack(struct defs *defs, uint32_t id, const struct lt_intern_entry *entry,
			 const uint8_t *data)
{
	uint32_t generation = entry->generation & ~LT_STACK_IS_TRUNCATED;

	if (!stacks_begin(&defs->stacks, id, entry->generation & LT_STACK_IS_TRUNCATED))
		return false;
	for (uint32_t at = 0; at + sizeof(uint64_t) <= entry->length; at += sizeof(uint64_t)) {
		const struct trace_module *module;
		uint64_t addr;

		memcpy(&addr, data + at, sizeof(addr));
		module = defs_module_of_generation(defs, addr, generation);
		stacks_add_frame(&defs->stacks, (struct trace_frame){
			module ? module->id : 0, module ? addr - module->load_bias : addr });
	}
	return true;
}

static bool is_defined(const struct defs *defs, uint32_t id, enum lt_intern_type type)
{
	uint32_t row;

	return id_map_get(type == LT_INTERN_STACK ? &defs->stacks.ids : &defs->string_ids, id,
			  &row);
}

static bool define(struct pool *pool, struct defs *defs, uint32_t intern_id, uint32_t id,
		   enum lt_intern_type type)
{
	struct lt_intern_entry entry;
	uint64_t offset;
	uint8_t *data;
	bool is_done = false;

	if (!read_entry(pool, intern_id, type, &entry, &offset))
		return false;
	data = malloc(entry.length + 1u);
	if (data &&
	    window_pread(pool->fd, data, entry.length, offset + sizeof(entry)) == entry.length)
		is_done = type == LT_INTERN_STACK ? define_stack(defs, id, &entry, data) :
						    defs_add_string(defs, id, data, entry.length);
	free(data);
	return is_done;
}

uint32_t pool_intern_resolve(struct pool *pool, uint32_t id, enum lt_intern_type type,
			     struct defs *defs)
{
	uint32_t *next = type == LT_INTERN_STACK ? &pool->next_stack_id : &pool->next_string_id;
	struct intern_slot *slot;
	uint32_t wanted;

	if (id == 0 || !pool->intern_capacity)
		return 0;
	slot = find(pool, id);
	if (!slot->id || slot->type != type)
		return 0;
	if (slot->mapped_id)
		return slot->mapped_id;
	wanted = slot->file_id && slot->file_id < TRACE_MAX_ID ? slot->file_id : *next;
	if (!is_defined(defs, wanted, type) && !define(pool, defs, id, wanted, type))
		return 0;
	if (wanted == *next)
		++*next;
	slot->mapped_id = wanted;
	return wanted;
}
