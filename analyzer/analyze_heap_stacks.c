/* SPDX-License-Identifier: MIT */
/*
 * The table `heap_by_stack`: who allocates, and who held the memory when the heap was largest.
 * peak_live_bytes of all rows add up to the peak of the process: it is what a call stack held at
 * that moment, found without copying anything at each new peak: a stack keeps its value of the last
 * peak when it is first changed after it.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>

#include "report_alloc.h"
#include "units.h"

#define AHEAD_COUNT 8u		/* changes whose counters are fetched meanwhile */

/* One cache line. */
struct stack_heap {
	uint64_t alloc_count, alloc_bytes, temporary_count;
	uint64_t live_bytes, live_count;
	uint64_t at_peak_bytes;		/* valid for the peak of this number */
	uint64_t peak_number;
	uint64_t reserved;
};

struct heap_by_stack {
	const struct analysis_context *context;
	struct stack_heap *stacks;	/* by stack id */
	uint32_t stack_limit;
	uint64_t peak_number;
};

static const struct column columns[] = {
	{ "stack", "stack", VALUE_STACK, true, false, "call stack of the allocation", NULL, false },
	{ "alloc_count", "count", VALUE_U64, false, false, "allocations, reallocs included",
	  "allocs", false },
	{ "alloc_bytes", "bytes", VALUE_U64, false, false, "bytes asked for", "alloc'd", false },
	{ "peak_live_bytes", "bytes", VALUE_U64, false, false,
	  "live at the moment when the heap of the process was largest", "at peak", false },
	{ "live_at_exit_bytes", "bytes", VALUE_U64, false, false, "live at the end", "at exit",
	  false },
	{ "live_at_exit_count", "count", VALUE_U64, false, false, "blocks live at the end",
	  "blocks", true },
	{ "temporary_count", "count", VALUE_U64, false, false,
	  "released before their thread allocated anything else", "temporary", false },
};

static void *create(const struct analysis_context *context)
{
	struct heap_by_stack *heap = report_alloc(1, sizeof(*heap));

	heap->context = context;
	heap->stack_limit = trace_stack_limit(context->trace);
	heap->stacks = report_alloc(heap->stack_limit, sizeof(*heap->stacks));
	return heap;
}

static inline struct stack_heap *touch(struct heap_by_stack *heap, uint32_t stack)
{
	struct stack_heap *counters = &heap->stacks[stack];

	if (counters->peak_number != heap->peak_number) {
		counters->peak_number = heap->peak_number;
		counters->at_peak_bytes = counters->live_bytes;
	}
	return counters;
}

static void count_added(struct heap_by_stack *heap, const struct heap_added *added, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stack_heap *counters = touch(heap, added[i].stack);

		__builtin_prefetch(&heap->stacks[added[i + AHEAD_COUNT < count ? i + AHEAD_COUNT : i]
							  .stack], 1);
		counters->live_bytes += added[i].size_bytes;
		counters->live_count++;
		if (added[i].is_allocation) {
			counters->alloc_count++;
			counters->alloc_bytes += added[i].size_bytes;
		}
	}
}

static void count_freed(struct heap_by_stack *heap, const struct heap_freed *freed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stack_heap *counters = touch(heap, freed[i].stack);

		__builtin_prefetch(&heap->stacks[freed[i + AHEAD_COUNT < count ? i + AHEAD_COUNT : i]
							  .stack], 1);
		counters->live_bytes -= freed[i].size_bytes;
		counters->live_count--;
		counters->temporary_count += freed[i].is_temporary;
	}
}

/* Sums do not ask for the order of events; the peak parts a batch in two. */
static void count_batch(void *state, const struct heap_batch *batch)
{
	struct heap_by_stack *heap = state;
	size_t added = batch->has_peak ? batch->peak_added_count : 0;
	size_t freed = batch->has_peak ? batch->peak_freed_count : 0;

	count_added(heap, batch->added, added);
	count_freed(heap, batch->freed, freed);
	heap->peak_number += batch->has_peak;
	count_added(heap, batch->added + added, batch->added_count - added);
	count_freed(heap, batch->freed + freed, batch->freed_count - freed);
}

static void add_counters(struct stack_heap *sum, const struct stack_heap *added)
{
	sum->alloc_count += added->alloc_count;
	sum->alloc_bytes += added->alloc_bytes;
	sum->temporary_count += added->temporary_count;
	sum->live_bytes += added->live_bytes;
	sum->live_count += added->live_count;
	sum->at_peak_bytes += added->at_peak_bytes;
}

/* In a trace with a bound, blocks may be there whose allocation is not. */
static bool has_anything(const struct stack_heap *sum)
{
	return sum->alloc_count || sum->live_count || sum->at_peak_bytes;
}

/* Stacks whose frames have the same names become one row. */
struct merged {
	struct stack_heap *sums;	/* by group */
	uint32_t *stacks;		/* one stack of each group */
	size_t count, sum_capacity, stack_capacity;
};

static void merge_stack(struct heap_by_stack *heap, struct merged *merged, uint32_t stack)
{
	uint32_t group = stack_groups_of(heap->context->stacks, stack);

	merged->sums = report_grow(merged->sums, &merged->sum_capacity, group + 1,
				   sizeof(*merged->sums));
	merged->stacks = report_grow(merged->stacks, &merged->stack_capacity, group + 1,
				     sizeof(*merged->stacks));
	if (group >= merged->count)
		merged->count = group + 1;
	if (!has_anything(&merged->sums[group]))
		merged->stacks[group] = stack;
	add_counters(&merged->sums[group], touch(heap, stack));
}

static void add_row(const struct heap_by_stack *heap, struct table *table, uint32_t stack,
		    const struct stack_heap *sum)
{
	size_t row = table_add_row(table);

	stack_groups_set(heap->context->stacks, table, row, "stack", stack);
	table_set_u64(table, row, "alloc_count", sum->alloc_count);
	table_set_u64(table, row, "alloc_bytes", sum->alloc_bytes);
	table_set_u64(table, row, "peak_live_bytes", sum->at_peak_bytes);
	table_set_u64(table, row, "live_at_exit_bytes", sum->live_bytes);
	table_set_u64(table, row, "live_at_exit_count", sum->live_count);
	table_set_u64(table, row, "temporary_count", sum->temporary_count);
}

static void add_notes(const struct heap_by_stack *heap, struct table *table)
{
	const struct heap_totals *totals = live_blocks_totals(heap->context->model->blocks);
	char peak[UNITS_BYTES], when[UNITS_BYTES], left[UNITS_BYTES], count[UNITS_BYTES], note[256];
	uint64_t start_ns = trace_facts(heap->context->trace)->start_ns;

	if (!totals->peak_live_bytes)
		return;
	snprintf(note, sizeof(note),
		 "the heap was largest after %s: %s live; at the end %s in %s blocks",
		 units_ns(when, (double)(totals->peak_ns - start_ns)),
		 units_bytes(peak, (double)totals->peak_live_bytes),
		 units_bytes(left, (double)totals->live_bytes),
		 units_count(count, (double)totals->live_count));
	table_add_note(table, note);
	analysis_note_bound(heap->context, table);
}

static void finish(void *state, struct report *report)
{
	struct heap_by_stack *heap = state;
	struct merged merged = { 0 };
	struct table *table;

	table = report_add_table(report, "heap_by_stack", "Heap by call stack", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < heap->stack_limit; i++)
		if (has_anything(touch(heap, i)))
			merge_stack(heap, &merged, i);
	for (size_t i = 0; i < merged.count; i++)
		if (has_anything(&merged.sums[i]))
			add_row(heap, table, merged.stacks[i], &merged.sums[i]);
	table_sort_descending(table, "alloc_count");
	table_sort_descending(table, "peak_live_bytes");
	add_notes(heap, table);
	free(merged.sums);
	free(merged.stacks);
}

static void destroy(void *state)
{
	struct heap_by_stack *heap = state;

	free(heap->stacks);
	free(heap);
}

const struct analysis analyze_heap_by_stack = {
	.name = "heap_by_stack",
	.doc = "who allocates, and who held the memory at its peak",
	.group = LT_GROUP_heap,
	.create = create, .heap = count_batch, .finish = finish, .destroy = destroy,
};
