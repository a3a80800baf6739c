/* SPDX-License-Identifier: MIT */
/*
 * From rings to blocks: takes committed records up to a moment of the clock, turns them into blocks
 * of events, and gives the rings of ended threads back. The writer thread alone (start-up before it
 * exists).
 */
#include "drain.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bundle.h"
#include "clock.h"
#include "definitions.h"
#include "encode.h"
#include "faults.h"
#include "identity.h"
#include "intern.h"
#include "live_heap.h"
#include "pool.h"
#include "sys.h"
#include "trace_file.h"
#include "writer_emit.h"

#define DRAIN_SLOTS (LT_RING_SLOTS / 4) /* less than this waits for the next flush */
#define OWN_FLUSH_NS 1000000000u	/* the writer's own few events wait for each other */

static struct clock_map clock_map;
static struct lt_ring *own_ring;
static uint8_t *payload;
static uint64_t own_flushed_at_ns;
static uint64_t ended_lost_count; /* of rings that were given back */
static bool is_held_up;		  /* by a record that is still being written */

static bundle_settle_fn settle;

/* The newest stream of each thread id, in a hash table, twice as large as there can be rings. */
#define NEWEST_BITS 14u
_Static_assert(LT_EXTENT_MAX * 8u <= 1u << NEWEST_BITS, "half of the table stays free");

static struct newest {
	uint32_t tid; /* 0: free; no ring of a thread has it */
	uint32_t stream;
} *newest;

bool drain_init(void)
{
	own_ring = pool_take_ring(0);
	payload = sys_memory(ENCODE_PAYLOAD_MAX);
	newest = sys_memory((1u << NEWEST_BITS) * sizeof(*newest));
	if (!own_ring || !payload || !newest)
		return false;
	own_ring->stream = 1;
	drain_take_clock();
	pool_header->first_clock = clock_map.first;
	return encode_init(&clock_map) && bundle_init(settle) && definitions_init();
}

struct lt_ring *drain_own_ring(void)
{
	return own_ring;
}

bool drain_write_table(void)
{
	struct lt_block_header table = {.type = LT_BLOCK_TABLE};
	struct lt_wire_out out = {payload, payload + ENCODE_PAYLOAD_MAX, false};

	encode_table(&out);
	table.event_count = lt_event_info_count;
	return trace_file_write_block(&table, payload, (size_t)(out.at - payload));
}

void drain_take_clock(void)
{
	struct lt_clock_pair pair = clock_read_pair();

	clock_map_add(&clock_map, pair);
	pool_header->clocks[(pool_header->clock_count + 1) % 2] = pair;
	__atomic_store_n(&pool_header->clock_count, pool_header->clock_count + 1, __ATOMIC_RELEASE);
}

uint64_t drain_now_ns(void)
{
	return clock_map.pairs[(clock_map.count - 1) % CLOCK_HISTORY].ns;
}

uint64_t drain_ticks_of(uint64_t ns)
{
	return clock_map_ticks(&clock_map, ns);
}

/* The writer's own: nobody else writes to it, and it does not end before the trace. */
static bool is_writers(const struct lt_ring *ring)
{
	return ring == own_ring || ring == faults_ring();
}

/*
 * Adds the committed records from the tail on. Stops at one that is newer than the pass, and at one
 * that is still being written, unless the thread is gone and it never will be.
 * @return the position behind the last record taken.
 */
static uint64_t take_records(struct lt_ring *ring, uint64_t until_ticks, bool is_dead)
{
	uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
	uint64_t end = ring->tail;

	while (end < head && end - ring->tail < LT_RING_SLOTS) {
		const struct lt_record *record = ring_slot(ring, end);
		uint32_t state = __atomic_load_n(&record->state, __ATOMIC_ACQUIRE);
		bool is_this_lap =
			LT_STATE_LAP(state) == LT_LAP(end) && end + LT_STATE_SLOTS(state) <= head;

		if (!is_this_lap || !LT_STATE_KIND(state)) {
			if (!is_dead) {
				is_held_up = true;
				break;
			}
			end += is_this_lap && LT_STATE_SLOTS(state) ? LT_STATE_SLOTS(state) : 1;
			continue;
		}
		if (LT_STATE_KIND(state) != LT_KIND_PAD) {
			if (record->time > until_ticks)
				break;
			if (!encode_add(record))
				break;
			if (live_heap_is_kept)
				live_heap_apply(ring, record);
		}
		end += LT_STATE_SLOTS(state);
	}
	return end;
}

void drain_write_encoded(struct lt_block_header *header)
{
	struct lt_wire_out out = {payload, payload + ENCODE_PAYLOAD_MAX, false};

	encode_finish(&out);
	trace_file_write_block(header, payload, (size_t)(out.at - payload));
}

static void emit_stream_stats(const struct lt_ring *ring)
{
	uint64_t first_ns = ring->lost_count ? clock_map_ns(&clock_map, ring->first_lost) : 0;
	uint64_t last_ns = ring->lost_count ? clock_map_ns(&clock_map, ring->last_lost) : 0;

	WRITER_EMIT(own_ring, stream_stats, 0, event->event_count = ring->event_count;
		    event->lost_count = ring->lost_count; event->first_lost_ns = first_ns;
		    event->last_lost_ns = last_ns; event->wait_count = ring->wait_count;
		    event->wait_ns = clock_map_span_ns(&clock_map, ring->wait_ticks);
		    event->passed_count = ring->passed_count;
		    event->lost_stack_count = ring->lost_stack_count; event->stream = ring->stream;
		    event->tid = ring->tid);
}

/* The ring of a thread that is gone is empty. */
static void give_back(struct lt_ring *ring)
{
	emit_stream_stats(ring);
	if (pool_header->groups & LT_GROUP_threads)
		WRITER_EMIT(own_ring, thread_end, 0, event->tid = ring->tid;
			    event->stream = ring->stream);
	ended_lost_count += ring->lost_count;
	__atomic_store_n(&ring->tail, ring->head, __ATOMIC_RELEASE);
	pool_give_ring(ring);
}

static void announce_progress(void)
{
	__atomic_add_fetch(&ring_progress, 1, __ATOMIC_RELEASE);
	sys_futex_wake(&ring_progress, INT_MAX);
}

/* What was drained is in the file: gives the slots back, and the ring of a thread that is gone. */
static void settle(const struct bundle_member *member)
{
	struct lt_ring *ring = member->ring;

	for (unsigned i = 0; member->has_runs && i < LT_OPEN_RUN_COUNT; i++)
		__atomic_store_n(&ring->runs[i].event.count, 0, __ATOMIC_RELEASE);
	ring->event_count += member->header.event_count;
	__atomic_store_n(&ring->tail, member->header.end_position, __ATOMIC_RELEASE);
	if (member->was_full)
		announce_progress();
	if (member->is_last)
		give_back(ring);
}

/*
 * Few events wait for those of other rings until bundle_write. Where the bundle has no room they are
 * a block of their own: settling a bundle may encode the writer's own events, over these.
 */
static void write_events(struct bundle_member *member)
{
	struct lt_wire_out out = {payload, payload + ENCODE_PAYLOAD_MAX, false};
	struct lt_block_header *header = &member->header;
	bool is_small;
	size_t bytes;

	header->type = LT_BLOCK_EVENTS;
	header->stream = member->ring->stream;
	header->first_position = member->ring->tail;
	header->begin_ns = encode_begin_ns();
	header->end_ns = encode_end_ns();
	header->event_count = encode_count();
	header->time_shift = ENCODE_TIME_SHIFT;
	encode_finish(&out);
	bytes = (size_t)(out.at - payload);
	is_small = encode_count() <= BUNDLE_EVENTS_MAX && bytes < LT_BUNDLE_MAX_BYTES / 2;
	if (is_small && bundle_has_room(bytes)) {
		bundle_add(member, payload, bytes);
		return;
	}
	trace_file_write_definitions(0);
	trace_file_write_block(header, payload, bytes);
	settle(member);
	if (is_small)
		bundle_write();
}

static void define_stream(struct lt_ring *ring)
{
	static uint32_t *defined; /* by stream, a bit each */
	static const uint32_t streams_max = 1u << 24;

	if (!defined)
		defined = sys_memory(streams_max / 8);
	if (!defined || ring->stream >= streams_max ||
	    defined[ring->stream / 32] & 1u << ring->stream % 32)
		return;
	defined[ring->stream / 32] |= 1u << ring->stream % 32;
	definitions_stream(ring->stream, ring->tid, clock_map_ns(&clock_map, ring->start));
}

void drain_define_streams_again(void)
{
	uint32_t count = pool_ring_count();

	for (uint32_t i = 0; i < count; i++) {
		const struct lt_ring *ring = pool_ring(i);

		if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) == LT_RING_IN_USE)
			definitions_stream(ring->stream, ring->tid,
					   clock_map_ns(&clock_map, ring->start));
	}
}

/* is_last: the thread is gone, or the trace is being closed: the open runs are taken, too. */
struct drain_request {
	uint64_t until_ticks;
	bool is_dead; /* what is not committed now never will be */
	bool has_runs;
	bool is_last;
};

/* @return whether anything was taken; it may wait for bundle_write. */
static bool drain(struct lt_ring *ring, const struct drain_request *request)
{
	struct bundle_member member = {
		.ring = ring,
		.has_runs = request->has_runs,
		.is_last = request->is_last,
		.was_full = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - ring->tail >
			    LT_RING_SLOTS / 2,
	};

	if (bundle_has(ring))
		bundle_write();
	encode_begin();
	define_stream(ring);
	member.header.end_position = take_records(ring, request->until_ticks, request->is_dead);
	if (request->has_runs)
		for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++)
			if (ring->runs[i].event.count)
				encode_add(&ring->runs[i].event.head);
	/*
	 * pads alone wait for the next event: positions of blocks follow each other without a gap
	 */
	if (!encode_count())
		return false;
	write_events(&member);
	return true;
}

/* Everything that a ring still has, with its open runs. is_last: the ring goes back then. */
static void drain_rest(struct lt_ring *ring, bool is_last)
{
	const struct drain_request most = {.until_ticks = UINT64_MAX, .is_dead = true};
	const struct drain_request rest = {
		.until_ticks = UINT64_MAX, .is_dead = true, .has_runs = true, .is_last = is_last};

	/* a block has room for the slots of a ring; the runs may not fit besides */
	while (ring->head - ring->tail > LT_RING_SLOTS / 2 && drain(ring, &most))
		;
	if (!drain(ring, &rest) && is_last)
		give_back(ring);
}

void drain_now(struct lt_ring *ring)
{
	const struct drain_request request = {.until_ticks = UINT64_MAX, .is_dead = true};

	/* what waits for the same bundle would be settled first, and come here once more */
	bundle_write();
	drain(ring, &request);
	bundle_write();
}

void writer_drain_own(void)
{
	drain_now(own_ring);
}

/* One block of definitions for all new streams, instead of one before each. */
static void define_streams(void)
{
	uint32_t count = pool_ring_count();

	for (uint32_t i = 0; i < count; i++)
		if (__atomic_load_n(&pool_ring(i)->state, __ATOMIC_ACQUIRE) == LT_RING_IN_USE)
			define_stream(pool_ring(i));
}

/* ---- threads that are gone ---- */
static struct newest *newest_of(uint32_t tid, uint32_t mask)
{
	uint32_t at = tid * 0x9e3779b1u >> (32 - NEWEST_BITS);

	while (newest[at & mask].tid && newest[at & mask].tid != tid)
		at++;
	return &newest[at & mask];
}

/* @return the mask of the table: as much of it as this number of rings needs. */
static uint32_t find_newest(uint32_t count)
{
	uint32_t size = 64;

	while (size < count * 2)
		size *= 2;
	memset(newest, 0, size * sizeof(*newest));
	for (uint32_t i = 0; i < count; i++) {
		const struct lt_ring *ring = pool_ring(i);
		struct newest *entry;

		/* the state first: until it is set the thread fills in the others */
		if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) != LT_RING_IN_USE || !ring->tid)
			continue;
		entry = newest_of(ring->tid, size - 1);
		entry->tid = ring->tid;
		if (entry->stream < ring->stream)
			entry->stream = ring->stream;
	}
	return size - 1;
}

/*
 * A newer ring of the same thread id tells that the kernel has given the number to another thread.
 */
static bool is_gone(const struct lt_ring *ring, uint32_t mask)
{
	return sys_tgkill(identity_get()->pid, (int)ring->tid, 0) == -ESRCH ||
	       newest_of(ring->tid, mask)->stream > ring->stream;
}

void drain_retire_gone(void)
{
	uint32_t count = pool_ring_count(), mask = find_newest(count);

	define_streams();
	for (uint32_t i = 0; i < count; i++) {
		struct lt_ring *ring = pool_ring(i);

		if (!is_writers(ring) &&
		    __atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) == LT_RING_IN_USE &&
		    is_gone(ring, mask))
			drain_rest(ring, true);
	}
	bundle_write();
}

/* The writer's own events are in the pool, too: they need not go to the file at once. */
static bool is_due(const struct lt_ring *ring, bool is_flush)
{
	if (!is_flush || ring != own_ring)
		return is_flush;
	if (drain_now_ns() - own_flushed_at_ns < OWN_FLUSH_NS)
		return false;
	own_flushed_at_ns = drain_now_ns();
	return true;
}

bool drain_all(bool is_flush)
{
	bool is_progress = false;
	uint64_t until_ticks = clock_map.pairs[(clock_map.count - 1) % CLOCK_HISTORY].ticks;
	uint32_t count = pool_ring_count();

	define_streams();
	is_held_up = !is_flush;
	for (uint32_t i = 0; i < count; i++) {
		struct lt_ring *ring = pool_ring(i);
		uint64_t used = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - ring->tail;

		if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) != LT_RING_IN_USE || !used)
			continue;
		if (used >= DRAIN_SLOTS || is_due(ring, is_flush))
			is_progress |=
				drain(ring, &(struct drain_request){.until_ticks = until_ticks,
								    .is_dead = is_writers(ring)});
	}
	bundle_write();
	if (!is_held_up)
		live_heap_cut(until_ticks);
	return is_progress;
}

bool drain_cut(uint64_t *ret_ticks)
{
	uint32_t count = pool_ring_count();

	drain_take_clock();
	*ret_ticks = clock_map.pairs[(clock_map.count - 1) % CLOCK_HISTORY].ticks;
	is_held_up = false;
	for (uint32_t i = 0; i < count; i++) {
		struct lt_ring *ring = pool_ring(i);

		if (__atomic_load_n(&ring->state, __ATOMIC_ACQUIRE) == LT_RING_IN_USE)
			drain(ring, &(struct drain_request){.until_ticks = *ret_ticks,
							    .is_dead = is_writers(ring)});
	}
	bundle_write();
	if (!is_held_up)
		live_heap_cut(*ret_ticks);
	return !is_held_up;
}

uint64_t drain_span_ns(uint64_t ticks)
{
	return clock_map_span_ns(&clock_map, ticks);
}

bool drain_is_any_filling(void)
{
	uint32_t count = pool_ring_count();

	for (uint32_t i = 0; i < count; i++) {
		const struct lt_ring *ring = pool_ring(i);

		if (__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - ring->tail >= DRAIN_SLOTS)
			return true;
	}
	return false;
}

void writer_keep_up(void)
{
	if (pool_is_asked())
		pool_make_room();
	if (!drain_is_any_filling())
		return;
	drain_take_clock();
	intern_make_room();
	drain_all(false);
}

/* ---- the end ---- */
uint64_t drain_emit_stats(void)
{
	uint64_t lost_count = ended_lost_count;
	uint32_t count = pool_ring_count();
	int error;
	uint64_t failures = trace_file_failures(&error);

	for (uint32_t i = 0; i < count; i++) {
		struct lt_ring *ring = pool_ring(i);

		if (ring->state != LT_RING_IN_USE || ring == own_ring)
			continue;
		lost_count += ring->lost_count;
		if (!is_writers(ring))
			emit_stream_stats(ring);
	}
	if (pool_refused_count)
		WRITER_EMIT(own_ring, notice, LT_notice_kind_events_without_ring,
			    event->value = pool_refused_count;
			    event->text = 0; event->reserved = 0);
	if (failures)
		WRITER_EMIT(own_ring, notice, LT_notice_kind_write_failed,
			    event->value = (uint64_t)error;
			    event->text = 0; event->reserved = 0);
	return lost_count + pool_refused_count;
}

void drain_for_good(void)
{
	uint32_t count = pool_ring_count();

	drain_take_clock();
	faults_take(true);
	for (uint32_t i = 0; i < count; i++) {
		struct lt_ring *ring = pool_ring(i);

		if (ring->state != LT_RING_IN_USE || ring == own_ring)
			continue;
		drain_rest(ring, false);
	}
	bundle_write();
}
