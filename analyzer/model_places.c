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

/* Narrows a place down to the block at addr, or to what lies between blocks. */
static struct map_place place_among_blocks(const struct map_model *model, uint64_t addr,
					   struct map_place place)
{
	const struct interval_map *blocks = &model->blocks;
	size_t i = interval_map_lower(blocks, addr);
	const struct interval *next = i < blocks->count ? &blocks->intervals[i] : NULL;

	if (next && next->begin <= addr)
		return (struct map_place){ next->value, next->begin, next->end, 0 };
	if (next && next->begin < place.end)
		place.end = next->begin;
	if (i && blocks->intervals[i - 1].end > place.begin)
		place.begin = blocks->intervals[i - 1].end;
	return place;
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

/* The stretch of addresses, as far as no range is in it. next: the first range behind addr. */
static struct map_place unknown_place(struct map_model *model, uint64_t addr, size_t next)
{
	const struct interval_map *ranges = &model->ranges;
	struct map_place place = { .group = unknown_group(model, addr),
				   .begin = addr - addr % UNKNOWN_BYTES };

	place.end = map_range_end(place.begin, UNKNOWN_BYTES);
	if (next < ranges->count && ranges->intervals[next].begin < place.end)
		place.end = ranges->intervals[next].begin;
	if (next && ranges->intervals[next - 1].end > place.begin)
		place.begin = ranges->intervals[next - 1].end;
	return place;
}

static bool is_called(const struct map_model *model, uint32_t group)
{
	return model->groups[group].label_kind == MAP_LABEL_FILE ||
	       model->groups[group].label_kind == MAP_LABEL_ANONYMOUS;
}

struct map_place map_model_place(struct map_model *model, uint64_t addr)
{
	const struct interval *range;
	struct map_place place;
	size_t i = model->last_range;

	if (i >= model->ranges.count || addr < model->ranges.intervals[i].begin ||
	    addr >= model->ranges.intervals[i].end)
		i = interval_map_lower(&model->ranges, addr);
	if (i == model->ranges.count || addr < model->ranges.intervals[i].begin) {
		if (interval_map_find(&model->blocks, addr))
			return place_among_blocks(model, addr, (struct map_place){ 0 });
		return place_among_blocks(model, addr, unknown_place(model, addr, i));
	}
	range = &model->ranges.intervals[i];
	model->last_range = i;
	place = (struct map_place){ range->value, range->begin, range->end, range->shift };
	return is_called(model, place.group) ? place : place_among_blocks(model, addr, place);
}

uint32_t map_model_resolved(const struct map_model *model, uint32_t group)
{
	return model->groups[group].resolved ? model->groups[group].resolved - 1 : group;
}
