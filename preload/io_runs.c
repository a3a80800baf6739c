/* SPDX-License-Identifier: MIT */
/* Folding of small calls; see io_runs.h. */
#include "io_runs.h"

#include <errno.h>
#include <string.h>

#include "hook_call.h"

#define SITE_COUNT 8u

uint32_t io_break_counts[512];

static bool is_of(const struct lt_open_run *run, const struct io_key *key)
{
	return run->event.count && run->event.stream == (uintptr_t)key->stream &&
	       run->event.fd == key->fd && LT_STATE_AUX(run->event.head.state) == key->kind;
}

static struct lt_open_run *find_run(struct lt_ring *ring, const struct io_key *key)
{
	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++)
		if (is_of(&ring->runs[i], key))
			return &ring->runs[i];
	return NULL;
}

/*
 * The position of a record that was reserved a moment ago. Nested handlers may have moved the head
 * since, by less than a lap.
 */
static uint64_t position_of(const struct lt_ring *ring, const void *record)
{
	uint64_t slot = (uint64_t)((const uint8_t *)record - ring->slots) / LT_SLOT_BYTES;

	return ring->head - (ring->head - slot) % LT_RING_SLOTS;
}

/* In the order that a reader after a kill relies on: see struct lt_open_run. */
static void end_run(struct lt_ring *ring, struct lt_open_run *run)
{
	struct lt_ev_io_run *record;

	if (!run->event.count)
		return;
	record = ring_reserve(ring, LT_SLOTS(io_run), false);
	if (record) {
		uint32_t kind = LT_STATE_AUX(run->event.head.state);
		uint8_t lap = LT_STATE_LAP(record->head.state);

		__atomic_store_n(&run->flush_position, position_of(ring, record) + 1,
				 __ATOMIC_RELEASE);
		record->head.time = run->event.head.time;
		record->head.stack = run->event.head.stack;
		memcpy(&record->stream, &run->event.stream,
		       sizeof(*record) - offsetof(struct lt_ev_io_run, stream));
		ring_commit(&record->head, LT_STATE(LT_KIND_io_run, LT_SLOTS(io_run), kind, lap));
	}
	__atomic_store_n(&run->event.count, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&run->flush_position, 0, __ATOMIC_RELEASE);
}

static struct lt_open_run *take_run(struct lt_ring *ring)
{
	struct lt_open_run *oldest = &ring->runs[0];

	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++) {
		struct lt_open_run *run = &ring->runs[i];

		if (!run->event.count)
			return run;
		if (run->event.head.time < oldest->event.head.time)
			oldest = run;
	}
	end_run(ring, oldest);
	return oldest;
}

static void begin_event(struct lt_ev_io_run *event, const struct io_call *call)
{
	memset(&event->stream, 0, sizeof(*event) - offsetof(struct lt_ev_io_run, stream));
	event->stream = (uintptr_t)call->key.stream;
	event->fd = call->key.fd;
	event->offset_bytes = call->offset_bytes;
}

static void begin_run(struct lt_open_run *run, const struct io_call *call)
{
	begin_event(&run->event, call);
	run->event.head.stack = 0;
	run->event.head.state = LT_STATE(LT_KIND_io_run, LT_SLOTS(io_run), call->key.kind, 0);
	run->begin = call->begin;
}

/* Index in size_count: 0, 1, 2-7, 8-63, 64-511, 512-4095, 4096-65535, more. */
static unsigned size_class(uint64_t bytes)
{
	unsigned log2;

	if (bytes < 2)
		return (unsigned)bytes;
	log2 = 63u - (unsigned)__builtin_clzll(bytes);
	if (log2 < 12)
		return 2 + log2 / 3;
	return log2 < 16 ? 6 : 7;
}

static void add_to_event(struct lt_ev_io_run *event, unsigned site, const struct io_call *call)
{
	uint64_t duration = call->end - call->begin;

	event->bytes += call->bytes;
	event->duration_ns += duration;
	if (duration > event->longest_ns)
		event->longest_ns = duration;
	event->error_count += call->has_failed;
	event->size_count[size_class(call->bytes)]++;
	event->site_count[site]++;
	event->site_bytes[site] += call->bytes;
}

/* The place of the caller among the sites; the last place is for all that find no room. */
static unsigned find_site(const struct hook_scope *scope, struct lt_open_run *run)
{
	uint64_t addr = (uintptr_t)scope->caller;
	unsigned site = 0;

	while (site < SITE_COUNT && run->event.site_count[site] && run->site_addr[site] != addr)
		site++;
	if (site == SITE_COUNT)
		return SITE_COUNT - 1;
	if (!run->event.site_count[site]) {
		run->site_addr[site] = addr;
		run->event.site_stack[site] = hook_stack(scope);
		if (site == 0)
			run->event.head.stack = run->event.site_stack[0];
	}
	return site;
}

static void add_alone(const struct hook_scope *scope, const struct io_call *call)
{
	uint32_t stack = hook_stack(scope);

	HOOK_EMIT(scope, io_run, call->key.kind, call->end, stack, begin_event(event, call);
		  add_to_event(event, 0, call); event->site_stack[0] = stack; event->count = 1;
		  event->span_ns = call->end - call->begin);
}

void io_run_add(const struct hook_scope *scope, const struct io_call *call)
{
	struct lt_ring *ring = hook_self.ring;
	struct lt_open_run *run;

	if (LT_UNLIKELY(scope->outer)) {
		add_alone(scope, call);
		return;
	}
	run = find_run(ring, &call->key);
	if (!run)
		run = take_run(ring);
	else if (LT_UNLIKELY(run->stream_state != call->state))
		end_run(ring, run);
	if (!run->event.count)
		begin_run(run, call);
	add_to_event(&run->event, find_site(scope, run), call);
	run->event.head.time = call->end;
	run->event.span_ns = call->end - run->begin;
	/* breaks that came during the call count against the next one */
	run->stream_state = (call->state >> 48 << 48) ^ io_place(&call->key);
	__atomic_store_n(&run->event.count, run->event.count + 1, __ATOMIC_RELEASE);
}

bool io_run_goes_on(const struct io_key *key, uint64_t state, int64_t *ret_offset_bytes)
{
	struct lt_open_run *run = hook_self.ring ? find_run(hook_self.ring, key) : NULL;

	if (!run || run->stream_state != state)
		return false;
	*ret_offset_bytes = run->event.offset_bytes < 0
				    ? -1
				    : run->event.offset_bytes + (int64_t)run->event.bytes;
	return true;
}

int64_t io_stream_position(FILE *stream)
{
	int saved = errno;
	int64_t position = -1;

	/* no descriptor: memory, or functions of the target that must not be called from here */
	if (fileno(stream) >= 0 && !ftrylockfile(stream)) {
		position = ftello(stream);
		funlockfile(stream);
	}
	errno = saved;
	return position;
}

void io_runs_end(const struct hook_scope *scope, const FILE *stream, int fd)
{
	struct lt_ring *ring = hook_self.ring;

	if (scope->outer)
		return;
	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++)
		if (ring->runs[i].event.stream == (uintptr_t)stream && ring->runs[i].event.fd == fd)
			end_run(ring, &ring->runs[i]);
}

void io_runs_end_all(const struct hook_scope *scope)
{
	struct lt_ring *ring = hook_self.ring;

	if (scope->outer)
		return;
	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++)
		end_run(ring, &ring->runs[i]);
}

static bool has_run_in(const FILE *stream, int first, int last)
{
	const struct lt_ring *ring = hook_self.ring;

	for (unsigned i = 0; ring && i < LT_OPEN_RUN_COUNT; i++) {
		const struct lt_ev_io_run *event = &ring->runs[i].event;

		if (event->count && event->stream == (uintptr_t)stream && event->fd >= first &&
		    event->fd <= last)
			return true;
	}
	return false;
}

void io_runs_break(const FILE *stream, int fd, const void *caller)
{
	const struct io_key key = { stream, fd, 0 };
	struct hook_scope scope;

	__atomic_fetch_add(io_break_count(&key), 1, __ATOMIC_RELAXED);
	if (!has_run_in(stream, fd, fd) || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	io_runs_end(&scope, stream, fd);
	hook_leave(&scope);
}

void io_runs_break_range(unsigned first, unsigned last, const void *caller)
{
	struct hook_scope scope;
	int to = last > INT32_MAX ? INT32_MAX : (int)last;

	for (unsigned fd = first; fd <= last && fd - first < 256; fd++)
		__atomic_fetch_add(&io_break_counts[fd & 255], 1, __ATOMIC_RELAXED);
	if (first > INT32_MAX || !has_run_in(NULL, (int)first, to) ||
	    !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	for (unsigned i = 0; i < LT_OPEN_RUN_COUNT; i++) {
		const struct lt_ev_io_run *event = &hook_self.ring->runs[i].event;

		if (!event->stream && event->fd >= (int)first && event->fd <= to)
			io_runs_end(&scope, NULL, event->fd);
	}
	hook_leave(&scope);
}
