/* SPDX-License-Identifier: MIT */
/*
 * The pool of thread_slots.h: chunks that stay for good, and a stack of free slots. The head of the
 * stack holds the index of the first free slot and a count of changes, so that a head that was
 * replaced and came back is noticed.
 */
#include "thread_slots.h"

#include <stdbool.h>

#include "sys.h"

#define CHUNK_SLOTS 128u
#define CHUNK_MAX 64u

static struct thread_slot *chunks[CHUNK_MAX];
static uint64_t free_head; /* changes << 32 | index */

static struct thread_slot *slot_at(uint32_t index)
{
	struct thread_slot *chunk =
		__atomic_load_n(&chunks[(index - 1) / CHUNK_SLOTS], __ATOMIC_ACQUIRE);

	return &chunk[(index - 1) % CHUNK_SLOTS];
}

/* Puts the slots from first to last, which are linked, on the stack. */
static void push(struct thread_slot *first, struct thread_slot *last)
{
	uint64_t head = __atomic_load_n(&free_head, __ATOMIC_RELAXED);
	uint64_t wanted;

	do {
		__atomic_store_n(&last->next, (uint32_t)head, __ATOMIC_RELAXED);
		wanted = ((head >> 32) + 1) << 32 | first->index;
	} while (!__atomic_compare_exchange_n(&free_head, &head, wanted, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/*
 * A slot that was read here may be taken by another thread meanwhile: then the head has changed as
 * well.
 */
static struct thread_slot *pop(void)
{
	uint64_t head = __atomic_load_n(&free_head, __ATOMIC_ACQUIRE);
	struct thread_slot *slot;
	uint64_t wanted;

	do {
		if (!(uint32_t)head)
			return NULL;
		slot = slot_at((uint32_t)head);
		wanted = ((head >> 32) + 1) << 32 | __atomic_load_n(&slot->next, __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(&free_head, &head, wanted, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return slot;
}

/* @return false: there is no memory, or no place for one more chunk. */
static bool grow(void)
{
	struct thread_slot *chunk = sys_memory(CHUNK_SLOTS * sizeof(*chunk));

	if (!chunk)
		return false;
	for (uint32_t number = 0; number < CHUNK_MAX; number++) {
		struct thread_slot *expected = NULL;

		if (__atomic_load_n(&chunks[number], __ATOMIC_RELAXED))
			continue;
		for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
			chunk[i].index = number * CHUNK_SLOTS + i + 1;
			chunk[i].next = chunk[i].index + 1;
		}
		if (!__atomic_compare_exchange_n(&chunks[number], &expected, chunk, false,
						 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			continue;
		push(&chunk[0], &chunk[CHUNK_SLOTS - 1]);
		return true;
	}
	sys_unmap(chunk, CHUNK_SLOTS * sizeof(*chunk));
	return false;
}

struct thread_slot *thread_slot_take(void)
{
	struct thread_slot *slot = pop();

	return slot || !grow() ? slot : pop();
}

void thread_slot_give_back(struct thread_slot *slot)
{
	push(slot, slot);
}
