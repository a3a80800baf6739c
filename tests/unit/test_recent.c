/* SPDX-License-Identifier: MIT */
/*
 * Addresses as distances: through a file and back, bytes of the format document, columns that are
 * torn or lie, and a table with a codec of the future.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decode_recent.h"
#include "llmtrace/wire.h"
#include "trace.h"
#include "trace_builder.h"

#define SLOTS 64u
#define EVENTS 3000u

static char path[] = "test_recent.XXXXXX";

/* ---- through a file ---- */
/* What the events of a round do: the same sequence of numbers for writing and for checking. */
static uint64_t addr_of(unsigned round, unsigned number)
{
	uint64_t mixed = (number * 2654435761u ^ round * 97u) * 0x9e3779b97f4a7c15u;

	switch (round % 4) {
	case 0: /* a loop over few blocks */
		return 0x7f0000001000u + number % 7 * 48;
	case 1: /* few blocks in any order, some calls without one */
		return mixed >> 60 ? 0x5500000000f0u + (mixed >> 58) * 16 : 0;
	case 2: /* never the same one, any bits */
		return mixed;
	default: /* now and then far apart, the highest one too */
		return mixed >> 62 ? UINT64_MAX - (mixed >> 52) : mixed | 1;
	}
}

static unsigned kind_of(unsigned number)
{
	static const uint8_t kinds[] = {LT_KIND_alloc,	    LT_KIND_free,	   LT_KIND_alloc,
					LT_KIND_map,	    LT_KIND_realloc_begin, LT_KIND_unmap,
					LT_KIND_phase_begin};

	return kinds[number * 2654435761u % sizeof(kinds)];
}

static void add_event(struct trace_builder *builder, unsigned round, unsigned number)
{
	_Alignas(8) uint8_t record[512] = {0};
	unsigned kind = kind_of(number);

	((struct lt_record *)record)->time = 1000 + number;
	if (kind != LT_KIND_phase_begin)
		((struct lt_ev_alloc *)record)->addr = addr_of(round, number);
	builder_event(builder, kind, 0, record);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 8; round++) {
		struct trace_builder *builder = builder_new(path);
		struct trace_batch batch;
		struct trace *trace;
		struct error error;
		unsigned number = 0;

		builder_start(builder);
		for (unsigned i = 0; i < EVENTS; i++) {
			add_event(builder, round, i);
			if (i % 1000 == 900)
				builder_flush(builder, 2);
		}
		builder_flush(builder, 2);
		builder_finish(builder, true);
		assert_int_equal(trace_open(path, NULL, &trace, &error), 0);
		while (trace_next_batch(trace, &batch))
			for (size_t i = 0; i < batch.count; i++, number++) {
				const struct lt_record *record = batch.records[i];

				assert_int_equal(LT_STATE_KIND(record->state), kind_of(number));
				if (kind_of(number) == LT_KIND_phase_begin)
					continue;
				assert_int_equal(((const struct lt_ev_alloc *)record)->addr,
						 addr_of(round, number));
			}
		assert_int_equal(number, EVENTS);
		assert_false(trace_facts(trace)->is_damaged);
		trace_close(trace);
	}
}

/* ---- single columns ---- */
struct column {
	unsigned kind;
	unsigned codec;
	const uint8_t *bytes;
	size_t length;
};

/* Runs a walk over copies of the columns that end where their memory ends. */
static bool walk(const struct column *columns, size_t column_count, const uint8_t *kinds,
		 size_t event_count, uint64_t *ret_addrs)
{
	struct recent_walk *walk = malloc(sizeof(*walk));
	uint64_t *sequence = malloc((event_count + 1) * sizeof(*sequence));
	uint8_t *copies[8];
	bool is_right = true;

	recent_walk_begin(walk);
	for (size_t i = 0; i < column_count; i++) {
		const struct column *column = &columns[i];
		struct column_in in = {
			.length = column->length, .codec = column->codec, .element_count = 1};
		size_t count = 0;

		for (size_t j = 0; j < event_count; j++)
			count += kinds[j] == column->kind;
		copies[i] = malloc(column->length + 1);
		/* the byte that must not be read is the first behind the copy */
		in.bytes = copies[i] = realloc(copies[i], column->length ? column->length : 1);
		memcpy(copies[i], column->bytes, column->length);
		is_right &= recent_walk_add(walk, column->kind, &in, count,
					    column->kind == 1 ? (uint8_t *)ret_addrs : NULL, 8);
	}
	is_right = is_right && recent_walk_run(walk, kinds, event_count, sequence);
	for (size_t i = 0; i < column_count; i++)
		free(copies[i]);
	free(sequence);
	free(walk);
	return is_right;
}

/*
 * Events of kinds 1 2 1 9 1 1 1. Kind 1 gets new 0x30, then distance 2: what it had itself; kind 2,
 * which nobody wants, had new 0x500 between; kind 9 has no such column. Then NULL, which does not
 * count, new 0x10, and distance 3.
 */
static const uint8_t seven_kinds[] = {1, 2, 1, 9, 1, 1, 1};
static const uint8_t codes_1[] = {1, 3, 0, 1, 4};
static const uint8_t news_1[] = {4, 6, 3};
static const uint8_t codes_2[] = {1};
static const uint8_t news_2[] = {0, 0x80, 0x14};
static const struct column good[] = {
	{1, LT_CODEC_recent, codes_1, sizeof(codes_1)},
	{1, LT_CODEC_new, news_1, sizeof(news_1)},
	{2, LT_CODEC_recent, codes_2, sizeof(codes_2)},
	{2, LT_CODEC_new, news_2, sizeof(news_2)},
};

static void test_bytes(void **state)
{
	const uint64_t wanted[] = {0x30, 0x30, 0, 0x10, 0x500};
	uint64_t addrs[5];

	(void)state;
	assert_true(walk(good, 4, seven_kinds, sizeof(seven_kinds), addrs));
	assert_memory_equal(addrs, wanted, sizeof(wanted));
}

static void test_torn_columns(void **state)
{
	uint64_t addrs[5];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t length = 0; length < good[i].length; length++) {
			struct column torn[4];

			memcpy(torn, good, sizeof(torn));
			torn[i].length = length;
			assert_false(walk(torn, 4, seven_kinds, sizeof(seven_kinds), addrs));
		}
	assert_false(walk(good, 1, seven_kinds, sizeof(seven_kinds), addrs));
}

static void test_lies(void **state)
{
	static const uint8_t too_far[] = {1, 4, 0, 1, 4};
	static const uint8_t from_the_start[] = {2, 1, 1, 1, 1};
	static const uint8_t wide_shift[] = {64, 6, 3};
	static const uint8_t huge[] = {1,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				       0xff, 0xff, 0xff, 1,    1,    1,	   1};
	struct column lying[8];
	uint64_t addrs[5];

	(void)state;
	memcpy(lying, good, sizeof(good));
	lying[0] = (struct column){1, LT_CODEC_recent, too_far, sizeof(too_far)};
	assert_false(walk(lying, 4, seven_kinds, sizeof(seven_kinds), addrs));
	lying[0] = (struct column){1, LT_CODEC_recent, from_the_start, sizeof(from_the_start)};
	assert_false(walk(lying, 4, seven_kinds, sizeof(seven_kinds), addrs));
	lying[0] = (struct column){1, LT_CODEC_recent, huge, sizeof(huge)};
	assert_false(walk(lying, 4, seven_kinds, sizeof(seven_kinds), addrs));
	lying[0] = good[0];
	lying[1] = (struct column){1, LT_CODEC_new, wide_shift, sizeof(wide_shift)};
	assert_false(walk(lying, 4, seven_kinds, sizeof(seven_kinds), addrs));
	lying[1] = good[1];
	lying[4] = good[0]; /* the codes of a kind twice */
	assert_false(walk(lying, 5, seven_kinds, sizeof(seven_kinds), addrs));
}

static void test_too_many_columns(void **state)
{
	struct recent_walk *many = malloc(sizeof(*many));
	struct column_in in = {codes_2, 1, LT_CODEC_recent, 1};

	(void)state;
	recent_walk_begin(many);
	for (unsigned kind = 1; kind <= RECENT_MAX_COLUMNS; kind++)
		assert_true(recent_walk_add(many, kind, &in, 1, NULL, 0));
	assert_false(recent_walk_add(many, 255, &in, 1, NULL, 0));
	in.codec = LT_CODEC_new;
	in.element_count = 2;
	assert_false(recent_walk_add(many, 2, &in, 1, NULL, 0));
	free(many);
}

/* Whatever is in the columns, nothing beyond them is read and no address beyond the events stored.
 */
static void test_noise(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		uint8_t bytes[4][200], kinds[SLOTS];
		uint64_t addrs[SLOTS];
		struct column noise[4];
		size_t count = (size_t)rand() % SLOTS + 1;

		for (size_t i = 0; i < count; i++)
			kinds[i] = (uint8_t)(1 + rand() % 3);
		for (unsigned i = 0; i < 4; i++) {
			int narrow = rand() % 8;

			noise[i] = good[i];
			noise[i].bytes = bytes[i];
			noise[i].length = (size_t)rand() % sizeof(bytes[i]);
			for (size_t j = 0; j < sizeof(bytes[i]); j++)
				bytes[i][j] = (uint8_t)(rand() % 256 >> narrow);
		}
		walk(noise, 4, kinds, count, addrs);
	}
}

/* ---- codecs of the future ---- */
static void put_text(struct lt_wire_out *out, const char *text)
{
	lt_put_text(out, text, strlen(text));
}

static int open_with_codec(const char *field, unsigned codec, struct error *ret_error)
{
	struct trace_builder *builder = builder_new(path);
	uint8_t table[256];
	struct lt_wire_out out = {table, table + sizeof(table), false};
	struct trace *trace;
	int result;

	lt_put_varint(&out, 1);
	lt_put_varint(&out, LT_KIND_alloc);
	put_text(&out, "alloc");
	put_text(&out, "alloc_call");
	lt_put_varint(&out, LT_GROUP_heap);
	lt_put_varint(&out, 1);
	put_text(&out, field);
	lt_put_varint(&out, LT_TYPE_u64);
	lt_put_varint(&out, LT_UNIT_addr);
	lt_put_varint(&out, codec);
	lt_put_varint(&out, 1);
	lt_put_varint(&out, 0);
	builder_start_with_table(builder, table, (size_t)(out.at - table));
	builder_finish(builder, true);
	result = trace_open(path, NULL, &trace, ret_error);
	trace_close(trace);
	return result;
}

static void test_unknown_codec(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(open_with_codec("addr", LT_CODEC_recent, &error), 0);
	assert_int_equal(open_with_codec("colour", 99, &error), 0);
	assert_int_equal(open_with_codec("addr", 99, &error), EXIT_UNUSABLE);
	assert_non_null(strstr(error.text, "`addr`"));
	assert_non_null(strstr(error.text, "newer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	 cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_torn_columns),	 cmocka_unit_test(test_lies),
		cmocka_unit_test(test_too_many_columns), cmocka_unit_test(test_noise),
		cmocka_unit_test(test_unknown_codec),
	};
	int file = mkstemp(path), result;

	if (file < 0)
		return 1;
	close(file);
	result = cmocka_run_group_tests_name("recent", tests, NULL, NULL);
	unlink(path);
	return result;
}
