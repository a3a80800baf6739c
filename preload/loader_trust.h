/* SPDX-License-Identifier: MIT */
/*
 * Whether the loader may be asked for its list of modules. In the child of a fork a thread of the
 * parent that was not copied may have held the lock of that list: who asks then waits for ever. So
 * in such a child nobody asks until one thread, which nothing depends on, has come back from it.
 */
#ifndef LLMTRACE_LOADER_TRUST_H
#define LLMTRACE_LOADER_TRUST_H

#include <stdbool.h>
#include <stdint.h>

extern uint32_t loader_is_distrusted;

/* Any thread; cheap. */
static inline bool loader_is_usable(void)
{
	return !__atomic_load_n(&loader_is_distrusted, __ATOMIC_ACQUIRE);
}

/* In the child of a fork, in its only thread. */
void loader_distrust(void);

/* Asks, and tells the others when there was an answer. Only for a thread that may wait for ever. */
void loader_try(void);

/* Gives that thread a moment. */
void loader_wait(void);

#endif
