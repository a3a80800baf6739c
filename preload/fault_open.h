/* SPDX-License-Identifier: MIT */
/*
 * The perf events of one CPU or thread: an entry, a minor and a major completion, with one ring. For
 * the thread of fault_events.c, in whose table of descriptors they lie.
 */
#ifndef LLMTRACE_FAULT_OPEN_H
#define LLMTRACE_FAULT_OPEN_H

#include <stddef.h>

#include "fault_events.h"

/*
 * Opens the events of a CPU (tid: of the thread whose descendants count) or of a thread (cpu -1).
 * usual_pages: of the ring, where no other size was asked for; 0: counters alone, of all descendants.
 * @return 0, or minus errno with nothing left open.
 */
long fault_open(struct fault_ring *ring, int tid, int cpu, unsigned usual_pages);

/* Whether this kernel lets threads inherit, and forked children not, on the clock of the trace. */
bool fault_open_is_whole(void);

/* Closes the events; the ring stays mapped until fault_unmap. */
void fault_close(struct fault_ring *ring);
void fault_unmap(struct fault_ring *ring);

/* Adds what the kernel has counted. */
void fault_add_counts(struct fault_counts *sum, const struct fault_ring *ring);

/* Says what was tried and why it failed. */
void fault_open_explain(char *ret_text, size_t bytes, const char *what, long error);

#endif
