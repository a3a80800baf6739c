/* SPDX-License-Identifier: MIT */
/*
 * Small files that are made to cost much: keys that one constant multiplier puts into one place of
 * a table, lists that are looked through for each event, ranges that are walked. Each has a report in
 * seconds. On the code before, each took more than the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "analysis.h"
#include "trace_builder.h"

#define BLOCK_EVENTS 8192u
#define LIMIT_S 3.0
/* Of 0x9e3779b97f4a7c15 modulo 2^64: multiples of it have neighbouring products. */
#define INVERSE 0xf1de83e19937733du

static char path[32];
static struct trace_builder *builder;
static unsigned block_events;

static void start(void)
{
	builder = builder_new(path);
	builder_start(builder);
	builder_stream(builder, 2, 77, 1000);
	block_events = 0;
}

/* Each event of a block more, and a block when there are enough. */
static void add(unsigned kind, unsigned aux, const void *event)
{
	builder_event(builder, kind, aux, event);
	if (++block_events % BLOCK_EVENTS == 0)
		builder_flush(builder, 2);
}

static void check(const char *what)
{
	struct trace_options options = { .thread_count = 1 };
	struct symbols_options how = { .is_disk_ignored = true };
	struct report *report = report_new();
	struct symbols *symbols;
	struct trace *trace;
	struct timespec begin, end;
	struct error error;
	double seconds;

	builder_flush(builder, 2);
	builder_finish(builder, true);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_int_equal(trace_open(path, &options, &trace, &error), 0);
	symbols = symbols_new(trace, &how);
	assert_int_equal(analysis_run(trace, symbols, NULL, NULL, report, &error), 0);
	report_free(report);
	symbols_free(symbols);
	trace_close(trace);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	if (seconds > LIMIT_S)
		fail_msg("%s: %.1f s", what, seconds);
}

static void test_addresses(void **state)
{
	(void)state;
	start();
	for (uint64_t i = 1; i <= 150000; i++) {
		struct lt_ev_alloc event = { .head = { .time = 2000 }, .addr = i * INVERSE,
					     .size_bytes = 8 };

		add(LT_KIND_alloc, LT_alloc_call_malloc, &event);
	}
	check("heap");
}

static void test_thread_ids(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 1; i <= 150000; i++) {
		struct lt_ev_thread_sample event = { .head = { .time = 2000 }, .tid = i };

		add(LT_KIND_thread_sample, 0, &event);
	}
	check("samples of threads");
}

static void test_frames(void **state)
{
	static uint64_t pairs[2 * 100000];

	(void)state;
	start();
	/* module << 48 and the offset had one sum */
	for (uint64_t i = 0; i < 100000; i++) {
		pairs[2 * i] = i + 1;
		pairs[2 * i + 1] = ((uint64_t)1 << 60) - ((i + 1) << 48);
	}
	builder_stack(builder, 1, pairs, 100000);
	check("frames");
}

static void test_streams_of_files(void **state)
{
	(void)state;
	start();
	for (uint64_t i = 1; i <= 100000; i++) {
		struct lt_ev_open event = { .head = { .time = 2000 }, .fd = -1,
					    .stream = (i * INVERSE) << 10 };

		add(LT_KIND_open, LT_open_call_fopen, &event);
	}
	check("streams");
}

static void test_ranges_of_descriptors(void **state)
{
	struct lt_ev_fd_seen seen = { .head = { .time = 2000 }, .fd = (1 << 20) - 1 };
	struct lt_ev_close event = { .head = { .time = 2001 }, .last_fd = (1 << 20) - 2 };

	(void)state;
	start();
	add(LT_KIND_fd_seen, 0, &seen);
	for (unsigned i = 0; i < 20000; i++)
		add(LT_KIND_close, LT_close_call_close_range, &event);
	check("close_range");
}

static void test_mappings(void **state)
{
	(void)state;
	start();
	for (uint64_t i = 0; i < 150000; i++) {
		struct lt_ev_map event = { .head = { .time = 2000 }, .fd = -1,
					   .addr = ((uint64_t)1 << 46) - (i << 20),
					   .length_bytes = 4096 };

		add(LT_KIND_map, LT_map_call_mmap, &event);
	}
	check("mappings");
}

static void test_marks(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 200000; i++) {
		struct lt_ev_mark event = { .head = { .time = 2000 + i }, .name = i % 100000 + 1 };

		add(LT_KIND_mark, i < 100000 ? LT_mark_kind_begin : LT_mark_kind_end, &event);
	}
	check("marks");
}

static void test_children(void **state)
{
	(void)state;
	start();
	for (uint32_t i = 0; i < 100000; i++) {
		struct lt_ev_child event = { .head = { .time = 2000 + i }, .pid = i % 50000 + 5,
					     .start_ns = 2000 + i % 3 };

		add(LT_KIND_child, LT_child_state_started, &event);
	}
	check("children");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_thread_ids),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_streams_of_files),
		cmocka_unit_test(test_ranges_of_descriptors),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_children),
	};
	int fd = memfd_create("trace", MFD_CLOEXEC);

	if (fd < 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return cmocka_run_group_tests_name("quadratic", tests, NULL, NULL);
}
