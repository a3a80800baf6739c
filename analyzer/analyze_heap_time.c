/* SPDX-License-Identifier: MIT */
/*
 * The table `heap_over_time`: live bytes and allocations over the run. The length of a run is not
 * known beforehand: buckets double their width, by joining pairs, whenever time runs past the last
 * one.
 */
#include "analyze.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

#define BUCKET_COUNT 24u	/* even: halves are joined */
#define FIRST_WIDTH_NS HEAP_TICK_NS

struct bucket {
	uint64_t alloc_count, alloc_bytes;
	uint64_t live_bytes;		/* at the end of the bucket */
	uint64_t peak_live_bytes;
	bool is_used;
};

struct heap_over_time {
	const struct analysis_context *context;
	uint64_t start_ns, width_ns;
	struct bucket buckets[BUCKET_COUNT];
};

static const struct column columns[] = {
	{ "time_ns", "ns", VALUE_U64, true, true,
	  "start of the interval, since the start of recording", "from", false },
	{ "duration_ns", "ns", VALUE_U64, false, true, "length of the interval", "length", true },
	{ "alloc_count", "count", VALUE_U64, false, true, "allocations, reallocs included",
	  "allocs", false },
	{ "alloc_bytes", "bytes", VALUE_U64, false, true, "bytes asked for", "alloc'd", false },
	{ "live_bytes", "bytes", VALUE_U64, false, true,
	  "most bytes live at a time in the interval", "live, at most", false },
	{ "live_at_end_bytes", "bytes", VALUE_U64, false, true, "live at the end of the interval",
	  "live at end", false },
};

static void *create(const struct analysis_context *context)
{
	struct heap_over_time *heap = report_alloc(1, sizeof(*heap));

	heap->context = context;
	heap->start_ns = trace_facts(context->trace)->start_ns;
	heap->width_ns = FIRST_WIDTH_NS;
	return heap;
}

static struct bucket joined(const struct bucket *a, const struct bucket *b)
{
	struct bucket sum = *a;

	sum.alloc_count += b->alloc_count;
	sum.alloc_bytes += b->alloc_bytes;
	if (b->is_used)
		sum.live_bytes = b->live_bytes;
	if (b->peak_live_bytes > sum.peak_live_bytes)
		sum.peak_live_bytes = b->peak_live_bytes;
	sum.is_used |= b->is_used;
	return sum;
}

static void double_width(struct heap_over_time *heap)
{
	for (unsigned i = 0; i < BUCKET_COUNT / 2; i++)
		heap->buckets[i] = joined(&heap->buckets[2 * i], &heap->buckets[2 * i + 1]);
	memset(&heap->buckets[BUCKET_COUNT / 2], 0, sizeof(heap->buckets) / 2);
	heap->width_ns *= 2;
}

static struct bucket *bucket_of(struct heap_over_time *heap, uint64_t time_ns)
{
	time_ns = time_ns > heap->start_ns ? time_ns - heap->start_ns : 0;
	while (time_ns / heap->width_ns >= BUCKET_COUNT)
		double_width(heap);
	return &heap->buckets[time_ns / heap->width_ns];
}

/* A batch lies in one bucket: all widths are multiples of its tick. */
static void count_batch(void *state, const struct heap_batch *batch)
{
	struct bucket *bucket = bucket_of(state, batch->begin_ns);

	bucket->is_used = true;
	bucket->live_bytes = batch->live_bytes;
	if (batch->most_live_bytes > bucket->peak_live_bytes)
		bucket->peak_live_bytes = batch->most_live_bytes;
	bucket->alloc_count += batch->alloc_count;
	bucket->alloc_bytes += batch->alloc_bytes;
}

static uint64_t bucket_end(const struct heap_over_time *heap, unsigned i, uint64_t run_ns)
{
	uint64_t end_ns = (i + 1) * heap->width_ns;

	return end_ns < run_ns ? end_ns : run_ns;
}

/* The bound has dropped the events of this time: nothing is known of it. */
static bool is_dropped(const struct heap_over_time *heap, unsigned i)
{
	const struct trace_segment *oldest = &trace_facts(heap->context->trace)->oldest;

	return oldest->number > 1 && heap->start_ns + (i + 1) * heap->width_ns <= oldest->begin_ns;
}

/* A peak that stood from the bucket before counts for this one, too. */
static void finish(void *state, struct report *report)
{
	struct heap_over_time *heap = state;
	uint64_t run_ns = heap->context->end_ns - heap->start_ns, live_bytes = 0;
	struct table *table;

	table = report_add_table(report, "heap_over_time", "Heap over time", columns,
				 sizeof(columns) / sizeof(columns[0]));
	table_set_text_form(table, BUCKET_COUNT, "live_bytes");
	analysis_note_bound(heap->context, table);
	if (!analysis_has_group(heap->context, LT_GROUP_heap))
		return;
	while (run_ns / heap->width_ns >= BUCKET_COUNT)
		double_width(heap);
	for (unsigned i = 0; i < BUCKET_COUNT && i * heap->width_ns < run_ns; i++) {
		struct bucket *bucket = &heap->buckets[i];
		uint64_t peak = bucket->peak_live_bytes > live_bytes ? bucket->peak_live_bytes
								     : live_bytes;
		size_t row;

		if (bucket->is_used)
			live_bytes = bucket->live_bytes;
		if (is_dropped(heap, i))
			continue;
		row = table_add_row(table);
		table_set_u64(table, row, "time_ns", i * heap->width_ns);
		table_set_u64(table, row, "duration_ns",
			      bucket_end(heap, i, run_ns) - i * heap->width_ns);
		table_set_u64(table, row, "alloc_count", bucket->alloc_count);
		table_set_u64(table, row, "alloc_bytes", bucket->alloc_bytes);
		table_set_u64(table, row, "live_bytes", peak);
		table_set_u64(table, row, "live_at_end_bytes", live_bytes);
	}
}

const struct analysis analyze_heap_over_time = {
	.name = "heap_over_time",
	.doc = "live bytes and allocations over the run",
	.group = LT_GROUP_heap,
	.create = create, .heap = count_batch, .finish = finish, .destroy = free,
};
