/* SPDX-License-Identifier: MIT */
/*
 * Page faults in the report: each one goes to the memory that lay at its address in its moment,
 * runs are cut at the borders of mappings, and what is slow is told by the run's own faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_builder.h"
#include "model_maps.h"
#include "report_check.h"

static char path[] = "test_faults.XXXXXX";

static void finish(struct trace_builder *builder, struct checked *checked, const char *phase)
{
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(checked, path, phase);
}

static uint64_t of_map(const struct checked *checked, const char *mapping, const char *column)
{
	return checked_number(checked, "maps", checked_row(checked, "maps", "mapping", mapping),
			      column);
}

/* 6 of 10 faults lie in front of the border, with 6 tenths of the stall. */
static void test_run_is_cut_at_the_border(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_run(builder, 5000, LT_fault_kind_minor, ANON_AT - 12 * PAGE, 2, 10, 20000, 900,
		   STACK_READER);
	faults_single(builder, 6000, LT_fault_kind_major, MODEL_AT, 700, STACK_OTHER);
	faults_run(builder, 7000, LT_fault_kind_major, ANON_AT + PAGE, -1, 4, 8003, 100,
		   STACK_READER);
	faults_single(builder, 8000, LT_fault_kind_minor_huge, ANON_AT, 50, STACK_OTHER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, MODEL, "fault_count"), 6 + 1 + 2);
	assert_int_equal(of_map(&checked, MODEL, "major_count"), 1 + 2);
	assert_int_equal(of_map(&checked, MODEL, "fault_stall_ns"), 12000 + 700 + 4002);
	assert_int_equal(of_map(&checked, MODEL, "huge_bytes"), 0);
	assert_int_equal(of_map(&checked, "[anonymous]", "fault_count"), 4 + 2 + 1);
	assert_int_equal(of_map(&checked, "[anonymous]", "fault_stall_ns"), 8000 + 4001 + 50);
	assert_int_equal(of_map(&checked, "[anonymous]", "huge_bytes"), 2 << 20);
	assert_true(checked_is_null(&checked, "maps", 0, "touched_bytes"));
	assert_true(checked_is_null(&checked, "maps", 0, "storage_bytes"));
	checked_close(&checked);
}

static size_t row_of(const struct checked *checked, const char *function, const char *mapping)
{
	const struct table *table = report_find_table(checked->report, "faults_by_stack");

	for (size_t row = 0; row < table_row_count(table); row++)
		if (!strcmp(table_get(table, row, "stack")->stack.frames[0], function) &&
		    !strcmp(table_get(table, row, "mapping")->text, mapping))
			return row;
	fail_msg("no row of %s on %s", function, mapping);
	return 0;
}

static uint64_t by_stack(const struct checked *checked, const char *function, const char *mapping,
			 const char *column)
{
	return checked_number(checked, "faults_by_stack", row_of(checked, function, mapping),
			      column);
}

static void test_by_stack(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	for (unsigned i = 0; i < 20; i++)
		faults_single(builder, 2000 + i, LT_fault_kind_minor, MODEL_AT, 500, STACK_READER);
	faults_single(builder, 3000, LT_fault_kind_minor, MODEL_AT, 16383, STACK_READER);
	faults_single(builder, 3001, LT_fault_kind_minor, MODEL_AT, 16384, STACK_READER);
	faults_single(builder, 3002, LT_fault_kind_major, ANON_AT, 5 * MS, STACK_READER);
	faults_single(builder, 3003, LT_fault_kind_minor_huge, ANON_AT, 9 * MS, STACK_READER);
	faults_single(builder, 3004, LT_fault_kind_minor, ANON_AT, 0, STACK_OTHER);
	faults_single(builder, 3005, LT_fault_kind_unfinished, ANON_AT, 77, STACK_OTHER);
	finish(builder, &checked, NULL);
	assert_int_equal(checked_row_count(&checked, "faults_by_stack"), 3);
	assert_int_equal(by_stack(&checked, "read_weights", MODEL, "fault_count"), 22);
	/* half a us in the middle: slower than 20 us, by the class that begins nearest */
	assert_int_equal(by_stack(&checked, "read_weights", MODEL, "slow_count"), 1);
	assert_int_equal(by_stack(&checked, "read_weights", MODEL, "fault_stall_ns"),
			 20 * 500 + 16383 + 16384);
	assert_int_equal(by_stack(&checked, "read_weights", "[anonymous]", "fault_count"), 2);
	/* to clear a huge page takes long without any wait */
	assert_int_equal(by_stack(&checked, "read_weights", "[anonymous]", "slow_count"), 1);
	assert_int_equal(by_stack(&checked, "read_weights", "[anonymous]", "major_count"), 1);
	assert_int_equal(by_stack(&checked, "read_weights", "[anonymous]", "huge_bytes"), 2 << 20);
	assert_int_equal(by_stack(&checked, "other_reader", "[anonymous]", "fault_count"), 1);
	assert_true(checked_has_note(&checked, "faults_by_stack", "16.4 us"));
	/* the largest stall first */
	assert_int_equal(row_of(&checked, "read_weights", "[anonymous]"), 0);
	checked_close(&checked);
}

/* Warm faults of 8 to 16 us, 12 us in the middle: slow is ten times as long, the class 131 us. */
static void test_slow_follows_the_machine(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_run(builder, 5000, LT_fault_kind_minor, MODEL_AT, 1, 40, 40 * 12 * US, 900,
		   STACK_READER);
	faults_single(builder, 6000, LT_fault_kind_minor, MODEL_AT, 130 * US, STACK_READER);
	faults_single(builder, 6001, LT_fault_kind_minor, MODEL_AT, 132 * US, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(by_stack(&checked, "read_weights", MODEL, "slow_count"), 1);
	assert_true(checked_has_note(&checked, "faults_by_stack", "131 us"));
	checked_close(&checked);
}

/* Faults whose begin was lost have no stall: they do not pull the median down. */
static void test_faults_without_a_stall(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_run(builder, 4000, LT_fault_kind_minor, MODEL_AT, 1, 50, 0, 900, STACK_NONE);
	for (unsigned i = 0; i < 50; i++)
		faults_single(builder, 4500 + i, LT_fault_kind_minor, MODEL_AT, 0, STACK_NONE);
	faults_run(builder, 5000, LT_fault_kind_minor, MODEL_AT, 1, 40, 40 * 12 * US, 900,
		   STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, MODEL, "fault_count"), 140);
	assert_true(checked_has_note(&checked, "faults_by_stack", "131 us"));
	checked_close(&checked);
}

/* The same addresses mean other memory before and behind the calls. */
static void test_remap_and_unmap(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	faults_remap(builder, 3000, MODEL_AT, ELSEWHERE, MODEL_PAGES * PAGE);
	faults_unmap(builder, 4000, ELSEWHERE, 4 * PAGE);
	faults_map(builder, 4001, ELSEWHERE, 4 * PAGE, 0, -1);
	builder_flush(builder, THREAD);
	faults_single(builder, 2000, LT_fault_kind_minor, MODEL_AT, 10, STACK_READER);
	faults_single(builder, 3500, LT_fault_kind_minor, ELSEWHERE, 100, STACK_READER);
	faults_single(builder, 3501, LT_fault_kind_minor, MODEL_AT, 5, STACK_READER);
	faults_single(builder, 5000, LT_fault_kind_minor, ELSEWHERE, 1000, STACK_READER);
	faults_single(builder, 5001, LT_fault_kind_minor, ELSEWHERE + 4 * PAGE, 10000,
		      STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, MODEL, "fault_stall_ns"), 10110);
	assert_int_equal(of_map(&checked, "[anonymous]", "fault_stall_ns"), 1000);
	assert_int_equal(of_map(&checked, "[not known]", "fault_stall_ns"), 5);
	checked_close(&checked);
}

/* Known memory ends what is not known, on both sides. */
static void test_unknown_beside_known(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	faults_unmap(builder, 1040, MODEL_AT, 4 * PAGE);
	faults_unmap(builder, 1050, ANON_AT + 60 * PAGE, 4 * PAGE);
	builder_flush(builder, THREAD);
	faults_run(builder, 2000, LT_fault_kind_minor, MODEL_AT, 1, 8, 800, 10, STACK_READER);
	faults_run(builder, 3000, LT_fault_kind_minor, ANON_AT + 62 * PAGE, -1, 8, 8000, 10,
		   STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, MODEL, "fault_stall_ns"), 400);
	assert_int_equal(of_map(&checked, "[anonymous]", "fault_stall_ns"), 5000);
	assert_int_equal(of_map(&checked, "[not known]", "fault_stall_ns"), 400 + 3000);
	checked_close(&checked);
}

/* The heap has grown when its line is read next; what was unmapped before that stays unknown. */
static void test_memory_that_is_known_later(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_unmap(builder, 2500, ELSEWHERE, 4 * PAGE);
	builder_flush(builder, THREAD);
	faults_seen(builder, 1100, MODEL_AT, PAGE, STRING_HEAP);
	faults_seen(builder, 1100, ANON_AT, PAGE, STRING_SHIM);
	faults_run(builder, 2000, LT_fault_kind_minor, MODEL_AT, 1, 32, 3200, 10, STACK_READER);
	faults_single(builder, 2001, LT_fault_kind_minor, ELSEWHERE, 7, STACK_READER);
	faults_single(builder, 2002, LT_fault_kind_minor, ANON_AT, 9, STACK_READER);
	faults_seen(builder, 3000, MODEL_AT, 40 * PAGE, STRING_HEAP);
	faults_seen(builder, 3000, ELSEWHERE, 4 * PAGE, 0);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, "[heap]", "fault_count"), 32);
	assert_int_equal(of_map(&checked, "[heap]", "fault_stall_ns"), 3200);
	assert_int_equal(of_map(&checked, "[not known]", "fault_stall_ns"), 7);
	assert_int_equal(checked_row_count(&checked, "faults_by_stack"), 2);
	assert_int_equal(by_stack(&checked, "read_weights", "[heap]", "fault_count"), 32);
	checked_close(&checked);
}

/* Libc maps large blocks by itself: the stack of their malloc tells whose memory it is. */
static void test_large_blocks(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;
	uint64_t small = MODEL_AT + 16, large = ELSEWHERE + 16, bytes = 40 * PAGE;

	(void)state;
	builder_alloc(builder, 1100, STACK_OTHER, small, MAP_BLOCK_BYTES - 1);
	builder_alloc(builder, 1101, STACK_OTHER, large, bytes);
	builder_free(builder, 3000, STACK_NONE, large + PAGE);	/* of no block that is known */
	builder_free(builder, 5000, STACK_NONE, large);
	builder_alloc(builder, 6000, STACK_MAP, large, bytes);
	builder_alloc(builder, 6001, STACK_READER, large + (1 << 30), bytes);	/* never touched */
	builder_flush(builder, THREAD);
	faults_run(builder, 2000, LT_fault_kind_minor, ELSEWHERE - 2 * PAGE, 1, 45, 45000, 10,
		   STACK_READER);
	faults_single(builder, 2001, LT_fault_kind_minor, MODEL_AT, 3, STACK_READER);
	faults_single(builder, 4000, LT_fault_kind_minor, ELSEWHERE, 200, STACK_READER);
	faults_single(builder, 5500, LT_fault_kind_minor, ELSEWHERE, 70, STACK_READER);
	faults_seen(builder, 5600, ELSEWHERE - 4 * PAGE, 68 * PAGE, 0);
	faults_single(builder, 6500, LT_fault_kind_minor, ELSEWHERE, 9, STACK_READER);
	faults_single(builder, 6501, LT_fault_kind_minor, ELSEWHERE + 41 * PAGE, 4, STACK_READER);
	faults_run(builder, 6600, LT_fault_kind_minor, ELSEWHERE - 2 * PAGE, 1, 4, 400000, 10,
		   STACK_READER);
	faults_run(builder, 6700, LT_fault_kind_minor, ELSEWHERE + 42 * PAGE, -1, 4, 4000000, 10,
		   STACK_READER);
	finish(builder, &checked, NULL);
	/* the block and the 16 bytes in front of it are 41 pages */
	assert_int_equal(of_map(&checked, "[malloc]", "fault_count"), 41 + 1);
	assert_int_equal(of_map(&checked, "[malloc]", "fault_stall_ns"), 41000 + 200);
	assert_int_equal(of_map(&checked, "[malloc]", "length_bytes"), bytes);
	assert_int_equal(by_stack(&checked, "read_weights", "[malloc]", "fault_count"), 43 + 2 + 2);
	assert_int_equal(of_map(&checked, "[anonymous, made inside libc]", "fault_stall_ns"),
			 4000 + 70 + 4 + 200000 + 2000000);
	assert_int_equal(of_map(&checked, "[not known]", "fault_stall_ns"), 3);
	assert_int_equal(checked_row_count(&checked, "maps"), 4);
	checked_close(&checked);
}

/* The filter of frees takes an address in the middle for that of the block. */
static void test_free_inside_a_block(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	uint64_t inside = ELSEWHERE + 16 + MAP_FILTER_BITS * PAGE;
	struct checked checked;

	(void)state;
	builder_alloc(builder, 1100, STACK_OTHER, ELSEWHERE + 16, 2 * MAP_FILTER_BITS * PAGE);
	builder_free(builder, 2000, STACK_NONE, inside);
	builder_flush(builder, THREAD);
	faults_single(builder, 3000, LT_fault_kind_minor, ELSEWHERE, 9, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, "[malloc]", "fault_stall_ns"), 9);
	checked_close(&checked);
}

/* Two threads side by side wait as long as one, and a pause is no wait. */
static void test_time_held_up(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_single(builder, 20000, LT_fault_kind_major, MODEL_AT, 5000, STACK_READER);
	faults_single(builder, 21000, LT_fault_kind_major, MODEL_AT, 5000, STACK_READER);
	faults_single(builder, 30000, LT_fault_kind_major, MODEL_AT, 300, STACK_READER);
	faults_run(builder, 90000, LT_fault_kind_major, MODEL_AT, 1, 10, 1000, 50000, STACK_READER);
	faults_run(builder, 91000, LT_fault_kind_major, MODEL_AT, 1, 10, 90000, 50000,
		   STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, MODEL, "fault_wait_ns"), 5000 + 1000 + 300 + 1000 + 1000);
	checked_close(&checked);
}

static void test_phases_and_threads(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;
	size_t row;

	(void)state;
	faults_map_both(builder);
	faults_call(builder, 2000, 3000, LT_phase_call_llama_decode, 10);
	faults_call(builder, 4000, 5000, LT_phase_call_llama_decode, 1);
	builder_flush(builder, THREAD);
	faults_single(builder, 1500, LT_fault_kind_minor, MODEL_AT, 1, STACK_READER);
	faults_single(builder, 2500, LT_fault_kind_minor, MODEL_AT, 20, STACK_READER);
	faults_run(builder, 4500, LT_fault_kind_minor, MODEL_AT, 1, 4, 300, 10, STACK_READER);
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(&checked, path, NULL);
	row = checked_row(&checked, "phases", "phase", "prompt");
	assert_int_equal(checked_number(&checked, "phases", row, "fault_stall_ns"), 20);
	row = checked_row(&checked, "phases", "phase", "generation");
	assert_int_equal(checked_number(&checked, "phases", row, "fault_stall_ns"), 300);
	row = checked_row(&checked, "tokens", "metric", "fault_stall_ns");
	assert_int_equal(checked_number(&checked, "tokens", row, "per_prompt_token"), 2);
	assert_int_equal(checked_number(&checked, "tokens", row, "per_generated_token"), 300);
	assert_int_equal(checked_row_count(&checked, "threads"), 1);
	assert_int_equal(checked_number(&checked, "threads", 0, "tid"), TID);
	assert_int_equal(checked_number(&checked, "threads", 0, "fault_stall_ns"), 321);
	checked_close(&checked);
	checked_open(&checked, path, "generation");
	assert_int_equal(of_map(&checked, MODEL, "fault_count"), 4);
	assert_int_equal(by_stack(&checked, "read_weights", MODEL, "fault_stall_ns"), 300);
	assert_int_equal(checked_number(&checked, "threads", 0, "fault_stall_ns"), 300);
	assert_int_equal(checked_number(&checked, "faults_over_time", 0, "fault_count"), 4);
	checked_close(&checked);
}

/* A record that means four thousand million faults all over the address space ends in time. */
static void test_hostile_run(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_run(builder, 5000, LT_fault_kind_minor, UINT64_MAX / 2, 1 << 20, UINT32_MAX,
		   UINT64_MAX, UINT64_MAX, STACK_READER);
	faults_run(builder, 5001, LT_fault_kind_minor, 0, INT64_MIN, UINT32_MAX, 1, 1,
		   STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of_map(&checked, "[not known]", "fault_count"), 2 * (uint64_t)UINT32_MAX);
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
		cmocka_unit_test(test_run_is_cut_at_the_border),
		cmocka_unit_test(test_by_stack),
		cmocka_unit_test(test_slow_follows_the_machine),
		cmocka_unit_test(test_faults_without_a_stall),
		cmocka_unit_test(test_remap_and_unmap),
		cmocka_unit_test(test_unknown_beside_known),
		cmocka_unit_test(test_memory_that_is_known_later),
		cmocka_unit_test(test_large_blocks),
		cmocka_unit_test(test_free_inside_a_block),
		cmocka_unit_test(test_time_held_up),
		cmocka_unit_test(test_phases_and_threads),
		cmocka_unit_test(test_hostile_run),
	};

	return cmocka_run_group_tests_name("faults", tests, make_path, remove_path);
}
