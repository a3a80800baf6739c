/* SPDX-License-Identifier: MIT */
/*
 * The whole report of broken input in one process: a trace and a pool that are cut at every byte
 * (of a pool: at every byte that is not behind zeros), exit codes by the contract, never more events
 * than the whole file has, memory and time that follow the size of the file. The reader's own tests
 * of damage are in test_damage.c and test_pool.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analysis.h"
#include "completeness.h"
#include "demangle.h"
#include "pool_builder.h"
#include "regular_file.h"
#include "render.h"
#include "scrub.h"
#include "trace_builder.h"

static char trace_path[32], pool_path[64];
static int trace_fd, pool_fd;

struct outcome {
	int code;
	uint64_t event_count, read_count;
};

static int print_report(struct trace *trace, struct error *ret_error)
{
	struct symbols_options options = { .is_disk_ignored = true };
	struct symbols *symbols = symbols_new(trace, &options);
	struct report *report = report_new();
	struct render_options how = { 0 };
	FILE *out = fopen("/dev/null", "we");

	assert_non_null(symbols);
	assert_non_null(out);
	assert_int_equal(analysis_run(trace, symbols, NULL, NULL, report, ret_error), 0);
	render_json(report, &how, out);
	render_text(report, &how, out);
	fclose(out);
	report_free(report);
	symbols_free(symbols);
	return completeness(trace, ret_error);
}

static uint64_t count_events(struct trace *trace)
{
	struct trace_batch batch;
	uint64_t count = 0;

	trace_rewind(trace);
	while (trace_next_batch(trace, &batch))
		count += batch.count;
	return count;
}

static struct outcome report_file(void)
{
	struct trace_options options = { .thread_count = 1 };
	struct outcome outcome = { 0 };
	struct trace *trace;
	struct error error;

	outcome.code = trace_open(trace_path, &options, &trace, &error);
	if (outcome.code)
		return outcome;
	outcome.code = print_report(trace, &error);
	outcome.read_count = count_events(trace);
	outcome.event_count = trace_facts(trace)->event_count;
	trace_close(trace);
	return outcome;
}

/* pool: NULL, or where the header's pool is made. */
static struct trace_builder *begin_trace(struct pool_builder **pool)
{
	const uint64_t frames[] = { 1, 0x1010, 1, 0x1020 };
	struct trace_builder *builder = builder_new(trace_path);

	if (pool) {
		strcpy(builder_header(builder)->pool_path, pool_path);
		builder_header(builder)->start_ns = POOL_START_NS;
		*pool = pool_builder_new(builder_header(builder));
	}
	builder_start(builder);
	builder_meta(builder, "exe", "/bin/true");
	builder_module(builder, 1, 0x400000, 0x500000, "id", 2, "/bin/true");
	builder_symbol(builder, 1, 0x1000, 0x100, "main");
	builder_stack(builder, 1, frames, 2);
	builder_stream(builder, 2, 77, 1000);
	return builder;
}

static void build_trace(void)
{
	struct trace_builder *builder = begin_trace(NULL);
	struct lt_ev_map map = { .addr = 0x10000, .length_bytes = 8192, .fd = -1 };
	struct lt_ev_unmap unmap = { .addr = 0x10000, .length_bytes = 4096 };

	for (uint64_t i = 0; i < 3; i++) {
		builder_alloc(builder, 2000 + i * 100, 1, 0x1000 + i * 64, 24);
		map.head.time = 2010 + i * 100;
		builder_event(builder, LT_KIND_map, LT_map_call_mmap, &map);
		unmap.head.time = 2020 + i * 100;
		builder_event(builder, LT_KIND_unmap, 0, &unmap);
		builder_free(builder, 2030 + i * 100, 1, 0x1000 + i * 64);
		builder_flush(builder, 2);
	}
	builder_finish(builder, true);
}

static uint8_t *load(int fd, size_t *ret_length)
{
	off_t length = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)length);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)length, 0), length);
	*ret_length = (size_t)length;
	return bytes;
}

static void test_trace_cut_at_every_byte(void **state)
{
	struct outcome whole, before = { 0 };
	size_t length;
	uint8_t *bytes;

	(void)state;
	build_trace();
	whole = report_file();
	assert_int_equal(whole.code, 0);
	assert_int_equal(whole.read_count, 12);
	bytes = load(trace_fd, &length);
	for (size_t at = 0; at < length; at++) {
		struct outcome outcome;

		assert_int_equal(ftruncate(trace_fd, 0), 0);
		assert_int_equal(pwrite(trace_fd, bytes, at, 0), (ssize_t)at);
		outcome = report_file();
		if (outcome.code != EXIT_UNUSABLE && outcome.code != EXIT_DATA_MISSING)
			fail_msg("cut at %zu: exit code %d", at, outcome.code);
		if (outcome.read_count < before.read_count || outcome.read_count > 12)
			fail_msg("cut at %zu: %llu events", at,
				 (unsigned long long)outcome.read_count);
		before = outcome;
	}
	assert_int_equal(before.read_count, 12);
	free(bytes);
}

static void build_pool(void)
{
	const uint64_t addrs[] = { 0x401010, 0x401020 };
	struct pool_builder *pool;
	struct trace_builder *builder = begin_trace(&pool);
	uint32_t stack = pool_intern_stack(pool, 0, addrs, 2);

	for (uint64_t i = 0; i < 3; i++)
		pool_ring_alloc(pool_builder_ring(pool), 10 + i, stack, 0x1000 + i);
	pool_builder_finish(pool, pool_path);
	builder_flush_definitions(builder);
	builder_finish(builder, false);
}

/* A cut inside zeros is as good as one behind them: every byte that is none, and its neighbours. */
static void test_pool_cut_at_every_byte(void **state)
{
	struct outcome whole, outcome;
	size_t length;
	uint8_t *bytes;

	(void)state;
	build_pool();
	whole = report_file();
	assert_int_equal(whole.code, 0);
	assert_in_range(whole.read_count, 4, 4);	/* and the ring's counters */
	bytes = load(pool_fd, &length);
	for (size_t at = length; at-- > 0;) {
		if (!bytes[at] && (at + 1 == length || !bytes[at + 1]) && (!at || !bytes[at - 1]))
			continue;
		assert_int_equal(ftruncate(pool_fd, (off_t)at), 0);
		outcome = report_file();
		if (outcome.code != 0 && outcome.code != EXIT_DATA_MISSING)
			fail_msg("pool cut at %zu: exit code %d", at, outcome.code);
		if (outcome.read_count > whole.read_count)
			fail_msg("pool cut at %zu: too many events", at);
	}
	assert_int_equal(outcome.code, EXIT_DATA_MISSING);
	free(bytes);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A few hundred bytes that claim much: what they take follows what they are. */
static void test_small_file_that_claims_much(void **state)
{
	const uint8_t payload[] = { 0xff, 0xff, 0x3f, 2, 0, 0, 0, 1, 0xff, 0xff, 0x3f };
	struct lt_block_header header = { .type = LT_BLOCK_EVENTS, .stream = 0xffffff,
					  .event_count = 1u << 20, .end_position = UINT64_MAX };
	struct rusage before, after;
	double begin = cpu_seconds();

	(void)state;
	getrusage(RUSAGE_SELF, &before);
	for (unsigned type = LT_BLOCK_TABLE; type <= LT_BLOCK_POOL; type++) {
		struct trace_builder *builder = begin_trace(NULL);

		header.type = (uint16_t)type;
		for (unsigned i = 0; i < 4; i++)
			builder_raw_block(builder, &header, payload, sizeof(payload));
		builder_finish(builder, true);
		/* parts of a pool without the last one are as good as none */
		assert_int_equal(report_file().code,
				 type == LT_BLOCK_POOL ? 0 : EXIT_DATA_MISSING);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 300 * 1024);
	assert_true(cpu_seconds() - begin < 10);
}

/* Arrays over streams must have a place for a LIVE block of a stream that nothing else names. */
static void test_live_block_of_any_stream(void **state)
{
	static const uint32_t streams[] = { 40, (1u << 24) - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		struct trace_builder *builder = begin_trace(NULL);
		struct lt_ev_live_block event = { .head = { .time = 2000 }, .addr = 0x1000,
						  .size_bytes = 100 };

		builder_event(builder, LT_KIND_live_block, 0, &event);
		builder_flush_live(builder, streams[i]);
		builder_finish(builder, true);
		assert_int_equal(report_file().code, 0);
	}
}

/* Nobody writes a block of more events than a ring holds; a few bytes could stand for millions. */
static void test_block_of_too_many_events(void **state)
{
	(void)state;
	for (unsigned count = 8192; count <= 8193; count++) {
		struct trace_builder *builder = begin_trace(NULL);

		for (unsigned i = 0; i < count; i++)
			builder_alloc(builder, 2000 + i, 1, 0x1000 + i * 64, 24);
		builder_flush(builder, 2);
		builder_finish(builder, true);
		assert_int_equal(report_file().code, count > 8192 ? EXIT_DATA_MISSING : 0);
	}
}

/* Every extent of a saved pool is the same arena: scrub reads it once. */
static void test_scrub_of_overlapping_arenas(void **state)
{
	struct pool_builder *pool;
	struct trace_builder *builder = begin_trace(&pool);
	struct lt_pool_header *header = pool_builder_header(pool);
	struct lt_block_header part = { .type = LT_BLOCK_POOL, .flags = LT_BLOCK_IS_LAST_PART };
	char out_path[80], text[1000] = "";
	struct error error;
	size_t length;
	uint8_t *bytes;
	double begin;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = i % 4 ? 'a' : '/';
	for (unsigned i = 0; i < LT_ARENA_BYTES / sizeof(text) - 64; i++)
		pool_intern_string(pool, 0, text);
	for (; header->extent_count < LT_EXTENT_MAX; header->extent_count++)
		header->extents[header->extent_count] = header->extents[1];
	pool_builder_finish(pool, pool_path);
	bytes = load(pool_fd, &length);
	part.end_position = length;
	builder_raw_block(builder, &part, bytes, length);
	builder_finish(builder, false);
	free(bytes);
	snprintf(out_path, sizeof(out_path), "%s.scrubbed", pool_path);
	begin = cpu_seconds();
	assert_int_equal(scrub_run(trace_path, out_path, &error), 0);
	assert_true(cpu_seconds() - begin < 2);
	unlink(out_path);
}

/* Killed, or its trace could not be written: nobody can tell, so nobody says killed. */
static void test_trace_without_its_end(void **state)
{
	struct trace_options options = { .thread_count = 1 };
	struct trace *trace;
	struct error error;

	(void)state;
	builder_finish(begin_trace(NULL), false);
	assert_int_equal(trace_open(trace_path, &options, &trace, &error), 0);
	assert_int_equal(completeness(trace, &error), EXIT_DATA_MISSING);
	assert_non_null(strstr(error.text, "ended without closing"));
	assert_null(strstr(error.text, "killed"));
	trace_close(trace);
}

/* A trace names files of modules and pools; what is none of those is not even opened. */
static void test_regular_files_alone(void **state)
{
	char path[80], link[80];
	int fd;

	(void)state;
	assert_int_equal(regular_file_open("/dev/null", 0), -1);
	assert_int_equal(regular_file_open("/", 0), -1);
	snprintf(path, sizeof(path), "%s.fifo", pool_path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(regular_file_open(path, 0), -1);
	unlink(path);
	snprintf(link, sizeof(link), "%s.link", pool_path);
	assert_int_equal(symlink(pool_path, link), 0);
	assert_int_equal(regular_file_open(link, O_NOFOLLOW), -1);
	fd = regular_file_open(link, 0);
	assert_true(fd >= 0);
	close(fd);
	unlink(link);
}

/* 1 << 60 times `std::pair<...>`, in 700 bytes: stays as it is. */
static void test_name_that_stands_for_gigabytes(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char name[2048] = "_Z1fSt4pairIiiE", *shown;

	(void)state;
	for (int i = 0; i < 60; i++) {
		const char part[4] = { '1', digits[i % 36], '_', 0 };
		const char *id = i < 36 ? part + 1 : part;
		size_t at = strlen(name);

		snprintf(name + at, sizeof(name) - at, "S_IS%sS%sE", id, id);
	}
	shown = demangle_name(name);
	assert_string_equal(shown, name);
	free(shown);
	shown = demangle_name("_Z1fSt4pairIiiES_IS0_S0_E");
	assert_string_equal(shown, "f");
	free(shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace_cut_at_every_byte),
		cmocka_unit_test(test_pool_cut_at_every_byte),
		cmocka_unit_test(test_small_file_that_claims_much),
		cmocka_unit_test(test_live_block_of_any_stream),
		cmocka_unit_test(test_scrub_of_overlapping_arenas),
		cmocka_unit_test(test_block_of_too_many_events),
		cmocka_unit_test(test_regular_files_alone),
		cmocka_unit_test(test_trace_without_its_end),
		cmocka_unit_test(test_name_that_stands_for_gigabytes),
	};
	int result;

	trace_fd = memfd_create("trace", MFD_CLOEXEC);
	/* the report follows no links, not even those of /proc */
	snprintf(pool_path, sizeof(pool_path), "/dev/shm/test_hostile-%d.pool", getpid());
	pool_fd = open(pool_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (trace_fd < 0 || pool_fd < 0)
		return 1;
	snprintf(trace_path, sizeof(trace_path), "/proc/self/fd/%d", trace_fd);
	result = cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
	unlink(pool_path);
	return result;
}
