/* SPDX-License-Identifier: MIT */
/*
 * Every kind of the event table with odd values in every field, through a file and back; and files
 * of another version: fields in another order, unknown kinds and fields, missing fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "llmtrace/wire.h"
#include "trace.h"
#include "trace_builder.h"

#define ROUNDS 40

static char path[] = "test_decode.XXXXXX";

static size_t record_bytes(const struct lt_event_info *info)
{
	size_t bytes = sizeof(struct lt_record);

	for (unsigned i = 0; i < info->field_count; i++)
		bytes += (info->fields[i].type == LT_TYPE_u64 || info->fields[i].type == LT_TYPE_i64
				  ? 8u
				  : 4u) *
			 info->fields[i].count;
	return bytes;
}

/* The record that event number `number` of a kind has: the same for writing and for checking. */
static void make_record(const struct lt_event_info *info, unsigned number, void *ret_record)
{
	struct lt_record *head = ret_record;

	memset(ret_record, 0, 512);
	for (unsigned i = 0; i < info->field_count && number % 5; i++) {
		const struct lt_field_info *field = &info->fields[i];
		uint8_t *at = (uint8_t *)ret_record + field->offset;
		bool is_wide = field->type == LT_TYPE_u64 || field->type == LT_TYPE_i64;

		for (unsigned j = 0; j < field->count; j++) {
			uint64_t value = (number * 2654435761u + i * 97u + j) * 0x9e3779b97f4a7c15u;

			value >>= (number + j) % 64;
			if (field->unit == LT_UNIT_stack)
				value %= 4;
			if (is_wide)
				((uint64_t *)at)[j] = value;
			else
				((uint32_t *)at)[j] = (uint32_t)value;
		}
	}
	head->time = 5000 + number;
	head->stack = number % 4;
	head->state = LT_STATE(info->kind, info->slots, number % 3, 0);
}

static struct trace *open_it(void)
{
	struct trace *trace;
	struct error error;

	assert_int_equal(trace_open(path, NULL, &trace, &error), 0);
	return trace;
}

static void define_stacks(struct trace_builder *builder)
{
	const uint64_t frame[] = { 0, 0x1234 };

	for (uint32_t id = 1; id < 4; id++)
		builder_stack(builder, id, frame, 1);
}

static void test_every_kind(void **state)
{
	_Alignas(8) uint8_t record[512];
	struct trace_builder *builder = builder_new(path);
	struct trace_batch batch;
	struct trace *trace;
	unsigned number = 0;

	(void)state;
	builder_start(builder);
	define_stacks(builder);
	for (unsigned i = 0; i < lt_event_info_count * ROUNDS; i++) {
		const struct lt_event_info *info = &lt_event_infos[i % lt_event_info_count];

		if (!info->slots)
			continue;
		make_record(info, i, record);
		builder_event(builder, info->kind, i % 3, record);
	}
	builder_flush(builder, 2);
	builder_finish(builder, true);
	trace = open_it();
	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++, number++) {
			while (!lt_event_infos[number % lt_event_info_count].slots)
				number++;
			make_record(&lt_event_infos[number % lt_event_info_count], number, record);
			assert_memory_equal(
				batch.records[i], record,
				record_bytes(&lt_event_infos[number % lt_event_info_count]));
		}
	assert_in_range(number, lt_event_info_count * (ROUNDS - 1), lt_event_info_count * ROUNDS);
	assert_false(trace_facts(trace)->is_damaged);
	trace_close(trace);
}

static void put(struct lt_wire_out *out, const char *text)
{
	lt_put_text(out, text, strlen(text));
}

static void put_field(struct lt_wire_out *out, const char *name, unsigned codec)
{
	put(out, name);
	lt_put_varint(out, LT_TYPE_u64);
	lt_put_varint(out, LT_UNIT_number);
	lt_put_varint(out, codec);
	lt_put_varint(out, 1);
}

/*
 * A table whose alloc has size_bytes first, a field that nobody knows, and no addr; and a new kind.
 */
static size_t make_foreign_table(uint8_t *bytes, size_t capacity)
{
	struct lt_wire_out out = { bytes, bytes + capacity, false };

	lt_put_varint(&out, 2);
	lt_put_varint(&out, LT_KIND_alloc);
	put(&out, "alloc");
	put(&out, "alloc_call");
	lt_put_varint(&out, LT_GROUP_heap);
	lt_put_varint(&out, 2);
	put_field(&out, "size_bytes", LT_CODEC_plain);
	put_field(&out, "colour", LT_CODEC_plain);
	lt_put_varint(&out, 120);
	put(&out, "teleport");
	put(&out, "none");
	lt_put_varint(&out, LT_GROUP_heap);
	lt_put_varint(&out, 1);
	put_field(&out, "where", LT_CODEC_plain);
	lt_put_varint(&out, 1);
	put(&out, "alloc_call");
	lt_put_varint(&out, 200);
	put(&out, "conjure");
	assert_false(out.is_bad);
	return (size_t)(out.at - bytes);
}

static void test_another_version(void **state)
{
	/*
	 * two events, alloc and the unknown kind; columns: kinds, times, alloc 0, 1 and aux, 120 0
	 */
	static const uint8_t payload[] = {
		2, 6, 0, 0, 0, 1, 2, 0, 1, 2, 1, 2, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1,
		1, 255, 1, 0, 1, 1, 120, 0, 0, 1, 1,
		LT_KIND_alloc, 120, 0, 2, 77, 9, 200, 5,
	};
	struct trace_builder *builder = builder_new(path);
	struct lt_block_header block = {
		.type = LT_BLOCK_EVENTS, .stream = 2, .event_count = 2, .begin_ns = 7000,
	};
	const struct lt_ev_alloc *alloc;
	struct trace_batch batch;
	struct trace *trace;
	uint8_t table[512];

	(void)state;
	builder_start_with_table(builder, table, make_foreign_table(table, sizeof(table)));
	builder_raw_block(builder, &block, payload, sizeof(payload));
	builder_finish(builder, true);
	trace = open_it();
	assert_true(trace_next_batch(trace, &batch));
	assert_int_equal(batch.count, 1);
	alloc = (const struct lt_ev_alloc *)batch.records[0];
	assert_int_equal(alloc->head.time, 7000);
	assert_int_equal(alloc->size_bytes, 77);
	assert_int_equal(alloc->addr, 0);
	assert_string_equal(trace_aux_name(trace, &alloc->head), "conjure");
	assert_false(trace_next_batch(trace, &batch));
	assert_int_equal(trace_facts(trace)->unknown_event_count, 1);
	trace_close(trace);
}

static void test_definitions(void **state)
{
	const uint64_t frames[] = { 1, 0x1010, 0, 0x99 };
	struct trace_builder *builder = builder_new(path);
	struct trace_frame frame;
	struct trace *trace;

	(void)state;
	builder_start(builder);
	builder_meta(builder, "exe", "/bin/old");
	builder_meta(builder, "exe", "/bin/new");
	builder_string(builder, 7, "seven");
	builder_string(builder, 7, "again");
	builder_module(builder, 1, 0x400000, 0x500000, "id", 2, "/lib/x.so");
	builder_symbol(builder, 1, 0x1000, 0x20, "f");
	builder_stack(builder, 3, frames, 2);
	builder_finish(builder, true);
	trace = open_it();
	assert_string_equal(trace_meta(trace, "exe"), "/bin/new");
	assert_null(trace_meta(trace, "nothing"));
	assert_string_equal(trace_string(trace, 7), "seven");
	assert_null(trace_string(trace, 8));
	assert_int_equal(trace_stack(trace, 3).count, 2);
	assert_int_equal(trace_stack(trace, 2).count, 0);
	frame = trace_frame(trace, trace_stack(trace, 3).frames[0]);
	assert_int_equal(frame.offset, 0x1010);
	assert_string_equal(trace_symbol_at(trace, frame)->name, "f");
	frame.offset = 0x1020;
	assert_null(trace_symbol_at(trace, frame));
	frame = trace_frame_of_address(trace, 0x401010, 5);
	assert_int_equal(frame.module, 1);
	assert_int_equal(frame.offset, 0x1010);
	trace_close(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_another_version),
		cmocka_unit_test(test_definitions),
	};
	int file = mkstemp(path), result;

	if (file < 0)
		return 1;
	close(file);
	result = cmocka_run_group_tests_name("decode", tests, NULL, NULL);
	unlink(path);
	return result;
}
