/* SPDX-License-Identifier: MIT */
/*
 * The segments of a bounded trace (LLMTRACE_MAX_BYTES): when one begins, and what stands at its
 * begin, so that everything before it can be dropped: definitions, the live blocks of the heap,
 * mappings, descriptors, threads. Start-up, then the writer thread alone.
 */
#ifndef LLMTRACE_SEGMENTS_H
#define LLMTRACE_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Begins the first segment of a trace of at most max_bytes; 0: the trace has no bound, and nothing
 * is done here ever. has_heap: heap events are recorded. Call behind header and table. @return
 * false without memory.
 */
bool segments_init(uint64_t max_bytes, bool has_heap);

/* Whether the trace has a bound. */
bool segments_are_used(void);

/* Begins a segment when it is time for one. Call between two passes over the rings. */
void segments_look(void);

/* Events of the segments that are gone. */
uint64_t segments_dropped_event_count(void);

#endif
