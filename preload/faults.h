/* SPDX-License-Identifier: MIT */
/*
 * Page faults of the target: from the kernel's rings into the trace. What sees them is
 * fault_events.h; this is the writer's side.
 */
#ifndef LLMTRACE_FAULTS_H
#define LLMTRACE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/*
 * Takes a ring for the events and says in the trace how faults are seen. own_ring: the writer's.
 * The writer, before its first pass, when the group is recorded.
 */
void faults_begin(struct lt_ring *own_ring);

/* The ring of the events, NULL when there are none. */
struct lt_ring *faults_ring(void);

/* Takes what the kernel has seen up to a moment ago; with is_last, all of it. The writer. */
void faults_take(bool is_last);

/* The kernel's counters. at: LT_seen_at_ value. The writer. */
void faults_emit_totals(unsigned at);

#endif
