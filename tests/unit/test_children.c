/* SPDX-License-Identifier: MIT */
/*
 * The table of child processes: what the calls of the parent and the messages of the children say of
 * the same process is one row, in whatever order it comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "report_check.h"
#include "trace_builder.h"

enum { CHILD = 4711, MADE_NS = 1000 };

static char path[] = "test_children.XXXXXX";

/* The call that made it; time_ns: when the thread came to note it. */
static void add_fork(struct trace_builder *builder, uint64_t time_ns)
{
	struct lt_ev_process_call call = { .head.time = time_ns, .result = CHILD,
					   .duration_ns = time_ns - MADE_NS };

	builder_event(builder, LT_KIND_process_call, LT_process_call_fork, &call);
}

static void add_message(struct trace_builder *builder, uint64_t time_ns, unsigned state,
			uint64_t start_ns)
{
	struct lt_ev_child child = { .head.time = time_ns, .start_ns = start_ns, .pid = CHILD };

	builder_event(builder, LT_KIND_child, state, &child);
}

static void finish(struct trace_builder *builder, struct checked *checked)
{
	builder_flush(builder, 2);
	builder_finish(builder, true);
	checked_open(checked, path, NULL);
}

static struct trace_builder *begin(void)
{
	struct trace_builder *builder = builder_new(path);

	builder_start(builder);
	builder_stream(builder, 2, 7, 0);
	return builder;
}

static void test_usual_order(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;

	(void)state;
	add_fork(builder, 1100);
	add_message(builder, 2000, LT_child_state_started, 1500);
	add_message(builder, 3000, LT_child_state_ended, 1500);
	add_message(builder, 3100, LT_child_state_reaped, 0);
	finish(builder, &checked);
	assert_int_equal(checked_row_count(&checked, "children"), 1);
	checked_close(&checked);
}

/* The thread that has forked lost its CPU before it noted the time. */
static void test_child_is_faster_than_its_parent(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;

	(void)state;
	add_message(builder, 2000, LT_child_state_started, 1500);
	add_message(builder, 2100, LT_child_state_ended, 1500);
	add_message(builder, 2200, LT_child_state_reaped, 0);
	add_fork(builder, 2500);
	finish(builder, &checked);
	assert_int_equal(checked_row_count(&checked, "children"), 1);
	assert_int_equal(checked_row(&checked, "children", "made_by", "fork"), 0);
	checked_close(&checked);
}

/* A number that was used before: two processes. */
static void test_number_is_used_again(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;

	(void)state;
	add_message(builder, 600, LT_child_state_started, 500);
	add_message(builder, 700, LT_child_state_reaped, 0);
	add_fork(builder, 2500);
	finish(builder, &checked);
	assert_int_equal(checked_row_count(&checked, "children"), 2);
	checked_close(&checked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_order),
		cmocka_unit_test(test_child_is_faster_than_its_parent),
		cmocka_unit_test(test_number_is_used_again),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
