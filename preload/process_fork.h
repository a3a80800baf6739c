/* SPDX-License-Identifier: MIT */
/*
 * Around the fork itself no thread of ours is inside the loader, so that the child's loader is
 * usable: the modules lock is taken as the last thing before it, and given back as the first thing
 * after it. So no code of the target runs meanwhile, which could wait for a thread that waits for us.
 */
#ifndef LLMTRACE_PROCESS_FORK_H
#define LLMTRACE_PROCESS_FORK_H

#include <stdbool.h>

/* In the constructor: who registers first comes last before a fork, and first after it. */
void process_fork_init(void);

/* Whether this thread has the bracket open: a signal handler has interrupted fork. */
bool process_is_forking(void);

#endif
