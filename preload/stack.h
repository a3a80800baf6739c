/* SPDX-License-Identifier: MIT */
/*
 * Call stacks: the interface behind which the walker may change. A stack is an array of addresses,
 * leaf first, that starts at the caller of the hook; it is kept once in the intern table and
 * referred to by id. A cache in the thread's ring finds the id of a stack that was seen before.
 *
 * stack_capture: any thread, inside a hook (the mark is set). No lock of ours is held while
 * walking.
 */
#ifndef LLMTRACE_STACK_H
#define LLMTRACE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/*
 * Call from the constructor. depth: most frames to keep; 1 keeps the caller alone and needs no
 * libunwind.
 */
void stack_init(unsigned depth);

/*
 * Opens libunwind (RTLD_LOCAL: never as NEEDED, it would take over the C++ exceptions of libraries
 * that Python loads). Not from the constructor: it runs before the C library's own, and opening a
 * library there would start that one without its arguments and environment. Called before main, and
 * by stack_capture for the constructors of other libraries; does nothing when it is not the time or
 * not the place (another thread, inside the loader).
 */
void stack_open_walker(const void *caller);

/* @return "libunwind", "caller only: WHY", or NULL while it is not decided. */
const char *stack_method(void);

/*
 * @return the id of the stack that starts at caller, 0 when the table is full (counted in the
 * ring).
 */
uint32_t stack_capture(struct lt_ring *ring, const void *caller);

struct code_range {
	uintptr_t start;
	uintptr_t end;
};

/* The code of libunwind. Set before its first call, constant afterwards. */
extern struct code_range stack_walker_code;

static inline bool stack_is_walker(const void *addr)
{
	return (uintptr_t)addr - stack_walker_code.start <
	       stack_walker_code.end - stack_walker_code.start;
}

/* Whether an address is in the unwinder's own code: its calls are the shim's. */
bool stack_is_own_code(const void *addr);

/* Forgets what the walker has cached of code that is gone. After dlclose. */
void stack_forget_modules(void);

/* The loader's count of removed objects, part of every stack's identity; set by modules.c. */
extern uint32_t stack_generation;

#endif
