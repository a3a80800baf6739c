/* SPDX-License-Identifier: MIT */
/*
 * The slow paths of rings: full, cut by the end, writer asleep. Entered by target threads inside a
 * hook; may make system calls (futex, sched_getscheduler), nothing else.
 */
#include "ring.h"

#include <sched.h>

#include "clock.h"
#include "hook.h"
#include "sys.h"

/*
 * A record is dropped when the writer makes no progress for so long and says that it stands, say on
 * a full disk. When it waits for a CPU or inside a write it will go on, so it gets more time.
 */
#define NO_PROGRESS_NS 20000000u
#define BUSY_NS 1000000000u
#define NAP_NS 1000000u

uint32_t ring_writer_sleeps;
uint32_t ring_writer_calls;
uint32_t ring_progress;
uint32_t ring_writer_stands;

void ring_wake_writer(void)
{
	__atomic_add_fetch(&ring_writer_calls, 1, __ATOMIC_RELEASE);
	sys_futex_wake(&ring_writer_calls, 1);
}

void ring_pad(struct lt_ring *ring, uint64_t position, unsigned slots)
{
	for (unsigned i = 0; i < slots; i++)
		ring_commit(ring_slot(ring, position + i),
			    LT_STATE(LT_KIND_PAD, 1, 0, LT_LAP(position + i)));
}

static bool has_space(struct lt_ring *ring, unsigned slots, bool is_nested)
{
	ring->known_tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	return ring->head + slots - ring->known_tail <= ring_limit(is_nested);
}

static bool lose(struct lt_ring *ring)
{
	uint64_t now = clock_now();

	if (!ring->first_lost)
		ring->first_lost = now;
	ring->last_lost = now;
	ring->lost_count++;
	return false;
}

/* A real-time thread that waits could keep the writer from ever running. */
static bool is_real_time(void)
{
	long policy = SYS_CALL(sched_getscheduler, 0, 0, 0, 0, 0, 0) & ~SCHED_RESET_ON_FORK;

	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/*
 * Asked from memory: the writer's state in /proc would cost the target a descriptor, and another of
 * its threads could get the next number meanwhile.
 */
static bool writer_stands(void)
{
	return __atomic_load_n(&ring_writer_stands, __ATOMIC_ACQUIRE);
}

static bool has_stopped(uint64_t since_ns)
{
	uint64_t idle_ns = clock_monotonic_ns() - since_ns;

	return idle_ns > BUSY_NS || (idle_ns > NO_PROGRESS_NS && writer_stands());
}

/*
 * The value of ring_progress at which the writer was found to stand, plus 1: until it moves again,
 * nobody waits for it a second time.
 */
static uint64_t stopped_at;

bool ring_wait(struct lt_ring *ring, unsigned slots, bool may_wait)
{
	uint64_t last_ns;
	uint64_t begin = clock_now();
	uint32_t progress;

	if (has_space(ring, slots, !may_wait))
		return true;
	if (!may_wait || is_real_time())
		return lose(ring);
	last_ns = clock_monotonic_ns();
	progress = __atomic_load_n(&ring_progress, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&stopped_at, __ATOMIC_RELAXED) == (uint64_t)progress + 1)
		return lose(ring);
	for (;;) {
		uint32_t seen;

		ring_wake_writer();
		sys_futex_wait(&ring_progress, progress, NAP_NS);
		if (has_space(ring, slots, !may_wait))
			break;
		seen = __atomic_load_n(&ring_progress, __ATOMIC_ACQUIRE);
		if (seen != progress)
			last_ns = clock_monotonic_ns();
		else if (has_stopped(last_ns)) {
			__atomic_store_n(&stopped_at, (uint64_t)progress + 1, __ATOMIC_RELAXED);
			return lose(ring);
		}
		progress = seen;
	}
	ring->wait_count++;
	ring->wait_ticks += clock_now() - begin;
	return true;
}
