/* SPDX-License-Identifier: MIT */
/* Page faults over time: rows are few, round and of one width, and sums do not depend on them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "fault_builder.h"
#include "report_check.h"

static char path[] = "test_fault_time.XXXXXX";

static void finish(struct trace_builder *builder, struct checked *checked, const char *phase)
{
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(checked, path, phase);
}

/* 100 faults from 5 ms to 104 ms, one each ms, in rows of 2 ms; storage evenly between samples. */
static void test_over_time(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_sample(builder, START_NS + 1, 0, 0);
	faults_sample(builder, START_NS + 10 * MS, 0, 1000);
	faults_sample(builder, START_NS + 30 * MS, 0, 5000);
	faults_run(builder, START_NS + 104 * MS, LT_fault_kind_minor, MODEL_AT, 0, 100, 100000,
		   99 * MS, STACK_READER);
	faults_sample(builder, START_NS + 118 * MS, 0, 5000);
	finish(builder, &checked, NULL);
	/* [0, 2) and [2, 4) ms have storage alone, [106 ..) nothing */
	assert_int_equal(checked_row_count(&checked, "faults_over_time"), 53);
	assert_int_equal(checked_number(&checked, "faults_over_time", 0, "fault_count"), 0);
	assert_int_equal(checked_number(&checked, "faults_over_time", 2, "time_ns"), 4 * MS);
	assert_int_equal(checked_number(&checked, "faults_over_time", 2, "duration_ns"), 2 * MS);
	assert_int_equal(checked_number(&checked, "faults_over_time", 2, "fault_count"), 1);
	assert_int_equal(checked_number(&checked, "faults_over_time", 3, "fault_count"), 2);
	assert_int_equal(checked_number(&checked, "faults_over_time", 3, "fault_stall_ns"), 2000);
	assert_int_equal(checked_number(&checked, "faults_over_time", 3, "storage_bytes"), 200);
	assert_int_equal(checked_number(&checked, "faults_over_time", 10, "storage_bytes"), 400);
	assert_int_equal(checked_number(&checked, "faults_over_time", 52, "fault_count"), 1);
	assert_int_equal(checked_number(&checked, "faults_over_time", 52, "storage_bytes"), 0);
	checked_close(&checked);
}

/* Sums do not depend on how often the buckets were widened, and rows stay few and round. */
static void test_over_a_long_time(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	uint64_t second_ns = 1000 * (uint64_t)MS, faults = 0, stall_ns = 0;
	struct checked checked;
	size_t rows;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	for (unsigned i = 1; i <= 130; i++)
		faults_run(builder, START_NS + i * second_ns, LT_fault_kind_minor, MODEL_AT, 1, 7,
			   7001, second_ns / 2, STACK_READER);
	finish(builder, &checked, NULL);
	rows = checked_row_count(&checked, "faults_over_time");
	assert_in_range(rows, 20, 60);
	for (size_t row = 0; row < rows; row++) {
		faults += checked_number(&checked, "faults_over_time", row, "fault_count");
		stall_ns += checked_number(&checked, "faults_over_time", row, "fault_stall_ns");
		assert_int_equal(checked_number(&checked, "faults_over_time", row, "time_ns") %
				 (5 * second_ns), 0);
	}
	assert_int_equal(faults, 130 * 7);
	assert_int_equal(stall_ns, 130 * 7001);
	checked_close(&checked);
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_time),
		cmocka_unit_test(test_over_a_long_time),
	};

	return cmocka_run_group_tests_name("fault time", tests, make_path, remove_path);
}
