/* SPDX-License-Identifier: MIT */
/*
 * The order of events: against a plain sort of what was written, with many streams, late records,
 * equal times, and blocks that come twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"
#include "trace_builder.h"

#define MAX_EVENTS 60000

static char path[] = "test_merge.XXXXXX";
static uint64_t times[MAX_EVENTS];

static struct trace *open_it(unsigned thread_count)
{
	struct trace_options options = { .thread_count = thread_count };
	struct trace *trace;
	struct error error;

	assert_int_equal(trace_open(path, &options, &trace, &error), 0);
	return trace;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Streams that run at their own pace, some with records far behind their time. */
static size_t write_streams(unsigned stream_count)
{
	struct trace_builder *builder = builder_new(path);
	uint64_t clocks[64];
	size_t count = 0;

	for (unsigned i = 0; i < 64; i++)
		clocks[i] = 1000 + (uint64_t)(rand() % 5000);
	builder_start(builder);
	for (int block = 0; block < 200; block++) {
		unsigned stream = 2 + (unsigned)rand() % stream_count;
		int events = 1 + rand() % 250;

		for (int i = 0; i < events && count < MAX_EVENTS; i++) {
			uint64_t time_ns = clocks[stream] += (uint64_t)(rand() % 40);

			if (rand() % 50 == 0)
				time_ns -= (uint64_t)(rand() % 900);
			times[count++] = time_ns;
			builder_alloc(builder, time_ns, 0, stream, 1);
		}
		builder_flush(builder, stream);
	}
	builder_finish(builder, true);
	return count;
}

static void check_order(size_t count, unsigned thread_count)
{
	struct trace *trace = open_it(thread_count);
	struct trace_batch batch;
	size_t at = 0;

	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++, at++) {
			assert_true(at < count);
			assert_true(batch.records[i]->time == times[at]);
			assert_int_equal(((const struct lt_ev_alloc *)batch.records[i])->addr,
					 batch.stream);
		}
	assert_int_equal(at, count);
	trace_rewind(trace);
	assert_true(trace_next_batch(trace, &batch));
	assert_true(batch.records[0]->time == times[0]);
	trace_close(trace);
}

/* Batches that are kept stay as they were while others come, and are given back in between. */
static void check_kept(size_t count, unsigned thread_count)
{
	struct trace *trace = open_it(thread_count);
	struct trace_batch kept[16];
	size_t at = 0, batch_count = 0;

	trace_keep_batches(trace);
	while (trace_next_batch(trace, &kept[batch_count % 16])) {
		assert_int_equal(kept[batch_count % 16].number, batch_count + 1);
		if (++batch_count % 16)
			continue;
		for (size_t i = 0; i < 16; i++)
			for (size_t j = 0; j < kept[i].count; j++)
				assert_true(kept[i].records[j]->time == times[at++]);
		trace_release_batches(trace, batch_count);
	}
	for (size_t i = 0; i < batch_count % 16; i++)
		for (size_t j = 0; j < kept[i].count; j++)
			assert_true(kept[i].records[j]->time == times[at++]);
	assert_int_equal(at, count);
	trace_close(trace);
}

static void test_against_sort(void **state)
{
	static const unsigned stream_counts[] = { 1, 2, 3, 17, 60 };

	(void)state;
	for (size_t i = 0; i < sizeof(stream_counts) / sizeof(stream_counts[0]); i++) {
		size_t count = write_streams(stream_counts[i]);

		qsort(times, count, sizeof(times[0]), compare_times);
		for (unsigned threads = 1; threads < 5; threads++) {
			check_order(count, threads);
			check_kept(count, threads);
		}
	}
}

static void test_release_before_acquire(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct trace_batch batch;
	struct trace *trace;

	(void)state;
	builder_start(builder);
	builder_alloc(builder, 5000, 0, 0x10, 1);
	builder_flush(builder, 2);
	builder_free(builder, 5000, 0, 0x10);
	builder_flush(builder, 3);
	builder_finish(builder, true);
	trace = open_it(1);
	assert_true(trace_next_batch(trace, &batch));
	assert_int_equal(LT_STATE_KIND(batch.records[0]->state), LT_KIND_free);
	assert_true(trace_next_batch(trace, &batch));
	assert_int_equal(LT_STATE_KIND(batch.records[0]->state), LT_KIND_alloc);
	trace_close(trace);
}

/* Within a stream the order of the program holds, whatever the kinds. */
static void test_stream_keeps_its_order(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct trace_batch batch;
	struct trace *trace;

	(void)state;
	builder_start(builder);
	builder_alloc(builder, 5000, 0, 0x10, 1);
	builder_free(builder, 5000, 0, 0x10);
	builder_alloc(builder, 5000, 0, 0x10, 2);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	trace = open_it(1);
	assert_true(trace_next_batch(trace, &batch));
	assert_int_equal(batch.count, 3);
	assert_int_equal(LT_STATE_KIND(batch.records[0]->state), LT_KIND_alloc);
	assert_int_equal(LT_STATE_KIND(batch.records[1]->state), LT_KIND_free);
	trace_close(trace);
}

/* A block ends with an acquire, the next one of the stream begins with its release, in the same ns. */
static void test_blocks_meet_in_one_ns(void **state)
{
	static const unsigned kinds[] = { LT_KIND_free, LT_KIND_alloc, LT_KIND_free,
					  LT_KIND_alloc };
	struct trace_builder *builder = builder_new(path);
	struct trace_batch batch;
	struct trace *trace;
	size_t at = 0;

	(void)state;
	builder_start(builder);
	builder_alloc(builder, 5000, 0, 0x10, 1);
	builder_flush(builder, 3);
	builder_free(builder, 5000, 0, 0x20);
	builder_alloc(builder, 5000, 0, 0x30, 1);
	builder_flush(builder, 2);
	builder_free(builder, 5000, 0, 0x30);
	builder_alloc(builder, 5000, 0, 0x30, 1);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	trace = open_it(0);
	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; batch.stream == 2 && i < batch.count; i++) {
			assert_true(at < 4);
			assert_int_equal(LT_STATE_KIND(batch.records[i]->state), kinds[at++]);
		}
	assert_int_equal(at, 4);
	trace_close(trace);
}

static void test_block_twice(void **state)
{
	/* one event: kind alloc, nothing else */
	static const uint8_t payload[] = { 1, 1, 0, 0, 0, 1, 1, LT_KIND_alloc };
	struct trace_builder *builder = builder_new(path);
	struct lt_block_header block = {
		.type = LT_BLOCK_EVENTS, .stream = 2, .event_count = 1, .begin_ns = 7000,
		.first_position = 10, .end_position = 11,
	};
	struct trace_batch batch;
	struct trace *trace;

	(void)state;
	builder_start(builder);
	builder_raw_block(builder, &block, payload, sizeof(payload));
	builder_raw_block(builder, &block, payload, sizeof(payload));
	builder_finish(builder, true);
	trace = open_it(1);
	assert_int_equal(trace_facts(trace)->event_count, 1);
	assert_true(trace_next_batch(trace, &batch));
	assert_false(trace_next_batch(trace, &batch));
	assert_false(trace_facts(trace)->is_damaged);
	trace_close(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_sort),
		cmocka_unit_test(test_release_before_acquire),
		cmocka_unit_test(test_stream_keeps_its_order),
		cmocka_unit_test(test_blocks_meet_in_one_ns),
		cmocka_unit_test(test_block_twice),
	};
	int file = mkstemp(path), result;

	if (file < 0)
		return 1;
	close(file);
	result = cmocka_run_group_tests_name("merge", tests, NULL, NULL);
	unlink(path);
	return result;
}
