/* SPDX-License-Identifier: MIT */
/* What start-up leaves for others. */
#ifndef LLMTRACE_INIT_H
#define LLMTRACE_INIT_H

/*
 * The process that is recorded. A vfork child has another pid while the switch is on. 0: not
 * recording.
 */
extern int init_pid;

/* In a forked child with one thread, the switch off: starts a recording of its own (child.c). */
void init_forked_child(void);

#endif
