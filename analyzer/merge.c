/* SPDX-License-Identifier: MIT */
/*
 * The heap of open blocks; see merge.h. A block's place in the heap is that of its next record:
 * time, then releases before acquires, then the order of the blocks.
 */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

#include "merge_ahead.h"

/*
 * Blocks that are open at once hold at most this much more than honest blocks ever do. Behind it,
 * order is given up rather than memory: only a file whose times lie gets there.
 */
#define MAX_OPEN_BYTES ((size_t)1 << 31)

struct input {
	const struct lt_record *const *next;
	const struct lt_record *const *end;
	uint64_t time_ns;		/* of *next */
	size_t sequence;
	struct decoded *decoded;	/* to give back; NULL for a ring */
	size_t open_bytes;
	uint32_t stream;
	bool is_acquire;		/* *next is one, or comes behind those of its time */
	uint64_t joined_ns;		/* records of this time do, 0 for none */
};

/* A block whose last records stand in the batch of that number. */
struct spent {
	struct decoded *decoded;
	uint64_t batch_number;
};

struct merge {
	const struct merge_source *sources;
	size_t source_count, next_source;
	struct ahead *ahead;
	const struct block **blocks;
	struct damage_list *damage;
	struct merge_counts counts;
	bool is_acquire[SCHEMA_KINDS];

	struct input *inputs;		/* a binary heap */
	size_t input_count, input_capacity;
	size_t open_bytes;
	size_t delivered_count;		/* records of the top that the last batch handed out */

	uint64_t batch_number;		/* of the last batch */
	bool is_kept;			/* batches are valid until they are released */
	struct spent *spent;		/* blocks that were handed out whole, oldest first */
	size_t spent_count, spent_capacity;
};

static int compare_sources(const void *a, const void *b)
{
	const struct merge_source *left = a, *right = b;

	if (left->begin_ns != right->begin_ns)
		return left->begin_ns < right->begin_ns ? -1 : 1;
	return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

void merge_sort_sources(struct merge_source *sources, size_t count)
{
	if (count)
		qsort(sources, count, sizeof(*sources), compare_sources);
}

static bool make_ahead(struct merge *merge, const struct block_index *index,
		       const struct schema *schema, uint32_t stack_limit, unsigned worker_count)
{
	struct ahead_work work = { .index = index, .schema = schema, .stack_limit = stack_limit };

	merge->blocks = calloc(merge->source_count + 1, sizeof(*merge->blocks));
	if (!merge->blocks)
		return false;
	for (size_t i = 0; i < merge->source_count; i++)
		if (merge->sources[i].block)
			merge->blocks[work.block_count++] = merge->sources[i].block;
	work.blocks = merge->blocks;
	if (worker_count > work.block_count)
		worker_count = (unsigned)work.block_count;
	merge->ahead = ahead_new(&work, worker_count);
	return merge->ahead != NULL;
}

struct merge *merge_new(const struct merge_source *sources, size_t source_count,
			const struct block_index *index, const struct schema *schema,
			uint32_t stack_limit, unsigned worker_count, struct damage_list *damage)
{
	struct merge *merge = calloc(1, sizeof(*merge));

	if (!merge)
		return NULL;
	merge->sources = sources;
	merge->source_count = source_count;
	merge->damage = damage;
	for (unsigned k = 0; k < SCHEMA_KINDS; k++)
		merge->is_acquire[k] = schema->kinds[k].is_acquire;
	if (!make_ahead(merge, index, schema, stack_limit, worker_count)) {
		merge_free(merge);
		return NULL;
	}
	return merge;
}

void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	for (size_t i = 0; i < merge->input_count; i++)
		ahead_give_back(merge->ahead, merge->inputs[i].decoded);
	merge_release(merge, UINT64_MAX);
	ahead_free(merge->ahead);
	free(merge->blocks);
	free(merge->inputs);
	free(merge->spent);
	free(merge);
}

void merge_keep(struct merge *merge)
{
	merge->is_kept = true;
}

void merge_release(struct merge *merge, uint64_t number)
{
	size_t count = 0;

	while (count < merge->spent_count && merge->spent[count].batch_number <= number)
		ahead_give_back(merge->ahead, merge->spent[count++].decoded);
	merge->spent_count -= count;
	if (count && merge->spent_count)
		memmove(merge->spent, merge->spent + count,
			merge->spent_count * sizeof(*merge->spent));
}

const struct merge_counts *merge_counts(const struct merge *merge)
{
	return &merge->counts;
}

/*
 * Whether a record that lies in a block of that sequence number comes before the next of another.
 */
static inline bool is_place_before(uint64_t time_ns, bool is_acquire, size_t sequence,
				   const struct input *other)
{
	if (time_ns != other->time_ns)
		return time_ns < other->time_ns;
	if (is_acquire != other->is_acquire)
		return other->is_acquire;
	return sequence < other->sequence;
}

static inline bool is_before(const struct input *left, const struct input *right)
{
	return is_place_before(left->time_ns, left->is_acquire, left->sequence, right);
}

static inline bool is_late(const struct merge *merge, const struct input *input,
			   const struct lt_record *record)
{
	return merge->is_acquire[LT_STATE_KIND(record->state)] || record->time == input->joined_ns;
}

static void note_next(const struct merge *merge, struct input *input)
{
	input->time_ns = (*input->next)->time;
	input->is_acquire = is_late(merge, input, *input->next);
}

static void sift_down(struct merge *merge, size_t at)
{
	struct input *inputs = merge->inputs;
	struct input moved = inputs[at];

	for (;;) {
		size_t child = at * 2 + 1;

		if (child >= merge->input_count)
			break;
		if (child + 1 < merge->input_count &&
		    is_before(&inputs[child + 1], &inputs[child]))
			child++;
		if (!is_before(&inputs[child], &moved))
			break;
		inputs[at] = inputs[child];
		at = child;
	}
	inputs[at] = moved;
}

static void push(struct merge *merge, const struct input *input)
{
	struct input *inputs = merge->inputs;
	size_t at = merge->input_count++;

	while (at > 0 && is_before(input, &inputs[(at - 1) / 2])) {
		inputs[at] = inputs[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	inputs[at] = *input;
}

static void note_fault(struct merge *merge, const struct merge_source *source, const char *fault)
{
	struct trace_damage damage = {
		.offset = source->block->payload_offset,
		.byte_count = source->block->compressed_bytes,
		.event_count = source->block->event_count,
		.stream = source->stream,
		.reason = fault,
	};

	damage_add(merge->damage, &damage);
}

static const struct decoded *take_events(struct merge *merge, const struct merge_source *source,
					 struct input *input)
{
	const char *fault = NULL;

	if (!source->block)
		return source->ready;
	input->decoded = ahead_take(merge->ahead, &fault);
	merge->counts.done_bytes += source->block->compressed_bytes;
	if (fault)
		note_fault(merge, source, fault);
	return input->decoded;
}

static void open_source(struct merge *merge, const struct merge_source *source)
{
	struct input input = { .sequence = source->sequence, .stream = source->stream };
	const struct decoded *events = take_events(merge, source, &input);

	if (events) {
		merge->counts.unknown_event_count += events->unknown_count;
		merge->counts.lost_event_count += events->lost_event_count;
	}
	if (!events || !events->count ||
	    !grow((void **)&merge->inputs, merge->input_count, &merge->input_capacity,
		  sizeof(*merge->inputs)) ||
	    !grow((void **)&merge->spent, merge->spent_count + merge->input_count,
		  &merge->spent_capacity, sizeof(*merge->spent))) {
		ahead_give_back(merge->ahead, input.decoded);
		return;
	}
	input.next = events->records;
	input.end = events->records + events->count;
	input.open_bytes = events->arena_capacity + events->record_capacity * sizeof(void *);
	if (source->is_joined)
		input.joined_ns = events->records[0]->time;
	note_next(merge, &input);
	merge->open_bytes += input.open_bytes;
	push(merge, &input);
}

/* There is room for the note since the block was opened. */
static void give_back(struct merge *merge, struct decoded *decoded)
{
	if (!merge->is_kept)
		ahead_give_back(merge->ahead, decoded);
	else if (decoded)
		merge->spent[merge->spent_count++] =
			(struct spent){ decoded, merge->batch_number };
}

/* Moves the top on behind what the last batch handed out. */
static void drop_delivered(struct merge *merge)
{
	struct input *top = merge->inputs;

	if (!merge->delivered_count)
		return;
	top->next += merge->delivered_count;
	merge->delivered_count = 0;
	if (top->next == top->end) {
		merge->open_bytes -= top->open_bytes;
		give_back(merge, top->decoded);
		*top = merge->inputs[--merge->input_count];
		if (!merge->input_count)
			return;
	} else {
		note_next(merge, top);
	}
	sift_down(merge, 0);
}

/* Opens what may hold the next event. */
static void open_due(struct merge *merge)
{
	while (merge->next_source < merge->source_count) {
		const struct merge_source *source = &merge->sources[merge->next_source];

		if (merge->input_count && (merge->inputs[0].time_ns < source->begin_ns ||
					   merge->open_bytes > MAX_OPEN_BYTES))
			return;
		merge->next_source++;
		open_source(merge, source);
	}
}

/* @return how many records of [next, end) have a time below limit_ns. */
static size_t count_below(const struct input *input, uint64_t limit_ns)
{
	const struct lt_record *const *next = input->next;
	size_t count = (size_t)(input->end - next), low = 0, high = 1;

	if (count == 1 || next[1]->time >= limit_ns)
		return next[0]->time < limit_ns;
	if (next[count - 1]->time < limit_ns)
		return count;
	while (high < count && next[high]->time < limit_ns) {
		low = high;
		high *= 2;
	}
	if (high > count)
		high = count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (next[middle]->time < limit_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct input *second_best(const struct merge *merge)
{
	const struct input *inputs = merge->inputs;

	if (merge->input_count < 2)
		return NULL;
	if (merge->input_count > 2 && is_before(&inputs[2], &inputs[1]))
		return &inputs[2];
	return &inputs[1];
}

static bool is_record_before(const struct merge *merge, const struct input *input, size_t index,
			     const struct input *other)
{
	const struct lt_record *record = input->next[index];

	return is_place_before(record->time, is_late(merge, input, record), input->sequence, other);
}

/* @return how many records of the top come before everything else that is known; at least 1. */
static size_t count_ahead(const struct merge *merge)
{
	const struct input *top = merge->inputs, *second = second_best(merge);
	uint64_t unopened_ns = UINT64_MAX;
	size_t count;

	if (merge->next_source < merge->source_count)
		unopened_ns = merge->sources[merge->next_source].begin_ns;
	if (second && second->time_ns < unopened_ns) {
		size_t all = (size_t)(top->end - top->next);

		count = count_below(top, second->time_ns);
		while (count < all && is_record_before(merge, top, count, second))
			count++;
	} else if (unopened_ns != UINT64_MAX) {
		count = count_below(top, unopened_ns);
	} else {
		count = (size_t)(top->end - top->next); /* NOLINT: there is an input */
	}
	return count ? count : 1;
}

bool merge_next(struct merge *merge, struct trace_batch *ret_batch)
{
	drop_delivered(merge);
	open_due(merge);
	if (!merge->input_count)
		return false;
	merge->delivered_count = count_ahead(merge);
	ret_batch->records = merge->inputs[0].next;
	ret_batch->count = merge->delivered_count;
	ret_batch->stream = merge->inputs[0].stream;
	ret_batch->number = ++merge->batch_number;
	return true;
}
