/* SPDX-License-Identifier: MIT */
/* Growth between two times, from samples that were taken near them: when it is told, and what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model_samples.h"

#define MS UINT64_C(1000000)

static struct sample_series series;

static void add(uint64_t time_ns, uint64_t cpu_ns)
{
	struct lt_ev_process_sample event = {
		.head = { .time = time_ns, .state = LT_KIND_process_sample },
		.user_cpu_ns = cpu_ns, .has_io = 1, .storage_read_bytes = cpu_ns * 2,
	};

	sample_series_apply(&series, &event.head);
}

static int start(void **state)
{
	(void)state;
	series = (struct sample_series){ 0 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	sample_series_release(&series);
	return 0;
}

static void check(uint64_t begin_ns, uint64_t end_ns, uint64_t wanted)
{
	uint64_t growth;

	assert_true(sample_series_growth(&series, SAMPLE_CPU_NS, begin_ns, end_ns, &growth));
	assert_int_equal(growth, wanted);
}

static void check_unknown(uint64_t begin_ns, uint64_t end_ns)
{
	uint64_t growth;

	assert_false(sample_series_growth(&series, SAMPLE_CPU_NS, begin_ns, end_ns, &growth));
}

/* The sample of a phase comes up to two milliseconds behind its begin and its end. */
static void test_short_phase(void **state)
{
	(void)state;
	add(0, 0);
	add(100 * MS + 300000, 50);
	add(110 * MS + 900000, 75);
	add(200 * MS, 400);
	check(100 * MS, 110 * MS, 25);
	check_unknown(100 * MS, 113 * MS);
	check_unknown(97 * MS, 110 * MS);
}

/* A twentieth of a long phase, at each end. */
static void test_long_phase(void **state)
{
	(void)state;
	add(100 * MS, 10);
	add(200 * MS, 20);
	add(300 * MS, 35);
	check(105 * MS, 290 * MS + MS, 25);
	check_unknown(111 * MS, 300 * MS);
	check_unknown(100 * MS, 285 * MS);
}

/*
 * Shorter than the samples are apart: both ends have the same sample, or one that is too far away.
 */
static void test_tiny_phase(void **state)
{
	(void)state;
	check_unknown(0, MS);
	add(100 * MS, 10);
	check_unknown(100 * MS, 101 * MS);
	add(102 * MS, 20);
	check_unknown(100 * MS, 100 * MS + MS / 2);
	check_unknown(100 * MS, 101 * MS + MS / 10);
	check(100 * MS, 101 * MS + MS / 2, 10);
	check_unknown(100 * MS, 100 * MS);
}

/* Storage counters need every sample to have them. */
static void test_without_io(void **state)
{
	struct lt_ev_process_sample event = {
		.head = { .time = 20 * MS, .state = LT_KIND_process_sample }, .user_cpu_ns = 7,
	};
	uint64_t growth;

	(void)state;
	add(10 * MS, 5);
	add(15 * MS, 6);
	assert_true(sample_series_growth(&series, SAMPLE_STORAGE_BYTES, 10 * MS, 15 * MS, &growth));
	assert_int_equal(growth, 2);
	sample_series_apply(&series, &event.head);
	assert_false(sample_series_growth(&series, SAMPLE_STORAGE_BYTES, 10 * MS, 20 * MS,
					  &growth));
	check(10 * MS, 20 * MS, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_short_phase, start, end),
		cmocka_unit_test_setup_teardown(test_long_phase, start, end),
		cmocka_unit_test_setup_teardown(test_tiny_phase, start, end),
		cmocka_unit_test_setup_teardown(test_without_io, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
