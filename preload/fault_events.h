/* SPDX-License-Identifier: MIT */
/*
 * The perf events that see the target's page faults: a thread of the shim opens them, waits for
 * their rings to fill, and reads their counters. What lies in the rings is taken by the writer
 * (fault_samples.c).
 *
 * Without privileges (perf_event_paranoid 2) and without a callback: software events of the
 * process's own threads, user mode alone. PAGE_FAULTS is written when a fault begins, MIN or MAJ
 * when it was served: their distance is the time that the thread was held up.
 */
#ifndef LLMTRACE_FAULT_EVENTS_H
#define LLMTRACE_FAULT_EVENTS_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

enum fault_event { FAULT_ENTRY, FAULT_MINOR, FAULT_MAJOR, FAULT_EVENTS };

/* How the faults are seen, best first; names for the trace in fault_method_name. */
enum fault_method {
	FAULT_RINGS_BY_CPU, /* a ring for each CPU; every thread that is made later is in it */
	FAULT_RINGS_BY_THREAD, /* a ring for each thread that is older than 20 ms */
	FAULT_COUNTERS, /* numbers alone: the kernel gives no rings */
	FAULT_NOTHING, /* what getrusage and /proc say, which others sample */
};

enum fault_ring_state {
	FAULT_RING_FREE,
	FAULT_RING_LIVE,
	FAULT_RING_ENDED, /* its thread is gone: the writer takes the rest */
	FAULT_RING_TAKEN, /* the writer has the rest: it can be unmapped */
};

struct fault_ring {
	uint32_t state; /* enum fault_ring_state */
	int tid; /* of its thread, 0 for a ring of a CPU */
	struct perf_event_mmap_page *page;
	uint64_t data_bytes; /* a power of two; they begin a page behind */
	uint64_t ids[FAULT_EVENTS];
	int fds[FAULT_EVENTS]; /* in the table of the thread of this file */
	bool has_page_sizes;
};

#define FAULT_RING_MAX 512u

/* What the kernel has counted, in all and up to the last answer. */
struct fault_counts {
	uint64_t events[FAULT_EVENTS];
	uint64_t lost_count;
	uint64_t ring_bytes;
	uint64_t own_minor_count; /* minor faults of the thread that counts */
};

/*
 * Makes what the writer wakes the thread with: before the writer has a table of descriptors of its
 * own.
 */
void fault_events_prepare(void);

/*
 * Opens the events for the calling thread and all that it will make, and starts the thread that
 * waits for them. Called with all signals blocked, before the target goes on. Returns when the
 * events count.
 */
void fault_events_start(void);

/* The number of the thread, 0 when there is none. */
int fault_events_tid(void);

enum fault_method fault_events_method(void);
const char *fault_method_name(enum fault_method method);

/* Why it is not the first one; "" when it is. */
const char *fault_events_reason(void);

/* Rings that may hold something: 0 to the number that is returned, some of them free. */
uint32_t fault_ring_count(void);
struct fault_ring *fault_ring_at(uint32_t index);

/*
 * For the writer: switches the events on or off, asks for the counters, and gives the last answer.
 * What waits waits for half a second at most.
 */
void fault_events_switch(bool is_on);
void fault_events_count_now(bool may_wait);
struct fault_counts fault_events_counts(void);

/* Whether memory of the target's maps is a ring of ours. */
bool fault_rings_own(uint64_t addr);

#endif
