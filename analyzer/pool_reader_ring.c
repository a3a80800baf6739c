/* SPDX-License-Identifier: MIT */
/*
 * Records of a copied ring: which of them are whole, and their times and durations in ns. A slot
 * whose lap is not that of its position was not reached in this round of the ring; a record of kind
 * 0 was reserved and never finished.
 */
#include <string.h>

#include "pool_reader_parts.h"

/* Where converted records go. */
struct ring_out {
	struct pool *pool;
	const struct schema *schema;
	struct decoded *events;
	uint8_t *at;
	uint64_t latest_ns;
	uint64_t first_ns; /* the file has everything before */
};

static void convert_field(struct ring_out *out, struct lt_record *record,
			  const struct lt_field_info *field)
{
	uint8_t *at = (uint8_t *)record + field->offset;
	bool is_id = field->unit == LT_UNIT_stack || field->unit == LT_UNIT_string;

	if (field->unit == LT_UNIT_duration && field->type == LT_TYPE_u64)
		*(uint64_t *)at = pool_duration_ns(&out->pool->clock, *(uint64_t *)at);
	for (unsigned i = 0; is_id && i < field->count; i++)
		pool_intern_note(out->pool, ((uint32_t *)at)[i],
				 field->unit == LT_UNIT_stack ? LT_INTERN_STACK : LT_INTERN_STRING);
}

/* Appends a record of the ring; from holds all of its struct. */
static struct lt_record *append(struct ring_out *out, const void *from, unsigned kind, unsigned aux)
{
	const struct schema_kind *row = &out->schema->kinds[kind];
	struct lt_record *record = (struct lt_record *)out->at;

	memcpy(record, from, row->stride_bytes);
	out->at += row->stride_bytes;
	record->time = pool_time_ns(&out->pool->clock, record->time);
	/* the writer knew more pairs of the clock: its times differ by some ns */
	if (record->time < out->first_ns)
		record->time = out->first_ns;
	record->state = LT_STATE(kind, row->info->slots, aux, 0);
	pool_intern_note(out->pool, record->stack, LT_INTERN_STACK);
	for (unsigned i = 0; i < row->info->field_count; i++)
		convert_field(out, record, &row->info->fields[i]);
	if (record->time > out->latest_ns)
		out->latest_ns = record->time;
	out->events->records[out->events->count++] = record;
	return record;
}

static bool is_lap_right(uint32_t state, uint64_t position)
{
	return LT_STATE_LAP(state) == LT_LAP(position) && LT_STATE_SLOTS(state) > 0;
}

/* A state word that names a record which lies whole between position and the head. */
static bool is_committed(const struct ring_copy *ring, uint64_t position)
{
	uint32_t state, slots;

	if (position < ring->from || position >= ring->head->head)
		return false;
	state = ring->states[position - ring->from];
	slots = LT_STATE_SLOTS(state);
	return is_lap_right(state, position) && LT_STATE_KIND(state) != 0 &&
	       slots <= ring->head->head - position &&
	       position % LT_RING_SLOTS + slots <= LT_RING_SLOTS;
}

/* @return slots to go on by. */
static unsigned take_slot(struct ring_out *out, const struct ring_copy *ring, uint64_t position,
			  uint64_t file_end)
{
	uint32_t state = ring->states[position - ring->from];
	unsigned slots = LT_STATE_SLOTS(state), kind = LT_STATE_KIND(state);
	const struct schema_kind *row = &out->schema->kinds[kind];

	if (!is_lap_right(state, position))
		return 1;
	if (!is_committed(ring, position))
		return kind == 0 ? slots : 1;
	if (position < file_end || kind == LT_KIND_PAD)
		return slots;
	if (!row->stride_bytes || slots * LT_SLOT_BYTES < row->stride_bytes) {
		out->events->unknown_count++;
		return slots;
	}
	append(out, ring->slots + (position - ring->from) * LT_SLOT_BYTES, kind,
	       LT_STATE_AUX(state));
	return slots;
}

static void take_open_runs(struct ring_out *out, const struct ring_copy *ring, uint64_t file_end)
{
	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++) {
		const struct lt_open_run *run = &ring->head->runs[i];
		uint64_t flushed = run->flush_position;

		if (run->event.count == 0)
			continue;
		if (flushed && (flushed - 1 < file_end || is_committed(ring, flushed - 1)))
			continue;
		append(out, &run->event, LT_KIND_io_run, LT_STATE_AUX(run->event.head.state));
	}
}

/* What the writer would have written at the end of the stream. */
static void add_stats(struct ring_out *out, const struct ring_copy *ring, uint64_t event_count)
{
	const struct pool_clock *clock = &out->pool->clock;
	const struct lt_ring *head = ring->head;
	struct lt_ev_stream_stats *stats = (struct lt_ev_stream_stats *)out->at;
	uint64_t time_ns = pool_time_ns(clock, head->start);

	if (time_ns < clock->anchor.ns)
		time_ns = clock->anchor.ns;
	if (time_ns < out->latest_ns)
		time_ns = out->latest_ns;
	*stats = (struct lt_ev_stream_stats){
		.head.time = time_ns,
		.head.state = LT_STATE(LT_KIND_stream_stats, LT_SLOTS(stream_stats), 0, 0),
		.event_count = event_count,
		.lost_count = head->lost_count,
		.first_lost_ns = head->lost_count ? pool_time_ns(clock, head->first_lost) : 0,
		.last_lost_ns = head->lost_count ? pool_time_ns(clock, head->last_lost) : 0,
		.wait_count = head->wait_count,
		.wait_ns = pool_duration_ns(clock, head->wait_ticks),
		.passed_count = head->passed_count,
		.lost_stack_count = head->lost_stack_count,
		.stream = head->stream,
		.tid = head->tid,
	};
	out->at += sizeof(*stats);
	out->events->records[out->events->count++] = &stats->head;
	out->events->lost_event_count = head->lost_count;
}

bool pool_ring_convert(struct pool *pool, const struct schema *schema, const struct ring_copy *ring,
		       struct stream_position position, struct decoded *ret_events)
{
	struct ring_out out = { .pool = pool, .schema = schema, .events = ret_events };
	size_t slots = (size_t)(ring->head->head - ring->from);
	size_t extra = (LT_OPEN_RUN_COUNT * LT_SLOTS(io_run) + LT_SLOTS(stream_stats));

	if (!decoded_reserve(ret_events, slots + LT_OPEN_RUN_COUNT + 1,
			     (slots + extra) * LT_SLOT_BYTES))
		return false;
	out.at = ret_events->arena;
	out.first_ns = position.end_ns;
	for (uint64_t at = ring->from; at < ring->head->head;)
		at += take_slot(&out, ring, at, position.end_position);
	out.first_ns = 0; /* a run may have stood still for long */
	take_open_runs(&out, ring, position.end_position);
	add_stats(&out, ring, position.event_count + ret_events->count);
	return decoded_sort(ret_events);
}
