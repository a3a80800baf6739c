/* SPDX-License-Identifier: MIT */
/*
 * Around the fork itself no thread is inside the loader for us, so that the child's loader is usable,
 * and the pool does not grow. The locks are taken as the last thing before it, and given back as the
 * first thing after it: no code of the target runs meanwhile, which could wait for a thread that waits
 * for us.
 */
#ifndef LLMTRACE_PROCESS_FORK_H
#define LLMTRACE_PROCESS_FORK_H

#include <stdbool.h>

/* In the constructor: who registers first comes last before a fork, and first after it. */
void process_fork_init(void);

/* Whether this thread has the bracket open: a signal handler has interrupted fork. */
bool process_is_forking(void);

#endif
