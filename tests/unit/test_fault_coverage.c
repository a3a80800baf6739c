/* SPDX-License-Identifier: MIT */
/*
 * The coverage of page faults: the ways to see them add up to what the kernel counts, what was lost
 * is said with every number, and nothing is said where nothing was measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "completeness.h"
#include "fault_builder.h"
#include "report_check.h"

static char path[] = "test_fault_coverage.XXXXXX";

static void finish(struct trace_builder *builder, struct checked *checked, const char *phase)
{
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(checked, path, phase);
}

static uint64_t covered(const struct checked *checked, const char *subject, bool is_total)
{
	const struct coverage *line = checked_coverage(checked, subject);

	assert_non_null(line);
	assert_false(line->is_unmeasured);
	return is_total ? line->total : line->seen;
}

/* 30 with an address + 12 in calls + 5 of ours + 3 that nobody saw = the 50 of the kernel. */
static void test_coverage_adds_up(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct lt_ev_own_cost own = { .head.time = 7000, .minor_fault_count = 5 };
	struct lt_ev_read read = { .head.time = 1040, .fd = MODEL_FD, .got_bytes = 1,
				   .minor_fault_count = 3, .major_fault_count = 1 };
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_event(builder, LT_KIND_read, LT_read_call_read, &read);
	faults_advise(builder, 1050, MODEL_AT, PAGE, MADV_WILLNEED, 8);
	builder_flush(builder, THREAD);
	faults_sample(builder, 1001, 1000, 0);
	faults_run(builder, 5000, LT_fault_kind_minor, MODEL_AT, 1, 30, 9000, 10, STACK_READER);
	faults_single(builder, 6000, LT_fault_kind_unfinished, MODEL_AT, 0, STACK_READER);
	builder_event(builder, LT_KIND_own_cost, 0, &own);
	faults_totals(builder, 8000, 30, 0, 30);
	faults_sample(builder, 9000, 1050, 0);
	finish(builder, &checked, NULL);
	assert_int_equal(covered(&checked, "page faults with an address", false), 30);
	assert_int_equal(covered(&checked, "page faults with an address", true), 30);
	assert_string_equal(checked_coverage(&checked, "page faults with an address")->means,
			    RINGS);
	assert_int_equal(covered(&checked, "page faults inside calls", false), 12);
	assert_int_equal(covered(&checked, "page faults of llmtrace", false), 5);
	assert_int_equal(covered(&checked, "page faults", false), 47);
	assert_int_equal(covered(&checked, "page faults", true), 50);
	assert_ptr_equal(strstr(checked_coverage(&checked, "page faults")->note, "3 not visible"),
			 checked_coverage(&checked, "page faults")->note);
	assert_false(checked_has_note(&checked, "faults_by_stack", "lower bound"));
	checked_close(&checked);
}

/* taken of 1,000 faults; @return the exit code. */
static int exit_code_of(uint64_t taken, bool *ret_is_noted)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;
	struct error error;
	const char *note;
	int status;

	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_run(builder, 5000, LT_fault_kind_minor, MODEL_AT, 0, (uint32_t)taken, 9000, 10,
		   STACK_READER);
	faults_totals(builder, 8000, 990, 10, taken);
	finish(builder, &checked, NULL);
	*ret_is_noted = checked_has_note(&checked, "faults_by_stack", "lower bound") &&
			checked_has_note(&checked, "maps", "lower bound") &&
			checked_has_note(&checked, "phases", "lower bound");
	assert_int_equal(covered(&checked, "page faults with an address", true), 1000);
	note = checked_coverage(&checked, "page faults with an address")->note;
	if (taken < 1000)
		assert_non_null(strstr(note, "between 12.0 ms and 34.0 ms"));
	status = completeness_of_faults(checked.trace, checked.report, &error);
	checked_close(&checked);
	return status;
}

static void test_lost_faults(void **state)
{
	bool is_noted;

	(void)state;
	assert_int_equal(exit_code_of(1000, &is_noted), 0);
	assert_false(is_noted);
	assert_int_equal(exit_code_of(991, &is_noted), 0);
	assert_false(is_noted);
	assert_int_equal(exit_code_of(989, &is_noted), 0);
	assert_true(is_noted);
	assert_int_equal(exit_code_of(899, &is_noted), EXIT_DATA_MISSING);
	assert_true(is_noted);
}

static void check_nothing(const struct checked *checked)
{
	size_t row = checked_row(checked, "maps", "mapping", MODEL);

	assert_true(checked_is_null(checked, "maps", row, "fault_count"));
	assert_true(checked_is_null(checked, "maps", row, "fault_stall_ns"));
	assert_true(checked_is_null(checked, "maps", row, "huge_bytes"));
	assert_true(checked_is_null(checked, "phases", 0, "fault_stall_ns"));
	assert_true(checked_coverage(checked, "page faults with an address")->is_unmeasured);
	assert_int_equal(checked_row_count(checked, "faults_by_stack"), 0);
	assert_int_equal(checked_row_count(checked, "faults_over_time"), 0);
}

static void test_not_measured(void **state)
{
	struct trace_builder *builder = faults_begin(path, "perf counters");
	struct checked checked;

	(void)state;
	builder_meta(builder, "fault_method_reason", "mmap: EPERM");
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_totals(builder, 5000, 40, 2, 0);
	finish(builder, &checked, NULL);
	check_nothing(&checked);
	assert_true(checked_has_note(&checked, "faults_by_stack", "perf counters"));
	assert_true(checked_has_note(&checked, "faults_by_stack", "mmap: EPERM"));
	assert_false(checked_has_note(&checked, "faults_by_stack", "lower bound"));
	assert_int_equal(checked_coverage(&checked, "page faults with an address")->total, 42);
	assert_string_equal(checked_coverage(&checked, "page faults with an address")->means,
			    "perf counters");
	checked_close(&checked);
}

static void test_group_off(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct checked checked;

	(void)state;
	builder_header(builder)->groups = 0xff & ~(uint32_t)LT_GROUP_faults;
	builder_start(builder);
	builder_string(builder, STRING_MODEL, MODEL);
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	finish(builder, &checked, NULL);
	check_nothing(&checked);
	assert_true(checked_has_note(&checked, "faults_by_stack", "LLMTRACE_EVENTS left it out"));
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
		cmocka_unit_test(test_coverage_adds_up),
		cmocka_unit_test(test_lost_faults),
		cmocka_unit_test(test_not_measured),
		cmocka_unit_test(test_group_off),
	};

	return cmocka_run_group_tests_name("fault coverage", tests, make_path, remove_path);
}
