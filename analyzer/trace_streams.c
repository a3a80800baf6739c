/* SPDX-License-Identifier: MIT */
/*
 * Positions of streams: a stream's blocks follow each other without a gap unless something was
 * lost, so positions prove what is missing and what is there twice. Works on headers alone.
 */
#include <stdlib.h>
#include <string.h>

#include "trace_inner.h"

static struct stream_position *need_position(struct trace *trace, uint32_t stream)
{
	uint32_t row;

	if (id_map_get(&trace->positions, stream, &row))
		return &trace->stream_positions[row];
	if (!grow((void **)&trace->stream_positions, trace->position_count,
		  &trace->position_capacity, sizeof(*trace->stream_positions)) ||
	    !id_map_set(&trace->positions, stream, (uint32_t)trace->position_count))
		return NULL;
	trace->stream_positions[trace->position_count] = (struct stream_position){ 0, 0, 0 };
	return &trace->stream_positions[trace->position_count++];
}

struct stream_position trace_stream_position(const void *context, uint32_t stream)
{
	const struct trace *trace = context;
	uint32_t row;

	if (!id_map_get(&trace->positions, stream, &row))
		return (struct stream_position){ 0, 0, 0 };
	return trace->stream_positions[row];
}

/* No process lives to record as many: positions of a damaged file are not believed further. */
#define EVENTS_MAX ((uint64_t)1 << 48)

/* Events in a gap, by how many slots an event of the block behind it takes. */
static uint64_t estimate_events(const struct block *block, uint64_t slots)
{
	uint64_t block_slots = block->end_position - block->first_position;
	double count;

	if (!block_slots || !block->event_count)
		return 0;
	count = (double)slots * block->event_count / (double)block_slots + 0.5;
	return count < (double)EVENTS_MAX ? (uint64_t)count : EVENTS_MAX;
}

static void note_gap(struct trace *trace, const struct block *block, uint64_t slots)
{
	struct trace_damage damage = {
		.offset = block->payload_offset,
		.event_count = estimate_events(block, slots),
		.is_estimated = true,
		.stream = block->stream,
		.reason = "events of a thread are missing before this block",
	};

	damage_add(&trace->index.damage, &damage);
}

/* ret_is_kept: whether the block has something that its stream had not yet. */
static bool take_block(struct trace *trace, struct block *block, bool *ret_is_kept)
{
	struct stream_position *position = need_position(trace, block->stream);

	*ret_is_kept = true;
	if (!position)
		return false;
	if (block->end_position > block->first_position) {
		if (position->event_count && block->end_position <= position->end_position) {
			*ret_is_kept = false;
			return true;
		}
		if (position->event_count && block->first_position > position->end_position)
			note_gap(trace, block, block->first_position - position->end_position);
		position->end_position = block->end_position;
	}
	block->is_joined = position->event_count && block->begin_ns <= position->end_ns;
	if (block->end_ns > position->end_ns)
		position->end_ns = block->end_ns;
	position->event_count += block->event_count;
	return true;
}

static int compare_places(const void *a, const void *b)
{
	const struct block *left = a, *right = b;

	if (left->stream != right->stream)
		return left->stream < right->stream ? -1 : 1;
	if (left->first_position != right->first_position)
		return left->first_position < right->first_position ? -1 : 1;
	if (left->end_position != right->end_position)
		return left->end_position < right->end_position ? -1 : 1;
	return left->begin_ns < right->begin_ns ? -1 : left->begin_ns > right->begin_ns;
}

/* The live blocks of the oldest segment replace everything before it. */
static void keep_segments(struct block_list *list, uint64_t oldest, bool is_oldest_only)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!block_is_older(&list->blocks[i], oldest) &&
		    (!is_oldest_only || block_is_older(&list->blocks[i], oldest + 1)))
			list->blocks[kept++] = list->blocks[i];
	list->count = kept;
}

/* Blocks of a trace with a bound do not stand in the order in which they were written. */
static void order_segments(struct trace *trace)
{
	struct block_list *events = &trace->index.events;
	uint64_t oldest = block_index_oldest_segment(&trace->index);

	if (!oldest)
		return;
	keep_segments(events, oldest, false);
	keep_segments(&trace->index.live, oldest, true);
	if (events->count)
		qsort(events->blocks, events->count, sizeof(*events->blocks), compare_places);
}

bool trace_streams_init(struct trace *trace)
{
	struct block_list *list = &trace->index.events;
	size_t kept = 0;

	order_segments(trace);
	for (size_t i = 0; i < list->count; i++) {
		bool is_kept;

		if (!take_block(trace, &list->blocks[i], &is_kept))
			return false;
		if (is_kept)
			list->blocks[kept++] = list->blocks[i];
	}
	list->count = kept;
	return true;
}

void trace_streams_release(struct trace *trace)
{
	id_map_release(&trace->positions);
	free(trace->stream_positions);
	trace->stream_positions = NULL;
	trace->position_count = trace->position_capacity = 0;
}
