/* SPDX-License-Identifier: MIT */
/*
 * When recording was off: by `llmtrace ctl`, a signal, or LLMTRACE_START. What lived then may have
 * ended unseen. One thread.
 */
#ifndef LLMTRACE_MODEL_RECORDING_H
#define LLMTRACE_MODEL_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "live_blocks.h"

struct recording_gaps {
	uint64_t off_count;		/* times that it was off */
	uint64_t off_ns;		/* so long in all, but for a gap that is open */
	bool is_off;
	uint64_t off_since_ns;		/* valid when is_off */
	uint64_t live_count, live_bytes; /* blocks of the heap when it was switched off last */
};

/*
 * Applies a record of kind recording. known_since_ns: from when on the trace has events. heap: as
 * it is at that moment.
 */
void recording_apply(struct recording_gaps *gaps, const struct lt_record *record,
		     uint64_t known_since_ns, const struct heap_totals *heap);

/* @return for how long recording was off in all, when the run ended at end_ns. */
uint64_t recording_off_ns(const struct recording_gaps *gaps, uint64_t end_ns);

#endif
