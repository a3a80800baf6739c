/* SPDX-License-Identifier: MIT */
/*
 * Finds the id of a call stack without walking, where that is provably right. A walk is decided by
 * its start and by the words of the stack that it reads (struct frame_trail). For each place that
 * walks start from, the trail of the last one is kept: when the words that it names have the values
 * of a stack that was found along the same trail, the walk would find that stack again.
 *
 * Belongs to one thread; not for a hook inside another one (a signal handler), which may have
 * interrupted an update. No lock, no system call.
 */
#ifndef LLMTRACE_STACK_MEMO_H
#define LLMTRACE_STACK_MEMO_H

#include <stdint.h>

#include "frame_walk.h"
#include "llmtrace/pool.h"

/* The place for walks that start like this one. */
struct lt_stack_memo *stack_memo_place(struct lt_ring *ring, struct frame_state start);

/* @return the id, 0 when a walk is needed. */
uint32_t stack_memo_find(struct lt_ring *ring, struct lt_stack_memo *memo, struct frame_state start,
			 uint32_t generation);

/* What a walk has found: first own_count frames of the hook, then the stack, then maybe more. */
struct stack_walked {
	const struct frame_trail *trail;
	const uintptr_t *frames;
	uint32_t own_count;
	uint32_t frame_count;
};

/* @return the trail's hash, for the entry of the stack that was found; 0 when it is not kept. */
uint64_t stack_memo_keep(struct lt_ring *ring, struct lt_stack_memo *memo, struct frame_state start,
			 uint32_t generation, const struct stack_walked *walked);

#endif
