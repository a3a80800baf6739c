/* SPDX-License-Identifier: MIT */
/*
 * Small blocks of events on their way to the file: what several streams have at the same moment
 * goes into one BUNDLE block, since the header and the directory of a block cost as much as a dozen
 * events. Belongs to the writer thread.
 *
 * What was added is in the file only after bundle_write: until then it must stay in its ring.
 */
#ifndef LLMTRACE_BUNDLE_H
#define LLMTRACE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/format.h"
#include "llmtrace/pool.h"

/* Blocks with more events stand alone. */
#define BUNDLE_EVENTS_MAX 1024u

/* One ring's part, and what is to be done with the ring once it is in the file. */
struct bundle_member {
	struct lt_ring *ring;
	struct lt_block_header header; /* as if the part were a block of its own */
	bool has_runs;		       /* the open runs are in it */
	bool is_last;		       /* the thread is gone */
	bool was_full;
};

typedef void bundle_settle_fn(const struct bundle_member *member);

/* settle: called for each member once it was written. @return false when memory could not be had.
 */
bool bundle_init(bundle_settle_fn *settle);

/*
 * Adds a part for which there is room: member->header has the stream, positions, times, the number of
 * events and the shift.
 */
void bundle_add(const struct bundle_member *member, const void *bytes, size_t count);

bool bundle_has_room(size_t count);

/* Whether a ring waits in it. */
bool bundle_has(const struct lt_ring *ring);

/* Writes what was added. */
void bundle_write(void);

#endif
