/* SPDX-License-Identifier: MIT */
/*
 * What a new thread needs to know, from the moment that pthread_create is called until the thread
 * has started: a pool of slots in memory of our own. The creating thread takes a slot, the new
 * thread gives it back before it enters the target's code. No lock, no allocation but one system
 * call each time that the pool grows. Any thread.
 */
#ifndef LLMTRACE_THREAD_SLOTS_H
#define LLMTRACE_THREAD_SLOTS_H

#include <stdint.h>

struct thread_slot {
	void *(*start)(void *); /* for thrd_create: a function that returns int */
	void *argument;
	uint64_t ticket;
	uint64_t stack_bytes; /* stack.h: of the new thread */
	uint32_t index; /* of this slot, from 1 */
	uint32_t next;	/* index of the next free slot, 0 for none */
};

/* @return a slot, NULL when there is none: the thread is then created without one. */
struct thread_slot *thread_slot_take(void);

void thread_slot_give_back(struct thread_slot *slot);

#endif
