/* SPDX-License-Identifier: MIT */
/* Facts about machine, process and recording, as meta definitions. Start-up only. */
#ifndef LLMTRACE_FACTS_H
#define LLMTRACE_FACTS_H

/* Machine and process: what /proc and the kernel say. */
void facts_add(void);

/* How we record: the clock, call stacks, where the rings are. */
void facts_add_recording(void);

/* In a forked child that is recorded: the process that it was forked from. */
void facts_add_forked(int parent_pid);

#endif
