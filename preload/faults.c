/* SPDX-License-Identifier: MIT */
/*
 * Events of page faults; see faults.h. They have a ring and a stream of their own, since their
 * times lie behind those of the writer's other events. Entered by the writer thread alone.
 */
#include "faults.h"

#include <string.h>

#include "clock.h"
#include "definitions.h"
#include "drain.h"
#include "fault_events.h"
#include "fault_fold.h"
#include "intern.h"
#include "pool.h"
#include "frame_rules.h"
#include "stack.h"
#include "sys.h"
#include "writer_emit.h"

/* The kernel may still be writing a sample of a moment ago, on another CPU. */
#define LAG_NS 1000000u
#define IP_CACHE 256u /* a power of two */

static struct lt_ring *own_ring, *ring;
static uint64_t last_ticks, begin_ns;
static uint64_t seen_lost_count;
static uint32_t first_lost_ms, last_lost_ms;

static struct {
	uint64_t ip;
	uint32_t generation, id;
} ips[IP_CACHE];

static void say(const char *key, const char *value)
{
	definitions_meta(key, value, strlen(value));
}

void faults_begin(struct lt_ring *writer_ring)
{
	enum fault_method method = fault_events_method();

	own_ring = writer_ring;
	begin_ns = drain_now_ns();
	say("fault_method", fault_method_name(method));
	if (fault_events_reason()[0])
		say("fault_method_reason", fault_events_reason());
	if (method != FAULT_RINGS_BY_CPU && method != FAULT_RINGS_BY_THREAD)
		return;
	ring = pool_take_ring((int)own_ring->tid);
}

struct lt_ring *faults_ring(void)
{
	return ring;
}

/* A stack of the one instruction; a frame is where a call returns to, so one byte behind. */
static uint32_t stack_of(uint64_t ip)
{
	uint64_t frame = ip + 1;
	uint32_t generation = __atomic_load_n(&stack_generation, __ATOMIC_RELAXED);
	uint32_t at = (uint32_t)(ip * 0x9e3779b97f4a7c15u >> 56);

	if (!ip)
		return 0;
	if (ips[at].ip != ip || ips[at].generation != generation || !ips[at].id) {
		ips[at].ip = ip;
		ips[at].generation = generation;
		ips[at].id = intern_bytes(LT_INTERN_STACK, &frame, sizeof(frame), generation,
					  frame_hash(frame_hash(0, frame), generation));
	}
	return ips[at].id;
}

/* Times never run backwards in a stream, whatever the kernel delivers late. */
static uint64_t ticks_of(uint64_t time_ns)
{
	uint64_t ticks = drain_ticks_of(time_ns);

	if (ticks > last_ticks)
		last_ticks = ticks;
	return last_ticks;
}

static void emit_single(const struct fault_event_out *from, uint64_t ticks, uint32_t stack)
{
	struct lt_ev_fault *event = ring_reserve(ring, LT_SLOTS(fault), true);
	uint8_t lap;

	if (!event)
		return;
	lap = LT_STATE_LAP(event->head.state);
	event->head.time = ticks;
	event->head.stack = stack;
	event->page = from->page;
	event->stall_ns = from->stall_ns;
	event->tid = from->tid;
	event->cpu = from->cpu;
	ring_commit(&event->head, LT_STATE(LT_KIND_fault, LT_SLOTS(fault), from->kind, lap));
}

static void emit_run(const struct fault_event_out *from, uint64_t ticks, uint32_t stack)
{
	struct lt_ev_fault_run *event = ring_reserve(ring, LT_SLOTS(fault_run), true);
	uint8_t lap;

	if (!event)
		return;
	lap = LT_STATE_LAP(event->head.state);
	event->head.time = ticks;
	event->head.stack = stack;
	event->page = from->page;
	event->stride_pages = from->stride_pages;
	event->stall_ns = from->stall_ns;
	event->longest_ns = from->longest_ns;
	event->span_ns = from->span_ns;
	event->count = from->count;
	event->tid = from->tid;
	event->cpu = from->cpu;
	event->reserved = 0;
	for (unsigned i = 0; i < 16; i++)
		event->class_count[i] = from->class_count[i];
	ring_commit(&event->head,
		    LT_STATE(LT_KIND_fault_run, LT_SLOTS(fault_run), from->kind, lap));
}

static void emit(const struct fault_event_out *event)
{
	uint64_t ticks = ticks_of(event->time_ns);
	uint32_t stack = stack_of(event->ip);

	if (ring->head - ring->tail > LT_RING_SLOTS / 2)
		drain_now(ring);
	if (event->count == 1)
		emit_single(event, ticks, stack);
	else
		emit_run(event, ticks, stack);
}

void faults_take(bool is_last)
{
	if (!ring)
		return;
	fault_samples_take(is_last ? UINT64_MAX : drain_now_ns() - LAG_NS, fault_fold_add);
	fault_fold_flush(emit);
}

static void note_losses(uint64_t lost_count)
{
	uint32_t now_ms = (uint32_t)((drain_now_ns() - begin_ns) / 1000000u) + 1;

	if (lost_count == seen_lost_count)
		return;
	seen_lost_count = lost_count;
	if (!first_lost_ms)
		first_lost_ms = now_ms;
	last_lost_ms = now_ms;
}

void faults_emit_totals(unsigned at)
{
	struct fault_counts counts = fault_events_counts();

	if (fault_events_method() == FAULT_NOTHING)
		return;
	note_losses(counts.lost_count);
	WRITER_EMIT(own_ring, fault_totals, at, event->entry_count = counts.events[FAULT_ENTRY];
		    event->minor_count = counts.events[FAULT_MINOR];
		    event->major_count = counts.events[FAULT_MAJOR];
		    event->lost_count = counts.lost_count;
		    event->taken_count = fault_fold_taken_count();
		    event->unpaired_count = fault_fold_unpaired_count();
		    event->ring_bytes = counts.ring_bytes; event->first_lost_ms = first_lost_ms;
		    event->last_lost_ms = last_lost_ms);
}
