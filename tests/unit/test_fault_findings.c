/* SPDX-License-Identifier: MIT */
/*
 * Findings about page faults, each with the numbers that make it and without one of them: a cold
 * load, random access, a model that does not stay in memory, small pages; none on a warm run.
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

#include "fault_builder.h"
#include "report_check.h"

#define MODEL_BYTES (UINT64_C(128) << 20)
#define BEHIND (MODEL_AT + MODEL_BYTES)
#define TOKENS 10u
#define MIB (UINT64_C(1) << 20)

static char path[] = "test_fault_findings.XXXXXX";

/* What differs between the runs of a second; everything else is warm and fast. */
struct run {
	uint64_t addr;			/* of faults that are slow, 1 ms each */
	uint32_t slow_count, fast_count;
	uint64_t fast_ns;		/* of one */
	uint32_t prot;
	uint32_t advice;		/* of madvise, 0: none */
	uint64_t storage_bytes;		/* read during the second half, where the tokens are */
	uint64_t taken_count;		/* 0: all */
	const char *huge_mode;
	uint32_t huge_count;
};

static const char *const ids[] = { "random_faults", "cold_faults", "model_read_again",
				   "small_pages" };

static void put_thread(struct trace_builder *builder, const struct run *run)
{
	faults_open_model(builder, 1010, MODEL_BYTES);
	faults_map_with(builder, 1020, MODEL_AT, MODEL_BYTES, run->prot | PROT_READ);
	faults_map(builder, 1030, BEHIND, MODEL_BYTES, 0, -1);
	if (run->advice)
		faults_advise(builder, 1040, run->addr, MODEL_BYTES, run->advice, 0);
	faults_call(builder, 100 * MS, 400 * MS, LT_phase_call_llama_decode, 100);
	for (unsigned i = 0; i < TOKENS; i++)
		faults_call(builder, (500 + i * 50) * MS, (549 + i * 50) * MS,
			    LT_phase_call_llama_decode, 1);
	builder_flush(builder, THREAD);
}

/* Half of the slow faults in the prompt, half in the tokens. */
static void put_faults(struct trace_builder *builder, const struct run *run)
{
	uint32_t half = run->slow_count / 2, all = run->slow_count + run->fast_count;

	faults_sample(builder, 2000, 0, 0);
	if (run->fast_count)
		faults_run(builder, 200 * MS, LT_fault_kind_minor, run->addr, 1, run->fast_count,
			   run->fast_count * run->fast_ns, run->fast_count * run->fast_ns,
			   STACK_READER);
	for (unsigned i = 0; i < run->huge_count; i++)
		faults_single(builder, 200 * MS + i, LT_fault_kind_minor_huge, run->addr, 1000,
			      STACK_READER);
	if (half)
		faults_run(builder, 399 * MS, LT_fault_kind_minor, run->addr, 1, half,
			   half * (uint64_t)MS, (half - 1) * (uint64_t)MS, STACK_READER);
	faults_sample(builder, 500 * MS, 0, 10 * MIB);
	if (half)
		faults_run(builder, 570 * MS, LT_fault_kind_minor, run->addr, 1, half,
			   half * (uint64_t)MS, (half - 1) * (uint64_t)MS, STACK_READER);
	faults_sample(builder, 999 * MS, 0, 10 * MIB + run->storage_bytes);
	faults_totals(builder, 1000 * MS, all, 0, run->taken_count ? run->taken_count : all);
	builder_flush(builder, WRITER);
}

static void open_run(const struct run *run, struct checked *checked)
{
	struct trace_builder *builder = faults_begin(path, RINGS);

	builder_meta(builder, "exe", "/usr/bin/llama-cli");
	builder_meta(builder, "memory_bytes", "67108864");
	if (run->huge_mode)
		builder_meta(builder, "transparent_hugepage", run->huge_mode);
	put_thread(builder, run);
	put_faults(builder, run);
	builder_finish(builder, true);
	checked_open(checked, path, NULL);
}

/* id: the one finding that there must be; NULL: none. */
static void check(const struct run *run, const char *id, const char *phase, const char *in_advice)
{
	const struct report_finding *found;
	struct checked checked;

	open_run(run, &checked);
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if ((checked_finding(&checked, ids[i]) != NULL) != (id && !strcmp(ids[i], id)))
			fail_msg("%s: not as wanted", ids[i]);
	found = id ? checked_finding(&checked, id) : NULL;
	if (found) {
		assert_string_equal(found->finding.phase, phase);
		assert_non_null(strstr(found->finding.advice, in_advice));
		assert_true(found->evidence_count >= 1);
		assert_true(found->finding.is_saving_known);
	}
	checked_close(&checked);
}

static const struct run cold = { .addr = MODEL_AT, .slow_count = 300, .fast_count = 2000,
				 .fast_ns = 1500, .storage_bytes = 100 * MIB };

static void test_warm_run(void **state)
{
	struct run run = cold;

	(void)state;
	run.slow_count = 0;
	run.storage_bytes = 0;
	check(&run, NULL, NULL, NULL);
}

static void test_cold_load(void **state)
{
	struct run run = cold;

	(void)state;
	check(&run, "cold_faults", "prompt", "-lm none");
	run.slow_count = 98;	/* too few */
	check(&run, NULL, NULL, NULL);
}

static void test_cold_numbers(void **state)
{
	const struct report_finding *found;
	struct checked checked;

	(void)state;
	open_run(&cold, &checked);
	found = checked_finding(&checked, "cold_faults");
	assert_non_null(strstr(found->finding.statement,
			       "2,300 page faults on /models/m.gguf took 303 ms: 0 of them"));
	assert_non_null(strstr(found->finding.statement, "300 slow"));
	assert_int_equal(found->finding.saving_ns, 303 * MS);
	assert_string_equal(found->evidence[0].table, "maps");
	assert_int_equal(found->evidence[0].row, checked_row(&checked, "maps", "mapping", MODEL));
	checked_close(&checked);
}

/* Nobody can ask for libraries to be read at once. */
static void test_cold_library(void **state)
{
	struct run run = cold;

	(void)state;
	run.prot = PROT_EXEC;
	check(&run, NULL, NULL, NULL);
}

static void test_random_access(void **state)
{
	struct run run = cold;

	(void)state;
	run.advice = MADV_RANDOM;
	check(&run, "random_faults", "prompt", "--numa");
	run.slow_count = 0;
	check(&run, NULL, NULL, NULL);
}

/* 150 MiB in all of a file of 128 MiB: some came twice. */
static void test_model_that_does_not_stay(void **state)
{
	const struct report_finding *found;
	struct run run = cold;
	struct checked checked;

	(void)state;
	run.storage_bytes = 140 * MIB;
	check(&run, "model_read_again", "generation", "-lm mlock");
	open_run(&run, &checked);
	found = checked_finding(&checked, "model_read_again");
	assert_non_null(strstr(found->finding.statement, "14.0 MiB from storage"));
	assert_non_null(strstr(found->finding.statement, "64.0 MiB of memory"));
	assert_int_equal(found->evidence_count, 2);
	assert_int_equal(found->finding.saving_ns, 150 * MS);	/* in the tokens */
	checked_close(&checked);
	/* few faults among the tokens: somebody else reads */
	run.slow_count = 190;
	check(&run, "cold_faults", "prompt", "-lm none");
}

static void test_small_pages(void **state)
{
	struct run run = { .addr = BEHIND, .fast_count = 32768, .fast_ns = 2000,
			   .huge_mode = "always [madvise] never" };

	(void)state;
	check(&run, "small_pages", "prompt", "hugetlb=1");
	run.huge_mode = "always madvise [never]";
	check(&run, "small_pages", "prompt", "echo madvise");
	run.huge_mode = "[always] madvise never";
	check(&run, NULL, NULL, NULL);
	run.huge_mode = "always [madvise] never";
	run.advice = MADV_HUGEPAGE;
	check(&run, NULL, NULL, NULL);
	run.advice = MADV_NOHUGEPAGE;
	check(&run, "small_pages", "prompt", "hugetlb=1");
	run.huge_count = 40;
	check(&run, NULL, NULL, NULL);
	run.huge_count = 0;
	run.fast_ns = 1500;	/* 49 ms */
	check(&run, NULL, NULL, NULL);
	run.fast_count = 999;
	run.fast_ns = 100000;
	check(&run, NULL, NULL, NULL);
	run.addr = MODEL_AT;
	run.fast_count = 32768;
	run.fast_ns = 2000;
	check(&run, NULL, NULL, NULL);
}

static void test_no_ranking_of_a_part(void **state)
{
	struct run run = cold;

	(void)state;
	run.taken_count = 2071;
	check(&run, "cold_faults", "prompt", "-lm none");
	run.taken_count = 2069;
	check(&run, NULL, NULL, NULL);
}

/* The load is one call that nothing else shows. */
static void test_populate(void **state)
{
	struct trace_builder *builder = faults_begin(path, RINGS);
	const struct report_finding *found;
	struct checked checked;
	struct lt_ev_map map = { .head.time = 900 * MS, .addr = MODEL_AT, .fd = MODEL_FD,
				 .length_bytes = MODEL_BYTES, .prot = PROT_READ,
				 .flags = MAP_SHARED | MAP_POPULATE, .duration_ns = 500 * MS,
				 .minor_fault_count = 2048 };

	(void)state;
	faults_open_model(builder, 1010, MODEL_BYTES);
	builder_event(builder, LT_KIND_map, LT_map_call_mmap, &map);
	builder_flush(builder, THREAD);
	faults_sample(builder, 2000, 0, 0);
	faults_sample(builder, 999 * MS, 2048, MODEL_BYTES);
	builder_flush(builder, WRITER);
	builder_finish(builder, true);
	checked_open(&checked, path, NULL);
	found = checked_finding(&checked, "mmap_populate");
	assert_non_null(found);
	assert_int_equal(found->finding.severity, SEVERITY_INFO);
	assert_non_null(strstr(found->finding.statement, "500 ms were spent inside mmap"));
	assert_non_null(strstr(found->finding.statement, "128 MiB from storage"));
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
		cmocka_unit_test(test_warm_run),
		cmocka_unit_test(test_cold_load),
		cmocka_unit_test(test_cold_numbers),
		cmocka_unit_test(test_cold_library),
		cmocka_unit_test(test_random_access),
		cmocka_unit_test(test_model_that_does_not_stay),
		cmocka_unit_test(test_small_pages),
		cmocka_unit_test(test_no_ranking_of_a_part),
		cmocka_unit_test(test_populate),
	};

	return cmocka_run_group_tests_name("fault findings", tests, make_path, remove_path);
}
