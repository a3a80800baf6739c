/* SPDX-License-Identifier: MIT */
/*
 * Three stages that run side by side: workers of the trace decode blocks, the shards of the heap
 * look addresses up, and the caller's thread keeps the books. The caller sends windows of events
 * to the shards as far ahead as they go, then follows the oldest one.
 */
#include "analysis_read.h"

#include <stdlib.h>

struct reading {
	struct trace *trace;
	struct model *model;
	const struct read_filter *filter;
	size_t next_span;
	const struct read_listener *listener;
	struct heap_windows *windows;
	unsigned shard_count;
	bool is_at_end;
};

/*
 * A phase takes in blocks by conditions that cross the shards (a realloc that began inside and
 * ended outside), so with a filter there is one.
 */
static struct heap_windows *new_windows(struct reading *reading)
{
	unsigned threads = trace_thread_count(reading->trace);

	reading->shard_count = reading->filter->spans || threads < 2 ? 1 : threads;
	if (reading->shard_count > SHARDS_MAX)
		reading->shard_count = SHARDS_MAX;
	return heap_windows_new(reading->shard_count, threads < 2 ? 0 : reading->shard_count,
				trace_stream_limit(reading->trace));
}

/* ---- into the windows ---- */

/* Events come in order of time, so the spans are walked once. */
static bool is_in_filter(struct reading *reading, uint64_t time_ns)
{
	const struct read_filter *filter = reading->filter;

	if (!filter->spans)
		return true;
	while (reading->next_span < filter->count &&
	       filter->spans[reading->next_span].end_ns <= time_ns)
		reading->next_span++;
	return reading->next_span < filter->count &&
	       filter->spans[reading->next_span].begin_ns <= time_ns;
}

/* @return how many records from the first on are counted alike. */
static size_t count_alike(struct reading *reading, const struct lt_record *const *records,
			  size_t count, bool *ret_is_counted)
{
	size_t alike = 1;

	*ret_is_counted = is_in_filter(reading, records[0]->time);
	if (!reading->filter->spans)
		return count;
	while (alike < count && is_in_filter(reading, records[alike]->time) == *ret_is_counted)
		alike++;
	return alike;
}

static void add_batch(struct reading *reading, struct heap_window *window,
		      const struct trace_batch *batch)
{
	struct heap_run run = { .records = batch->records, .stream = batch->stream };

	for (size_t left = batch->count; left; left -= run.count, run.records += run.count) {
		run.count = count_alike(reading, run.records, left, &run.is_counted);
		heap_window_add(window, &run);
	}
	window->last_batch = batch->number;
}

static void fill(struct reading *reading, struct heap_window *window)
{
	struct trace_batch batch;

	while (window->event_count < WINDOW_EVENTS && !reading->is_at_end) {
		reading->is_at_end = !trace_next_batch(reading->trace, &batch);
		if (!reading->is_at_end)
			add_batch(reading, window, &batch);
	}
}

static void send_windows(struct reading *reading)
{
	struct heap_window *window;

	while (!reading->is_at_end && (window = heap_windows_open(reading->windows))) {
		fill(reading, window);
		if (window->run_count)
			heap_windows_submit(reading->windows);
	}
}

/* ---- out of the windows ---- */

static void tell_batch(struct reading *reading)
{
	struct heap_batch *batch = &reading->model->batch;

	if (reading->listener->heap && (batch->added_count || batch->freed_count))
		reading->listener->heap(reading->listener->context, batch);
	heap_batch_clear(batch);
}

static void follow_run(struct reading *reading, const struct heap_run *run,
		       struct found_cursor *found)
{
	const struct read_listener *listener = reading->listener;

	for (size_t i = 0; i < run->count;) {
		const struct lt_record *record;

		i = model_follow_heap(reading->model, run, i, found);
		if (i == run->count)
			return;
		record = run->records[i];
		if (LT_STATE_KIND(record->state) <= LT_KIND_realloc_end) {
			tell_batch(reading);
			continue;
		}
		i++;
		model_apply(reading->model, record, run->stream, run->is_counted);
		if (run->is_counted && listener->event)
			listener->event(listener->context, record, run->stream);
	}
}

static void follow_window(struct reading *reading, const struct heap_window *window)
{
	struct found_cursor found = { .shard_count = reading->shard_count };

	for (unsigned i = 0; i < reading->shard_count; i++)
		found.next[i] = window->found[i].items;
	for (size_t i = 0; i < window->run_count; i++)
		follow_run(reading, &window->runs[i], &found);
	trace_release_batches(reading->trace, window->last_batch);
}

void analysis_read(struct trace *trace, struct model *model, const struct read_filter *filter,
		   const struct read_listener *listener, const struct analysis_progress *progress)
{
	struct reading reading = {
		.trace = trace, .model = model, .filter = filter, .listener = listener };
	struct heap_window *window;

	trace_keep_batches(trace);
	reading.windows = new_windows(&reading);
	for (;;) {
		send_windows(&reading);
		window = heap_windows_take(reading.windows);
		if (!window)
			break;
		follow_window(&reading, window);
		heap_windows_retire(reading.windows);
		if (progress)
			progress->update(progress->context, trace_progress_bytes(trace),
					 trace_facts(trace)->file_bytes);
	}
	tell_batch(&reading);
	heap_windows_free(reading.windows);
}
