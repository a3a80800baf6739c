/* SPDX-License-Identifier: MIT */
/*
 * Phases: the names of engine calls in the orders that real programs make them, what belongs to
 * which row, marks, calls inside calls, and that rows add up to the run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "phases.h"

#define STREAM 2u

struct run {
	struct phases *phases;
	struct phase_counters totals;
	uint64_t time_ns;
	const struct phase_row *rows;
	size_t row_count;
};

static const char *string_of(const void *context, uint32_t id)
{
	static const char *const strings[] = { NULL, "work", "load" };

	(void)context;
	return strings[id];
}

static void start(struct run *run)
{
	*run = (struct run){ .time_ns = 1000 };
	run->phases = phases_new(1000, &run->totals, string_of, NULL);
}

static void finish(struct run *run)
{
	run->time_ns += 100;
	run->rows = phases_finish(run->phases, run->time_ns, &run->row_count);
}

static void begin_on(struct run *run, unsigned call, int64_t tokens, uint32_t stream)
{
	struct lt_ev_phase_begin event = { .token_count = tokens };

	event.head.time = run->time_ns;
	event.head.state = LT_STATE(LT_KIND_phase_begin, 1, call, 0);
	phases_apply(run->phases, &event.head, stream);
}

static void end_on(struct run *run, unsigned call, uint32_t stream)
{
	struct lt_ev_phase_end event = { 0 };

	event.head.time = run->time_ns;
	event.head.state = LT_STATE(LT_KIND_phase_end, 1, call, 0);
	phases_apply(run->phases, &event.head, stream);
}

/* An engine call of 1,000 ns with 10 allocations, 100 ns after what came before with 1 allocation.
 */
static void call(struct run *run, unsigned which, int64_t tokens)
{
	run->time_ns += 100;
	run->totals.alloc_count += 1;
	begin_on(run, which, tokens, STREAM);
	run->time_ns += 1000;
	run->totals.alloc_count += 10;
	end_on(run, which, STREAM);
}

static void load(struct run *run, uint32_t file, uint64_t moved_bytes)
{
	run->time_ns += 100;
	begin_on(run, LT_phase_call_llama_model_load_from_file, -1, STREAM);
	phases_note_open(run->phases, file, 1 << 20);
	run->totals.map_file_bytes += moved_bytes;
	run->time_ns += 1000;
	end_on(run, LT_phase_call_llama_model_load_from_file, STREAM);
}

static void mark(struct run *run, unsigned kind, uint32_t name, int64_t value)
{
	struct lt_ev_mark event = { .name = name, .value = value };

	event.head.time = run->time_ns;
	event.head.state = LT_STATE(LT_KIND_mark, 1, kind, 0);
	phases_apply(run->phases, &event.head, STREAM);
}

static const struct phase_row *row_of(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->row_count; i++)
		if (!strcmp(run->rows[i].name, name))
			return &run->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void check_names(const struct run *run, const char *const *names)
{
	size_t i;

	for (i = 0; names[i]; i++) {
		assert_true(i < run->row_count);
		assert_string_equal(run->rows[i].name, names[i]);
	}
	assert_int_equal(run->row_count, i);
}

static void check_sums(const struct run *run)
{
	uint64_t duration_ns = 0, alloc_count = 0;

	for (size_t i = 0; i < run->row_count; i++) {
		if (run->rows[i].kind == PHASE_MARK)
			continue;
		duration_ns += run->rows[i].duration_ns;
		alloc_count += run->rows[i].counters.alloc_count;
	}
	assert_int_equal(duration_ns, run->time_ns - 1000);
	assert_int_equal(alloc_count, run->totals.alloc_count);
}

static void test_llama_cli(void **state)
{
	static const char *const names[] = {
		"startup", "load (dry run)", "context (dry run)", "load", "context", "warm-up",
		"prompt",  "generation",     "between",		  "exit", NULL
	};
	struct run run;

	(void)state;
	start(&run);
	load(&run, 5, 1000);
	call(&run, LT_phase_call_llama_init_from_model, -1);
	load(&run, 5, 1 << 20);
	call(&run, LT_phase_call_llama_init_from_model, -1);
	call(&run, LT_phase_call_llama_decode, 2);
	call(&run, LT_phase_call_llama_decode, 17);
	for (unsigned i = 0; i < 5; i++)
		call(&run, LT_phase_call_llama_decode, 1);
	finish(&run);
	check_names(&run, names);
	check_sums(&run);
	assert_int_equal(row_of(&run, "prompt")->token_count, 17);
	assert_int_equal(row_of(&run, "generation")->token_count, 5);
	assert_int_equal(row_of(&run, "generation")->call_count, 5);
	/* from the first decode to the last, the caller's time between them included */
	assert_int_equal(row_of(&run, "generation")->duration_ns, 5 * 1000 + 4 * 100);
	assert_int_equal(row_of(&run, "generation")->counters.alloc_count, 5 * 10 + 4);
	assert_false(row_of(&run, "load")->has_tokens);
	phases_free(run.phases);
}

static void test_two_models_are_no_dry_run(void **state)
{
	static const char *const names[] = { "startup", "load", "load 2", "between", "exit", NULL };
	struct run run;

	(void)state;
	start(&run);
	load(&run, 5, 1000);
	load(&run, 6, 1 << 20);
	finish(&run);
	check_names(&run, names);
	phases_free(run.phases);
}

static void test_same_model_twice_is_no_dry_run(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	load(&run, 5, 1 << 20);
	load(&run, 5, 1 << 20);
	finish(&run);
	assert_int_equal(row_of(&run, "load")->kind, PHASE_LOAD);
	assert_int_equal(row_of(&run, "load 2")->kind, PHASE_LOAD);
	phases_free(run.phases);
}

static void test_short_prompt_is_no_warm_up(void **state)
{
	static const char *const names[] = { "startup",	   "context",  "prompt",
					     "generation", "prompt 2", "generation 2",
					     "between",	   "exit",     NULL };
	struct run run;

	(void)state;
	start(&run);
	call(&run, LT_phase_call_llama_init_from_model, -1);
	call(&run, LT_phase_call_llama_decode, 2);
	call(&run, LT_phase_call_llama_decode, 1);
	call(&run, LT_phase_call_llama_decode, 9);
	call(&run, LT_phase_call_llama_decode, 1);
	finish(&run);
	check_names(&run, names);
	check_sums(&run);
	assert_int_equal(phase_rows_tokens(run.rows, run.row_count, PHASE_PROMPT), 11);
	phases_free(run.phases);
}

static void test_prompt_in_pieces(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	call(&run, LT_phase_call_llama_init_from_model, -1);
	call(&run, LT_phase_call_llama_decode, 512);
	call(&run, LT_phase_call_llama_decode, 512);
	call(&run, LT_phase_call_llama_decode, 30);
	finish(&run);
	assert_int_equal(row_of(&run, "prompt")->token_count, 1054);
	assert_int_equal(row_of(&run, "prompt")->call_count, 3);
	check_sums(&run);
	phases_free(run.phases);
}

static void test_first_token_alone_is_generation(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	call(&run, LT_phase_call_llama_init_from_model, -1);
	call(&run, LT_phase_call_llama_decode, 1);
	call(&run, LT_phase_call_llama_decode, 1);
	call(&run, LT_phase_call_llama_decode, 1);
	finish(&run);
	assert_int_equal(row_of(&run, "generation")->token_count, 3);
	check_sums(&run);
	phases_free(run.phases);
}

static void test_calls_inside_calls(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	run.time_ns += 10;
	begin_on(&run, LT_phase_call_llama_load_model_from_file, -1, STREAM);
	begin_on(&run, LT_phase_call_llama_model_load_from_file, -1, STREAM);
	run.time_ns += 500;
	end_on(&run, LT_phase_call_llama_model_load_from_file, STREAM);
	run.time_ns += 500;
	end_on(&run, LT_phase_call_llama_load_model_from_file, STREAM);
	/* left by an exception: ends when it is entered again */
	begin_on(&run, LT_phase_call_llama_decode, 4, STREAM);
	run.time_ns += 100;
	begin_on(&run, LT_phase_call_llama_decode, 1, STREAM);
	run.time_ns += 100;
	end_on(&run, LT_phase_call_llama_decode, STREAM);
	finish(&run);
	assert_int_equal(row_of(&run, "load")->duration_ns, 1000);
	assert_int_equal(row_of(&run, "prompt")->token_count, 4);
	assert_int_equal(row_of(&run, "generation")->token_count, 1);
	check_sums(&run);
	phases_free(run.phases);
}

static void test_decodes_at_the_same_time(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	begin_on(&run, LT_phase_call_llama_decode, 4, STREAM);
	begin_on(&run, LT_phase_call_llama_decode, 6, STREAM + 1);
	run.time_ns += 100;
	end_on(&run, LT_phase_call_llama_decode, STREAM + 1);
	run.time_ns += 100;
	end_on(&run, LT_phase_call_llama_decode, STREAM);
	finish(&run);
	assert_int_equal(row_of(&run, "prompt")->token_count, 10);
	assert_int_equal(row_of(&run, "prompt")->duration_ns, 200);
	phases_free(run.phases);
}

static void test_killed_inside_a_call(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	run.time_ns += 50;
	begin_on(&run, LT_phase_call_llama_decode, 4, STREAM);
	mark(&run, LT_mark_kind_begin, 1, 0);
	finish(&run);
	assert_int_equal(row_of(&run, "prompt")->duration_ns, 100);
	assert_int_equal(row_of(&run, "work")->duration_ns, 100);
	check_sums(&run);
	phases_free(run.phases);
}

static void test_marks(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	for (unsigned i = 0; i < 3; i++) {
		mark(&run, LT_mark_kind_begin, 1, 0);
		run.time_ns += 70;
		run.totals.alloc_count += 5;
		mark(&run, LT_mark_kind_end, 1, 4);
		run.time_ns += 30;
	}
	mark(&run, LT_mark_kind_end, 2, 0);
	mark(&run, LT_mark_kind_instant, 2, 0);
	finish(&run);
	assert_int_equal(run.row_count, 2);
	assert_string_equal(run.rows[0].name, "whole run");
	assert_int_equal(row_of(&run, "work")->duration_ns, 210);
	assert_int_equal(row_of(&run, "work")->call_count, 3);
	assert_int_equal(row_of(&run, "work")->token_count, 12);
	assert_int_equal(row_of(&run, "work")->counters.alloc_count, 15);
	assert_int_equal(row_of(&run, "work")->span_count, 3);
	phases_free(run.phases);
}

static void test_mark_with_an_engine_name(void **state)
{
	struct run run;

	(void)state;
	start(&run);
	load(&run, 5, 100);
	mark(&run, LT_mark_kind_begin, 2, 0);
	run.time_ns += 1;
	mark(&run, LT_mark_kind_end, 2, 0);
	finish(&run);
	assert_int_equal(row_of(&run, "load")->kind, PHASE_LOAD);
	assert_int_equal(row_of(&run, "load (mark)")->kind, PHASE_MARK);
	phases_free(run.phases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_llama_cli),
		cmocka_unit_test(test_two_models_are_no_dry_run),
		cmocka_unit_test(test_same_model_twice_is_no_dry_run),
		cmocka_unit_test(test_short_prompt_is_no_warm_up),
		cmocka_unit_test(test_prompt_in_pieces),
		cmocka_unit_test(test_first_token_alone_is_generation),
		cmocka_unit_test(test_calls_inside_calls),
		cmocka_unit_test(test_decodes_at_the_same_time),
		cmocka_unit_test(test_killed_inside_a_call),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_mark_with_an_engine_name),
	};

	return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
