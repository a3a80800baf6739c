/* SPDX-License-Identifier: MIT */
/* Removes the pools that processes left behind and that nobody needs: the rule is in llmtrace/pool.h. */
#ifndef LLMTRACE_POOL_SWEEP_H
#define LLMTRACE_POOL_SWEEP_H

/* Looks through /dev/shm once. Start-up only, before the process has a pool of its own. */
void pool_sweep(void);

#endif
