/* SPDX-License-Identifier: MIT */
/*
 * What traced processes tell the traced process above them: that they record, and how they ended
 * (struct lt_child_message in llmtrace/pool.h). The parent's trace so names its children, those
 * that leave no trace of their own as well.
 */
#ifndef LLMTRACE_CHILDREN_H
#define LLMTRACE_CHILDREN_H

#include <stdint.h>

#include "llmtrace/pool.h"

/*
 * Puts a message into the pool of the traced process above this one, if it lies in a file.
 * state: LT_child_state_ value; trace: path of the trace file, "" for none. Start-up and the writer;
 * opens and maps the pool for the moment.
 */
void children_tell(unsigned state, int64_t status, const char *trace);

/* For the writer: makes events of the messages that have come. */
void children_take(struct lt_ring *own_ring);

#endif
