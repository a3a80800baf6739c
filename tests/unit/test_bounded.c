/* SPDX-License-Identifier: MIT */
/*
 * Traces with a bound: segments that stand in another order than that of time, what is left of a
 * segment whose begin is gone, the live blocks of the oldest one, and what a void frame holds.
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

static char path[] = "test_bounded.XXXXXX";

/* The block that begins a segment; event_count: events before it. */
static void begin_segment(struct trace_builder *builder, uint32_t number, uint64_t begin_ns,
			  uint64_t event_count)
{
	struct lt_block_header block = {
		.type = LT_BLOCK_DEFS, .flags = LT_BLOCK_BEGINS_SEGMENT | LT_BLOCK_IS_CHECKPOINT,
		.first_position = number, .begin_ns = begin_ns, .event_count = 1,
	};
	uint8_t row[64], payload[80];
	struct lt_wire_out out = { row, row + sizeof(row), false };
	uint64_t fields[] = { number, begin_ns, event_count, 5000, 2, 300 };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		lt_put_varint(&out, fields[i]);
	builder_segment(builder, number);
	{
		struct lt_wire_out all = { payload, payload + sizeof(payload), false };

		lt_put_varint(&all, LT_KIND_segment);
		lt_put_text(&all, row, (size_t)(out.at - row));
		builder_raw_block(builder, &block, payload, (size_t)(all.at - payload));
	}
}

static void add_live(struct trace_builder *builder, uint64_t time_ns, uint64_t addr,
		     uint64_t size_bytes)
{
	struct lt_ev_live_block event = { .addr = addr, .size_bytes = size_bytes, .age_ms = 7 };

	event.head.time = time_ns;
	builder_event(builder, LT_KIND_live_block, 0, &event);
}

static void put_void(struct trace_builder *builder, uint32_t bytes)
{
	struct lt_frame_header frame = { LT_FRAME_VOID, bytes };
	uint8_t *filler = malloc(bytes);

	/* what was there before: another block's header */
	memset(filler, 0x51, bytes);
	builder_raw(builder, &frame, sizeof(frame));
	builder_raw(builder, filler, bytes);
	free(filler);
}

#define A 0x1000u
#define B 0x2000u
#define D 0x4000u
#define E 0x5000u

/* Segment 5, then a rest of segment 3, then segment 4, the oldest whose begin is there. */
static void write_trace(uint32_t first)
{
	struct trace_builder *builder = builder_new(path);

	builder_start(builder);
	begin_segment(builder, first + 2, 3000, 104);
	add_live(builder, 3000, B, 200);
	add_live(builder, 3000, D, 44);
	builder_flush_live(builder, 1);
	builder_skip_slots(builder, 2, 4);
	builder_alloc(builder, 3010, 0, E, 55);
	builder_free(builder, 3020, 0, D);
	builder_flush(builder, 2);
	put_void(builder, 100);
	builder_segment(builder, first);
	builder_skip_slots(builder, 2, (uint64_t)-6);
	builder_alloc(builder, 1000, 0, A, 100);
	builder_alloc(builder, 1001, 0, B, 200);
	builder_flush(builder, 2);
	begin_segment(builder, first + 1, 2000, 102);
	add_live(builder, 2000, A, 100);
	add_live(builder, 2000, B, 200);
	builder_flush_live(builder, 1);
	/* stamped before its segment began, and taken after that */
	builder_free(builder, 1990, 0, A);
	builder_alloc(builder, 2020, 0, D, 44);
	builder_flush(builder, 2);
	builder_finish(builder, true);
}

struct wanted {
	unsigned kind, aux;
	uint64_t addr;
};

static void check_events(struct trace *trace)
{
	static const struct wanted wanted[] = {
		{ LT_KIND_alloc, LT_alloc_call_before, A }, { LT_KIND_alloc, LT_alloc_call_before, B },
		{ LT_KIND_free, 0, A }, { LT_KIND_alloc, 0, D }, { LT_KIND_alloc, 0, E },
		{ LT_KIND_free, 0, D },
	};
	struct trace_batch batch;
	uint64_t last_ns = 0;
	size_t count = 0;

	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++, count++) {
			const struct lt_ev_free *event = (const void *)batch.records[i];

			assert_true(count < sizeof(wanted) / sizeof(wanted[0]));
			assert_int_equal(LT_STATE_KIND(event->head.state), wanted[count].kind);
			if (wanted[count].aux)
				assert_int_equal(LT_STATE_AUX(event->head.state), wanted[count].aux);
			assert_int_equal(event->addr, wanted[count].addr);
			assert_true(event->head.time >= last_ns);
			last_ns = event->head.time;
		}
	assert_int_equal(count, sizeof(wanted) / sizeof(wanted[0]));
}

static void check_trace(uint32_t first)
{
	const struct trace_facts *facts;
	struct trace *trace;
	struct error error;

	write_trace(first);
	assert_int_equal(trace_open(path, NULL, &trace, &error), 0);
	facts = trace_facts(trace);
	assert_false(facts->is_damaged);
	assert_int_equal(facts->event_count, 4);
	assert_int_equal(facts->oldest.number, first + 1);
	assert_int_equal(facts->oldest.begin_ns, 2000);
	assert_int_equal(facts->oldest.event_count, 102);
	assert_int_equal(facts->oldest.live_bytes, 300);
	check_events(trace);
	trace_rewind(trace);
	check_events(trace);
	assert_false(facts->is_damaged);
	trace_close(trace);
}

static void test_order_of_segments(void **state)
{
	(void)state;
	check_trace(3);
}

/* The flags of a block hold 12 bits of the number. */
static void test_numbers_go_on(void **state)
{
	(void)state;
	check_trace(4094);
	check_trace(4095);
	check_trace(3 * 4096 - 1);
}

/* A gap inside the segments that are there is damage, as ever. */
static void test_gap_is_damage(void **state)
{
	struct trace_builder *builder = builder_new(path);
	struct trace *trace;
	struct error error;

	(void)state;
	builder_start(builder);
	begin_segment(builder, 7, 2000, 10);
	builder_skip_slots(builder, 2, 50);
	builder_alloc(builder, 2010, 0, A, 100);
	builder_flush(builder, 2);
	begin_segment(builder, 8, 3000, 11);
	builder_skip_slots(builder, 2, 3);
	builder_free(builder, 3010, 0, A);
	builder_flush(builder, 2);
	builder_finish(builder, true);
	assert_int_equal(trace_open(path, NULL, &trace, &error), 0);
	assert_int_equal(trace_facts(trace)->damage_count, 1);
	assert_int_equal(trace_facts(trace)->damage_event_count, 3);
	trace_close(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_segments),
		cmocka_unit_test(test_numbers_go_on),
		cmocka_unit_test(test_gap_is_damage),
	};
	int file = mkstemp(path), result;

	if (file < 0)
		return 1;
	close(file);
	result = cmocka_run_group_tests_name("bounded", tests, NULL, NULL);
	unlink(path);
	return result;
}
