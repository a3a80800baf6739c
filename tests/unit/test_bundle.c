/* SPDX-License-Identifier: MIT */
/*
 * Bundles: their members are blocks of their streams like any other, in time order with them, once
 * and without a gap; directories that lie are damage and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks_bundle.h"
#include "trace.h"
#include "trace_builder.h"

static char path[] = "test_bundle.XXXXXX";

struct reading {
	unsigned count;
	uint32_t streams[64];
	uint64_t addrs[64];
	bool is_damaged;
};

static struct reading read_all(void)
{
	struct reading reading = {0};
	struct trace_batch batch;
	struct trace *trace;
	struct error error;

	assert_int_equal(trace_open(path, NULL, &trace, &error), 0);
	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++) {
			const struct lt_ev_alloc *alloc = (const void *)batch.records[i];

			assert_in_range(reading.count, 0, 63);
			reading.addrs[reading.count] = alloc->addr;
			reading.streams[reading.count++] = batch.stream;
		}
	reading.is_damaged = trace_facts(trace)->is_damaged;
	trace_close(trace);
	return reading;
}

/* Stream 2 in a block, in two bundles and in a block again; streams 3 and 4 between. */
static void test_order(void **state)
{
	static const uint32_t streams[] = {2, 2, 3, 2, 4, 3, 2, 2};
	struct trace_builder *builder = builder_new(path);
	struct reading reading;

	(void)state;
	builder_start(builder);
	builder_alloc(builder, 1000, 0, 0x1000, 1);
	builder_flush(builder, 2);
	builder_alloc(builder, 1001, 0, 0x1001, 1);
	builder_alloc(builder, 1003, 0, 0x1003, 1);
	builder_flush_part(builder, 2);
	builder_alloc(builder, 1002, 0, 0x1002, 1);
	builder_alloc(builder, 1005, 0, 0x1005, 1);
	builder_flush_part(builder, 3);
	builder_write_bundle(builder);
	builder_alloc(builder, 1006, 0, 0x1006, 1);
	builder_flush_part(builder, 2);
	builder_alloc(builder, 1004, 0, 0x1004, 1);
	builder_flush_part(builder, 4);
	builder_write_bundle(builder);
	builder_alloc(builder, 1007, 0, 0x1007, 1);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	reading = read_all();
	assert_false(reading.is_damaged);
	assert_int_equal(reading.count, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(reading.addrs[i], 0x1000 + i);
		assert_int_equal(reading.streams[i], streams[i]);
	}
}

/* A gap before a member is a loss, as before a block. */
static void test_gap(void **state)
{
	struct trace_builder *builder = builder_new(path);

	(void)state;
	builder_start(builder);
	for (unsigned i = 0; i < 2; i++) {
		builder_alloc(builder, 1000 + i, 0, 0x1000, 1);
		builder_flush_part(builder, 2);
		builder_alloc(builder, 1000 + i, 0, 0x2000, 1);
		builder_flush_part(builder, 3);
		builder_write_bundle(builder);
		builder_skip_slots(builder, 3, 5);
	}
	builder_finish(builder, true);
	assert_true(read_all().is_damaged);
}

/* ---- directories ---- */
static const uint8_t directory[] = {
	2,			/* members */
	2, 10,	 3, 0, 7, 1, 4, /* stream, position, slots, begin, length, events, bytes */
	3, 0x80, 1, 5, 2, 1, 2, 3, 1, 2, 3, 4, 5, 6, 7, /* the parts */
};

static const char *begin(const uint8_t *bytes, size_t length, uint32_t event_count,
			 struct bundle_walk *walk, struct block *bundle)
{
	*bundle = (struct block){
		.payload_offset = 100,
		.begin_ns = 1000,
		.end_ns = 2000,
		.time_shift = 4,
		.payload_bytes = (uint32_t)length,
		.raw_bytes = (uint32_t)length,
		.compressed_bytes = (uint32_t)length,
		.event_count = event_count,
		.type = LT_BLOCK_BUNDLE,
	};
	return bundle_begin(walk, bundle, bytes);
}

static void test_directory(void **state)
{
	struct bundle_walk walk;
	struct block bundle, member;

	(void)state;
	assert_null(begin(directory, sizeof(directory), 3, &walk, &bundle));
	assert_true(bundle_next(&walk, &member));
	assert_int_equal(member.type, LT_BLOCK_EVENTS);
	assert_int_equal(member.stream, 2);
	assert_int_equal(member.first_position, 10);
	assert_int_equal(member.end_position, 13);
	assert_int_equal(member.begin_ns, 1000);
	assert_int_equal(member.end_ns, 1000 + (7 << 4));
	assert_int_equal(member.part_offset, sizeof(directory) - 7);
	assert_int_equal(member.raw_bytes, 4);
	assert_true(bundle_next(&walk, &member));
	assert_int_equal(member.stream, 3);
	assert_int_equal(member.first_position, 128);
	assert_int_equal(member.begin_ns, 1000 + (2 << 4));
	assert_int_equal(member.part_offset, sizeof(directory) - 3);
	assert_int_equal(member.event_count, 2);
	assert_false(bundle_next(&walk, &member));
}

static void test_lying_directories(void **state)
{
	/* one member each: positions that wrap around, and a length whose low 32 bits would fit */
	static const uint8_t far[] = {1,    2,	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 1,	1,    0,    0,	  1,	0};
	static const uint8_t wide[] = {1, 2, 0, 1, 0, 0, 1, 0x81, 0x80, 0x80, 0x80, 0x10, 7};
	struct bundle_walk walk;
	struct block bundle, member;
	uint8_t bytes[sizeof(directory)];

	(void)state;
	/* cut anywhere: the parts no longer fit */
	for (size_t length = 0; length < sizeof(directory); length++) {
		uint8_t *copy = malloc(length + 1);

		memcpy(copy, directory, length);
		assert_non_null(begin(copy, length, 3, &walk, &bundle));
		free(copy);
	}
	assert_non_null(begin(directory, sizeof(directory), 4, &walk, &bundle));
	assert_non_null(begin(far, sizeof(far), 1, &walk, &bundle));
	assert_non_null(begin(wide, sizeof(wide), 1, &walk, &bundle));
	srand(3);
	for (int round = 0; round < 100000; round++) {
		uint64_t end = 0;

		memcpy(bytes, directory, sizeof(bytes));
		for (int i = 0; i <= rand() % 4; i++)
			bytes[(size_t)rand() % sizeof(bytes)] = (uint8_t)rand();
		if (begin(bytes, sizeof(bytes), (uint32_t)(rand() % 9), &walk, &bundle))
			continue;
		while (bundle_next(&walk, &member)) {
			end = (uint64_t)member.part_offset + member.raw_bytes;
			assert_true(end <= sizeof(bytes));
			assert_true(member.first_position <= member.end_position);
		}
	}
}

/* 100 members of nothing, in a payload that compresses to less than they are. */
static void test_members_of_nothing(void **state)
{
	static const uint8_t nothing[1 + 100 * 7] = {100};
	struct bundle_walk walk;
	struct block bundle;

	(void)state;
	assert_null(begin(nothing, sizeof(nothing), 0, &walk, &bundle));
	bundle.compressed_bytes = 99;
	assert_non_null(bundle_begin(&walk, &bundle, nothing));
}

/* A bundle whose checksum is right and whose content is not. */
static void test_lying_payload(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct lt_block_header block = {.type = LT_BLOCK_BUNDLE,
					.begin_ns = 1000,
					.end_ns = 2000,
					.event_count = 3,
					.time_shift = 4};

	(void)state;
	builder_start(builder);
	builder_raw_block(builder, &block, directory, 9);
	builder_raw_block(builder, &block, directory, sizeof(directory));
	builder_alloc(builder, 3000, 0, 0x1000, 1);
	builder_flush(builder, 9);
	builder_finish(builder, true);
	assert_int_equal(read_all().count, 1);
	assert_true(read_all().is_damaged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_gap),
		cmocka_unit_test(test_directory),     cmocka_unit_test(test_lying_directories),
		cmocka_unit_test(test_members_of_nothing),
		cmocka_unit_test(test_lying_payload),
	};
	int file = mkstemp(path), result;

	if (file < 0)
		return 1;
	close(file);
	result = cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
	unlink(path);
	return result;
}
