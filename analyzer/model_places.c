/* SPDX-License-Identifier: MIT */
/*
 * What lies at an address. Ranges of calls come first; in memory that libc has mapped by itself, or
 * that grows without a call, large blocks of the heap tell whose it is; what is left waits for the
 * next lines of /proc/self/maps.
 */
#include "model_maps_inner.h"

#define PAGE_MASK 4095ull
#define UNKNOWN_BYTES 65536u	/* faults this near to each other are taken for neighbours */
#define UNKNOWN_COUNT_MAX 65536u

/* ---- large blocks of the heap ---- */

/* Frees are many and large blocks few: most are told apart by a bit. */
static unsigned filter_bit(uint64_t addr)
{
	return (unsigned)(addr >> 12) % MAP_FILTER_BITS;
}

void map_model_add_block(struct map_model *model, uint64_t addr, uint64_t bytes, uint32_t stack)
{
	uint32_t i = map_model_group_of(model, MAP_LABEL_BLOCK, 0, stack);
	struct interval block = { .begin = addr & ~PAGE_MASK, .value = i };

	/* whole pages: a fault tells the page alone, and the begin of the first one is malloc's */
	block.end = (map_range_end(addr, bytes) + PAGE_MASK) & ~PAGE_MASK;
	model->groups[i].map_count++;
	model->groups[i].length_bytes += bytes;
	interval_map_put(&model->blocks, &block);
	model->block_filter[filter_bit(addr) / 64] |= 1ull << filter_bit(addr) % 64;
}

void map_model_remove_block(struct map_model *model, uint64_t addr)
{
	uint64_t begin = addr & ~PAGE_MASK;
	const struct interval *block;

	if (!(model->block_filter[filter_bit(addr) / 64] >> filter_bit(addr) % 64 & 1))
		return;
	block = interval_map_find(&model->blocks, addr);
	if (block && block->begin == begin)
		interval_map_clear(&model->blocks, begin, block->end - begin);
}

/* Cuts a place in front of the next range of a map; what lies below addr is left out, too. */
static struct map_place cut_place(const struct interval_map *map, uint64_t addr,
				  struct map_place place)
{
	const struct interval *next = interval_map_next(map, addr);

	place.begin = addr;
	if (next && next->begin < place.end)
		place.end = next->begin;
	return place;
}

/* Narrows a place down to the block at addr, or to what lies between blocks. */
static struct map_place place_among_blocks(const struct map_model *model, uint64_t addr,
					   struct map_place place)
{
	const struct interval *block = interval_map_find(&model->blocks, addr);

	if (block)
		return (struct map_place){ block->value, block->begin, block->end, 0 };
	return model->blocks.count ? cut_place(&model->blocks, addr, place) : place;
}

/* ---- memory that nothing is known of ---- */

/* One of each stretch of addresses; a process with very many of them has one for the rest. */
static uint32_t unknown_group(struct map_model *model, uint64_t addr)
{
	const struct interval *known = interval_map_find(&model->unknowns, addr);
	uint64_t begin = addr - addr % UNKNOWN_BYTES;
	uint32_t group;

	if (known)
		return known->value;
	if (model->unknown_count == UNKNOWN_COUNT_MAX)
		return map_model_group_of(model, MAP_LABEL_UNKNOWN, 0, 0);
	group = map_model_group_of(model, MAP_LABEL_UNKNOWN, ++model->unknown_count, 0);
	model->groups[group].unknown_addr = addr;
	interval_map_fill(&model->unknowns, &(struct interval){
		.begin = begin, .end = map_range_end(begin, UNKNOWN_BYTES), .value = group });
	return group;
}

/* The stretch of addresses from addr on, as far as no range is in it. */
static struct map_place unknown_place(struct map_model *model, uint64_t addr)
{
	uint64_t begin = addr - addr % UNKNOWN_BYTES;
	struct map_place place = { .group = unknown_group(model, addr),
				   .end = map_range_end(begin, UNKNOWN_BYTES) };

	return cut_place(&model->ranges, addr, place);
}

static bool is_called(const struct map_model *model, uint32_t group)
{
	return model->groups[group].label_kind == MAP_LABEL_FILE ||
	       model->groups[group].label_kind == MAP_LABEL_ANONYMOUS;
}

struct map_place map_model_place(struct map_model *model, uint64_t addr)
{
	const struct interval *range = interval_map_find(&model->ranges, addr);
	struct map_place place;

	if (!range)
		return place_among_blocks(model, addr, unknown_place(model, addr));
	place = (struct map_place){ range->value, range->begin, range->end, range->shift };
	return is_called(model, place.group) ? place : place_among_blocks(model, addr, place);
}

uint32_t map_model_resolved(const struct map_model *model, uint32_t group)
{
	return model->groups[group].resolved ? model->groups[group].resolved - 1 : group;
}
