/* SPDX-License-Identifier: MIT */
/* Frames in an open-addressing table, stacks as slices of one array; see stacks.h. */
#include "stacks.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "hash_mix.h"

#define FIRST_SLOTS 4096u

bool stacks_init(struct stacks *stacks)
{
	memset(stacks, 0, sizeof(*stacks));
	stacks->slots = calloc(FIRST_SLOTS, sizeof(*stacks->slots));
	stacks->slot_count = stacks->slots ? FIRST_SLOTS : 0;
	if (!stacks->slots || !grow((void **)&stacks->frames, 0, &stacks->frame_capacity,
				    sizeof(*stacks->frames))) {
		stacks_release(stacks);
		return false;
	}
	stacks->frames[0] = (struct trace_frame){ 0, 0 };
	stacks->frame_count = 1;
	return true;
}

void stacks_release(struct stacks *stacks)
{
	free(stacks->frames);
	free(stacks->slots);
	free(stacks->frame_ids);
	free(stacks->rows);
	id_map_release(&stacks->ids);
	memset(stacks, 0, sizeof(*stacks));
}

/* @return the slot that holds the frame, or the free one where it belongs. */
static uint32_t *find_slot(const struct stacks *stacks, struct trace_frame frame)
{
	size_t mask = stacks->slot_count - 1;

	for (size_t i = hash_place(hash_mix_two(frame.offset, frame.module), stacks->slot_count);;
	     i++) {
		uint32_t *slot = &stacks->slots[i & mask];

		if (!*slot || (stacks->frames[*slot].offset == frame.offset &&
			       stacks->frames[*slot].module == frame.module))
			return slot;
	}
}

static bool grow_slots(struct stacks *stacks)
{
	size_t wanted = stacks->slot_count * 2;
	uint32_t *slots = calloc(wanted, sizeof(*slots));

	if (!slots)
		return false;
	free(stacks->slots);
	stacks->slots = slots;
	stacks->slot_count = wanted;
	for (uint32_t id = 1; id < stacks->frame_count; id++)
		*find_slot(stacks, stacks->frames[id]) = id;
	return true;
}

/* @return the id of a frame, 0 when there is no room for it. */
static uint32_t intern_frame(struct stacks *stacks, struct trace_frame frame)
{
	uint32_t *slot = find_slot(stacks, frame);

	if (*slot)
		return *slot;
	if (stacks->frame_count >= TRACE_MAX_ID ||
	    !grow((void **)&stacks->frames, stacks->frame_count, &stacks->frame_capacity,
		  sizeof(*stacks->frames)))
		return 0;
	if (stacks->frame_count * 2 > stacks->slot_count) {
		if (!grow_slots(stacks))
			return 0;
		slot = find_slot(stacks, frame);
	}
	*slot = (uint32_t)stacks->frame_count;
	stacks->frames[stacks->frame_count++] = frame;
	return *slot;
}

bool stacks_begin(struct stacks *stacks, uint64_t id, bool is_truncated)
{
	uint32_t row;

	if (id == 0 || id_map_get(&stacks->ids, id, &row) ||
	    !grow((void **)&stacks->rows, stacks->row_count, &stacks->row_capacity,
		  sizeof(*stacks->rows)) ||
	    !id_map_set(&stacks->ids, id, (uint32_t)stacks->row_count))
		return false;
	stacks->rows[stacks->row_count++] = (struct stack_row){
		.first = stacks->frame_id_count, .is_truncated = is_truncated,
	};
	return true;
}

bool stacks_add_frame(struct stacks *stacks, struct trace_frame frame)
{
	if (!grow((void **)&stacks->frame_ids, stacks->frame_id_count, &stacks->frame_id_capacity,
		  sizeof(*stacks->frame_ids)))
		return false;
	stacks->frame_ids[stacks->frame_id_count++] = intern_frame(stacks, frame);
	stacks->rows[stacks->row_count - 1].count++;
	return true;
}

struct trace_stack stacks_get(const struct stacks *stacks, uint32_t id)
{
	const struct stack_row *row;
	uint32_t index;

	if (!id_map_get(&stacks->ids, id, &index))
		return (struct trace_stack){ NULL, 0, false };
	row = &stacks->rows[index];
	if (!row->count)
		return (struct trace_stack){ NULL, 0, row->is_truncated };
	return (struct trace_stack){stacks->frame_ids + row->first, row->count, row->is_truncated};
}
