/* SPDX-License-Identifier: MIT */
/*
 * Page faults on a model file go to its tensors and layers by their offset in the file; a page that
 * tensors share goes to the one that has most of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "fault_builder.h"
#include "report_check.h"

#define EMBEDDING "token_embd.weight"
#define QUERY "blk.3.attn_q.weight"
#define KEY "blk.3.attn_k.weight"
#define UP "blk.7.ffn_up.weight"
#define DOWN "blk.7.ffn_down.weight"
#define INODE 77u

static char path[] = "test_fault_tensors.XXXXXX";

/*
 * Pages 0, 1: header; 2..11 and 1,000 bytes of 12: the embedding; the rest of 12 to 1,024 bytes of
 * 17: blk.3 query; 512 bytes of 17: blk.3 key; the rest to 37: blk.7 up; 3,000 bytes of 38: blk.7
 * down; a few more: blk.7 norm; then nothing.
 */
static void put_model(struct trace_builder *builder)
{
	builder_model(builder, 1, MODEL, INODE, 2 * PAGE);
	builder_tensor(builder, 1, 2 * PAGE, 10 * PAGE + 1000, EMBEDDING);
	builder_tensor(builder, 1, 12 * PAGE + 1024, 5 * PAGE, QUERY);
	builder_tensor(builder, 1, 17 * PAGE + 1024, 512, KEY);
	builder_tensor(builder, 1, 17 * PAGE + 1536, 2560 + 20 * PAGE, UP);
	builder_tensor(builder, 1, 38 * PAGE, 3000, DOWN);
	builder_tensor(builder, 1, 38 * PAGE + 3008, 500, "blk.7.ffn_norm.weight");
}

static struct trace_builder *begin(void)
{
	struct trace_builder *builder = faults_begin(path, RINGS);

	put_model(builder);
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	return builder;
}

static void finish(struct trace_builder *builder, struct checked *checked, const char *phase)
{
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(checked, path, phase);
}

static uint64_t of(const struct checked *checked, const char *tensor, const char *column)
{
	size_t row = checked_row(checked, "faults_by_tensor", "tensor", tensor);

	return checked_number(checked, "faults_by_tensor", row, column);
}

static void test_all_pages(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;
	size_t row;

	(void)state;
	faults_run(builder, 5000, LT_fault_kind_major, MODEL_AT, 1, 64, 64000, 10, STACK_READER);
	faults_single(builder, 6000, LT_fault_kind_minor, ANON_AT, 7, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(checked_row_count(&checked, "faults_by_tensor"), 6);
	assert_int_equal(of(&checked, "[header]", "fault_count"), 2);
	assert_int_equal(of(&checked, EMBEDDING, "fault_count"), 10);
	assert_int_equal(of(&checked, EMBEDDING, "tensor_bytes"), 10 * PAGE + 1000);
	assert_int_equal(of(&checked, QUERY, "fault_count"), 5);
	assert_int_equal(of(&checked, QUERY, "major_count"), 5);
	assert_int_equal(of(&checked, QUERY, "fault_stall_ns"), 5000);
	assert_int_equal(of(&checked, QUERY, "layer"), 3);
	assert_int_equal(of(&checked, UP, "fault_count"), 21);
	assert_int_equal(of(&checked, UP, "layer"), 7);
	assert_int_equal(of(&checked, DOWN, "fault_count"), 1);
	assert_int_equal(of(&checked, "[padding]", "fault_count"), 25);
	row = checked_row(&checked, "faults_by_tensor", "tensor", "[header]");
	assert_true(checked_is_null(&checked, "faults_by_tensor", row, "layer"));
	assert_true(checked_is_null(&checked, "faults_by_tensor", row, "touched_bytes"));
	assert_true(checked_has_note(&checked, "faults_by_tensor", "1 faults on other memory"));
	checked_close(&checked);
}

static void test_downwards(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;

	(void)state;
	faults_run(builder, 5000, LT_fault_kind_minor, MODEL_AT + 37 * PAGE, -2, 13, 26000, 10,
		   STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(checked_row_count(&checked, "faults_by_tensor"), 2);
	assert_int_equal(of(&checked, UP, "fault_count"), 11);
	assert_int_equal(of(&checked, UP, "fault_stall_ns"), 22000);
	assert_int_equal(of(&checked, QUERY, "fault_count"), 2);
	checked_close(&checked);
}

/* What was moved or is mapped in part keeps its offsets. */
static void test_offsets_follow_the_mapping(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	put_model(builder);
	faults_open_model(builder, 1010, MODEL_PAGES * PAGE);
	faults_map(builder, 1020, MODEL_AT, 30 * PAGE, 10 * PAGE, MODEL_FD);
	faults_unmap(builder, 1030, MODEL_AT, 2 * PAGE);
	faults_remap(builder, 1040, MODEL_AT + 2 * PAGE, ELSEWHERE, 28 * PAGE);
	builder_flush(builder, THREAD);
	faults_single(builder, 2000, LT_fault_kind_minor, ELSEWHERE, 5, STACK_READER);
	faults_single(builder, 2001, LT_fault_kind_minor, ELSEWHERE + 5 * PAGE, 50, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(of(&checked, QUERY, "fault_stall_ns"), 5);
	assert_int_equal(of(&checked, UP, "fault_stall_ns"), 50);
	checked_close(&checked);
}

static void test_layers(void **state)
{
	struct trace_builder *builder = begin();
	struct checked checked;
	size_t row;

	(void)state;
	builder_tensor(builder, 1, 60 * PAGE, PAGE, "blk.3.attn_v.weight");
	builder_tensor(builder, 1, 61 * PAGE, PAGE, "blk.5.attn_v.weight");
	for (unsigned page = 2; page < 4; page++)
		faults_single(builder, 2000 + page, LT_fault_kind_minor, MODEL_AT + page * PAGE, 10,
			      STACK_READER);
	for (unsigned i = 0; i < 20; i++)
		faults_single(builder, 3000 + i, LT_fault_kind_minor, MODEL_AT + 13 * PAGE, 100,
			      STACK_READER);
	faults_single(builder, 4000, LT_fault_kind_major, MODEL_AT + 60 * PAGE, MS, STACK_READER);
	faults_single(builder, 4001, LT_fault_kind_minor, MODEL_AT + 61 * PAGE, 1, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(checked_row_count(&checked, "faults_by_layer"), 3);
	row = checked_row(&checked, "faults_by_layer", "kind", "attention");
	assert_int_equal(row, 0);	/* the longest stall */
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "layer"), 3);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "tensor_count"), 2);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "tensor_bytes"),
			 6 * PAGE);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "fault_count"), 21);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "major_count"), 1);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "slow_count"), 1);
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "fault_stall_ns"),
			 2000 + MS);
	row = checked_row(&checked, "faults_by_layer", "kind", "embedding");
	assert_true(checked_is_null(&checked, "faults_by_layer", row, "layer"));
	assert_int_equal(checked_number(&checked, "faults_by_layer", row, "fault_count"), 2);
	checked_close(&checked);
}

static void test_phase_alone(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	put_model(builder);
	faults_map_both(builder);
	faults_mark(builder, 2000, LT_mark_kind_begin, STRING_WORK);
	faults_mark(builder, 3000, LT_mark_kind_end, STRING_WORK);
	builder_flush(builder, THREAD);
	faults_single(builder, 1500, LT_fault_kind_minor, MODEL_AT + 2 * PAGE, 1, STACK_READER);
	faults_single(builder, 2500, LT_fault_kind_minor, MODEL_AT + 13 * PAGE, 2, STACK_READER);
	finish(builder, &checked, "work");
	assert_int_equal(checked_row_count(&checked, "faults_by_tensor"), 1);
	assert_int_equal(of(&checked, QUERY, "fault_stall_ns"), 2);
	assert_int_equal(checked_row_count(&checked, "faults_by_layer"), 1);
	checked_close(&checked);
}

static void test_no_model(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	struct checked checked;

	(void)state;
	faults_map_both(builder);
	builder_flush(builder, THREAD);
	faults_single(builder, 1500, LT_fault_kind_minor, MODEL_AT, 1, STACK_READER);
	finish(builder, &checked, NULL);
	assert_int_equal(checked_row_count(&checked, "faults_by_tensor"), 0);
	assert_true(checked_has_note(&checked, "faults_by_tensor", "no model file"));
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
		cmocka_unit_test(test_all_pages),
		cmocka_unit_test(test_downwards),
		cmocka_unit_test(test_offsets_follow_the_mapping),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_phase_alone),
		cmocka_unit_test(test_no_model),
	};

	return cmocka_run_group_tests_name("fault tensors", tests, make_path, remove_path);
}
