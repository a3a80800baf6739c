/* SPDX-License-Identifier: MIT */
/*
 * A thread's ring of records. The thread reserves and commits; the writer thread reads and moves
 * the tail. Layout and lap tags: llmtrace/pool.h.
 *
 * Reserving is one add that a signal handler of the same thread may interrupt: its record gets the
 * slots behind. A record is visible to the writer once its state word is committed. No lock; no
 * system call unless the ring is full or the writer sleeps while the ring has filled by half.
 */
#ifndef LLMTRACE_RING_H
#define LLMTRACE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"
#include "llmtrace/pool.h"

/*
 * Futex words between threads and writer. sleeps: the writer waits on calls; calls: bumped to wake
 * it; progress: bumped by the writer whenever it has moved a tail, waited on by threads whose ring
 * is full; stands: not 0 while the writer waits for what may never come, room on the disk.
 */
extern uint32_t ring_writer_sleeps;
extern uint32_t ring_writer_calls;
extern uint32_t ring_progress;
extern uint32_t ring_writer_stands;
void ring_wake_writer(void);

/*
 * Waits until slots are free, as long as the writer makes progress; gives up at once when may_wait
 * is false.
 * @return false: the record is lost (counted).
 */
bool ring_wait(struct lt_ring *ring, unsigned slots, bool may_wait);

/*
 * The slots that may be in use. A thread that waits for room has left some to its signal handlers.
 */
static inline uint64_t ring_limit(bool is_nested)
{
	return LT_RING_SLOTS - LT_RING_SLACK_SLOTS - (is_nested ? 0 : LT_RING_HANDLER_SLOTS);
}

static inline struct lt_record *ring_slot(struct lt_ring *ring, uint64_t position)
{
	return (struct lt_record *)&ring->slots[position % LT_RING_SLOTS * LT_SLOT_BYTES];
}

static inline void ring_commit(struct lt_record *head, uint32_t state)
{
	__atomic_store_n(&head->state, state, __ATOMIC_RELEASE);
}

/*
 * The rest of a reservation that the ring's end cuts: fills both parts with pads of one slot each.
 */
void ring_pad(struct lt_ring *ring, uint64_t position, unsigned slots);

/*
 * Reserves a record. is_nested: called inside another hook of this thread (a signal handler): do
 * not wait.
 * @return the record with kind 0 and the right lap in its state word, or NULL when the ring is
 * full.
 */
static inline void *ring_reserve(struct lt_ring *ring, unsigned slots, bool is_nested)
{
	for (;;) {
		uint64_t position;
		struct lt_record *record;

		if (__builtin_expect(ring->head + slots - ring->known_tail > ring_limit(is_nested),
				     0) &&
		    !ring_wait(ring, slots, !is_nested))
			return NULL;
		position = arch_local_add(&ring->head, slots);
		if (__builtin_expect(((position ^ (position + slots)) & (LT_RING_SLOTS / 2)) != 0,
				     0)) {
			if (__atomic_load_n(&ring_writer_sleeps, __ATOMIC_RELAXED))
				ring_wake_writer();
			if (position % LT_RING_SLOTS + slots > LT_RING_SLOTS) {
				ring_pad(ring, position, slots);
				continue;
			}
		}
		record = ring_slot(ring, position);
		ring_commit(record, LT_STATE(0, slots, 0, LT_LAP(position)));
		return record;
	}
}

#endif
