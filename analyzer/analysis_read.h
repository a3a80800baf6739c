/* SPDX-License-Identifier: MIT */
/*
 * Reads a trace once, from its start: events go to the model and then to whoever listens, in the
 * order of time; the addresses of heap events are looked up by threads meanwhile. One thread calls.
 */
#ifndef LLMTRACE_ANALYSIS_READ_H
#define LLMTRACE_ANALYSIS_READ_H

#include "analysis.h"

/* Whoever listens. Called by the thread that reads. */
struct read_listener {
	/* an event that is none of the heap's, inside the filter; the model has seen it */
	void (*event)(void *context, const struct lt_record *record, uint32_t stream);
	/* what happened to the heap, many events at a time */
	void (*heap)(void *context, const struct heap_batch *batch);
	void *context;
};

/* What is counted: everything, or events inside spans that are in the order of time. */
struct read_filter {
	const struct phase_span *spans;	/* NULL: everything */
	size_t count;
};

/* progress: NULL for none. */
void analysis_read(struct trace *trace, struct model *model, const struct read_filter *filter,
		   const struct read_listener *listener, const struct analysis_progress *progress);

#endif
