/* SPDX-License-Identifier: MIT */
/*
 * Call stacks: the interface behind which the walker may change. A stack is an array of addresses,
 * leaf first, that starts at the caller of the hook; it is kept once in the intern table and
 * referred to by id. A cache in the thread's ring finds the id of a stack that was seen before.
 *
 * stack_capture: any thread, inside a hook (the mark is set), signal handlers too. No lock, no
 * system call, no allocation; the exceptions are in frame_walk.h.
 */
#ifndef LLMTRACE_STACK_H
#define LLMTRACE_STACK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame_walk.h"
#include "llmtrace/pool.h"

/* Call from the constructor. depth: most frames to keep; 1 keeps the caller alone. */
void stack_init(unsigned depth);

/* @return how stacks are found, for the trace. Valid after stack_init. */
const char *stack_method(void);

/*
 * @param own the calling thread's stack, zeros when it is not known.
 * @param is_nested inside another hook of this thread, which a signal has interrupted.
 * @return the id of the stack that starts at caller, 0 when the table is full (counted in the
 * ring).
 */
uint32_t stack_capture(struct lt_ring *ring, struct frame_stack own, const void *caller,
		       bool is_nested);

struct frame_stack stack_of_main_thread(void);

/*
 * The stack of a thread that pthread_create is about to make with these attributes: how many bytes
 * it has for sure. The new thread asks stack_of_new_thread for its place.
 */
size_t stack_bytes_of(const pthread_attr_t *attr);
struct frame_stack stack_of_new_thread(size_t bytes);

/* The loader's count of removed objects, part of every stack's identity; set by modules.c. */
extern uint32_t stack_generation;

#endif
