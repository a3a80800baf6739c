/* SPDX-License-Identifier: MIT */
/*
 * Hostile and broken traces: cut at every byte, every byte flipped, junk in between, wrong and
 * future formats. The reader may refuse or report; it must not crash, and what is whole must be
 * delivered. Worth most when built with -fsanitize=address,undefined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blocks.h"
#include "trace.h"
#include "trace_builder.h"

#define EVENTS_PER_BLOCK 6
#define BLOCKS 4

/* In memory: on a disk each of thousands of short files is flushed when it is closed. */
static char path[32];

struct reading {
	int result;
	uint64_t event_count;
	uint64_t time_sum;
	bool is_damaged, is_cut, is_complete;
	uint64_t damage_event_count;
	char text[256];
};

static void build(void)
{
	struct trace_builder *builder = builder_new(path);
	const uint64_t frames[] = { 1, 0x1010, 1, 0x1020 };
	struct lt_ev_io_run run = { .head.time = 1500, .count = 3, .site_stack = { 1, 99 } };

	builder_start(builder);
	builder_meta(builder, "exe", "/bin/true");
	builder_module(builder, 1, 0x400000, 0x500000, "id", 2, "/bin/true");
	builder_symbol(builder, 1, 0x1000, 0x100, "main");
	builder_string(builder, 1, "name");
	builder_stack(builder, 1, frames, 2);
	builder_stream(builder, 2, 77, 1000);
	for (uint64_t block = 0; block < BLOCKS; block++) {
		for (uint64_t i = 0; i < EVENTS_PER_BLOCK / 2; i++) {
			builder_alloc(builder, 2000 + block * 100 + i * 10, 1, 0x1000 + i, 24);
			builder_free(builder, 2005 + block * 100 + i * 10, 1, 0x1000 + i);
		}
		if (block == 1)
			builder_event(builder, LT_KIND_io_run, LT_run_kind_fread, &run);
		builder_flush(builder, 2);
	}
	builder_finish(builder, true);
}

#define ALL_EVENTS (EVENTS_PER_BLOCK * BLOCKS + 1)

static uint8_t *load(size_t *ret_length)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = malloc(65536);

	assert_non_null(file);
	assert_non_null(bytes);
	*ret_length = fread(bytes, 1, 65536, file);
	fclose(file);
	assert_in_range(*ret_length, sizeof(struct lt_file_header) + 100, 65535);
	return bytes;
}

static void save(const uint8_t *bytes, size_t length)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	if (length)
		assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static struct reading read_all(void)
{
	struct trace_options options = { .thread_count = 2 };
	struct reading reading = { 0 };
	struct trace_batch batch;
	struct trace *trace;
	struct error error;

	reading.result = trace_open(path, &options, &trace, &error);
	if (reading.result) {
		snprintf(reading.text, sizeof(reading.text), "%.255s", error.text);
		return reading;
	}
	while (trace_next_batch(trace, &batch)) {
		for (size_t i = 0; i < batch.count; i++) {
			reading.time_sum += batch.records[i]->time;
			assert_true(batch.records[i]->stack == 0 ||
				    batch.records[i]->stack < trace_stack_limit(trace));
		}
		reading.event_count += batch.count;
	}
	reading.is_damaged = trace_facts(trace)->is_damaged;
	reading.is_cut = trace_facts(trace)->is_cut;
	reading.is_complete = trace_facts(trace)->state == TRACE_COMPLETE;
	reading.damage_event_count = trace_facts(trace)->damage_event_count;
	trace_close(trace);
	return reading;
}

static void test_whole(void **state)
{
	struct reading reading;

	(void)state;
	build();
	reading = read_all();
	assert_int_equal(reading.result, 0);
	assert_int_equal(reading.event_count, ALL_EVENTS);
	assert_false(reading.is_damaged);
	assert_true(reading.is_complete);
}

static void test_cut_at_every_byte(void **state)
{
	uint64_t previous = 0;
	size_t length;
	uint8_t *bytes;

	(void)state;
	build();
	bytes = load(&length);
	for (size_t at = 0; at < length; at++) {
		struct reading reading;

		save(bytes, at);
		reading = read_all();
		if (reading.result) {
			assert_int_equal(reading.result, EXIT_UNUSABLE);
			assert_non_null(strstr(reading.text, path));
			assert_in_range(at, 0, sizeof(struct lt_frame_header) +
						       sizeof(struct lt_file_header) - 1);
			continue;
		}
		assert_false(reading.is_complete);
		assert_true(reading.event_count >= previous);
		previous = reading.event_count;
	}
	assert_int_equal(previous, ALL_EVENTS);
	free(bytes);
}

/* A flipped byte costs at most the block that it is in. */
static void test_every_byte_flipped(void **state)
{
	size_t length;
	uint8_t *bytes;

	(void)state;
	build();
	bytes = load(&length);
	for (size_t at = 0; at < length; at++) {
		struct reading reading;

		if (at == 200)
			at = sizeof(struct lt_file_header) - 8;	/* the rest of an empty path */
		bytes[at] ^= (uint8_t)(1u << at % 8);
		save(bytes, length);
		bytes[at] ^= (uint8_t)(1u << at % 8);
		reading = read_all();
		if (reading.result) {
			assert_in_range(at, 0, 24);
			continue;
		}
		if (!reading.is_damaged && !reading.is_cut && reading.is_complete)
			fail_msg("the flip at offset %zu went unnoticed", at);
		if (reading.event_count < ALL_EVENTS - EVENTS_PER_BLOCK - 1)
			fail_msg("the flip at offset %zu cost too much", at);
	}
	free(bytes);
}

static void test_junk_between_blocks(void **state)
{
	uint8_t junk[100];
	struct trace_builder *builder;
	struct reading reading;

	(void)state;
	memset(junk, 0x51, sizeof(junk));
	builder = builder_new(path);
	builder_start(builder);
	builder_alloc(builder, 2000, 0, 0x1000, 1);
	builder_flush(builder, 2);
	builder_raw(builder, junk, sizeof(junk));
	builder_alloc(builder, 2001, 0, 0x1000, 1);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	reading = read_all();
	assert_int_equal(reading.event_count, 2);
	assert_true(reading.is_damaged);
}

/* A position that no process reaches: the estimate stays a number. */
static void test_gap_beyond_all_numbers(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct reading reading;

	(void)state;
	builder_start(builder);
	builder_stream(builder, 2, 7, 0);
	builder_alloc(builder, 100, 0, 0x1000, 8);
	builder_flush(builder, 2);
	builder_skip_slots(builder, 2, UINT64_MAX - 1000);
	for (unsigned i = 0; i < 8; i++)
		builder_alloc(builder, 200 + i, 0, 0x1000, 8);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	reading = read_all();
	assert_true(reading.is_damaged);
	assert_int_equal(reading.damage_event_count, (uint64_t)1 << 48);
}

static void test_gap_in_positions(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct reading reading;

	(void)state;
	builder_start(builder);
	for (int i = 0; i < 3; i++) {
		builder_alloc(builder, 2000, 0, 0x1000, 1);
		builder_flush(builder, 2);
		builder_skip_slots(builder, 2, i == 1 ? 5 : 0);
	}
	builder_finish(builder, true);
	reading = read_all();
	assert_int_equal(reading.event_count, 3);
	assert_int_equal(reading.damage_event_count, 5);
}

/* An exec that failed: blocks behind an end, with and without another end, and with junk. */
static void test_blocks_behind_an_end(void **state)
{
	(void)state;
	for (unsigned ends = 0; ends < 2; ends++)
		for (unsigned junk = 0; junk < 2; junk++) {
			struct trace_builder *builder = builder_new(path);
			struct reading reading;

			builder_start(builder);
			builder_alloc(builder, 2000, 0, 0x1000, 1);
			builder_flush(builder, 2);
			builder_end(builder);
			builder_alloc(builder, 2010, 0, 0x1000, 1);
			builder_flush(builder, 2);
			if (ends)
				builder_end(builder);
			if (junk)
				builder_raw(builder, "some bytes that are no frame", 28);
			builder_finish(builder, false);
			reading = read_all();
			assert_int_equal(reading.event_count, 2);
			assert_int_equal(reading.is_complete, ends);
			assert_int_equal(reading.is_damaged, junk);
		}
}

static void test_newer_major(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct reading reading;

	(void)state;
	builder_header(builder)->major = LT_FORMAT_MAJOR + 1;
	builder_start(builder);
	builder_finish(builder, true);
	reading = read_all();
	assert_int_equal(reading.result, EXIT_UNUSABLE);
	assert_non_null(strstr(reading.text, "newer"));
}

static void test_not_a_trace(void **state)
{
	struct reading reading;

	(void)state;
	save((const uint8_t *)"just some text, no trace at all", 31);
	reading = read_all();
	assert_int_equal(reading.result, EXIT_UNUSABLE);
	assert_non_null(strstr(reading.text, "not an llmtrace trace"));
	save(NULL, 0);
	reading = read_all();
	assert_int_equal(reading.result, EXIT_UNUSABLE);
	assert_non_null(strstr(reading.text, "empty"));
}

/* Payloads whose checksum is right and whose content lies. */
static void test_lying_payloads(void **state)
{
	uint8_t payload[64];

	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		struct trace_builder *builder = builder_new(path);
		struct lt_block_header block = {
			.type = (uint16_t)(1 + round % 4),
			.stream = 2,
			.event_count = 5,
			.begin_ns = 1,
			.flags = (uint16_t)(round % 4),
		};
		const uint8_t head[] = { 3, 3, 0, 0, 0, 1, 3, 0, 1, 2, 1, 3 };

		for (size_t i = 0; i < sizeof(payload); i++)
			payload[i] = (uint8_t)(rand() >> (rand() % 8));
		if (block.type == LT_BLOCK_POOL)
			block.end_position = 64;
		if (round % 2)
			memcpy(payload, head, sizeof(head));
		builder_start(builder);
		builder_raw_block(builder, &block, payload,
				  block.end_position ? 64 : (size_t)(rand() % 64) + 1);
		builder_finish(builder, true);
		read_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_byte_flipped),
		cmocka_unit_test(test_junk_between_blocks),
		cmocka_unit_test(test_gap_in_positions),
		cmocka_unit_test(test_gap_beyond_all_numbers),
		cmocka_unit_test(test_blocks_behind_an_end),
		cmocka_unit_test(test_newer_major),
		cmocka_unit_test(test_not_a_trace),
		cmocka_unit_test(test_lying_payloads),
	};
	int file = memfd_create("test_damage", MFD_CLOEXEC), result;

	if (file < 0)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	result = cmocka_run_group_tests_name("damage", tests, NULL, NULL);
	close(file);
	return result;
}
