/* SPDX-License-Identifier: MIT */
/*
 * The interface of an analysis: it gets events of the kinds that it names, in time order, after the
 * model has seen them, and fills tables at the end. It never prints. A new one is a file
 * analyze_*.c and a line in analysis.c. One thread.
 */
#ifndef LLMTRACE_ANALYSIS_H
#define LLMTRACE_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis_stacks.h"
#include "model.h"
#include "phases.h"
#include "symbols.h"
#include "table.h"
#include "trace.h"

#define ANALYSIS_KINDS_MAX 16

struct analysis_context {
	struct trace *trace;
	struct model *model;
	struct stack_groups *stacks;
	const char *phase_filter;	/* NULL: the whole run */
	/* known when finish is called */
	const struct phase_row *phases;
	size_t phase_count;
	uint64_t end_ns;
};

struct analysis {
	const char *name;		/* id of its table */
	const char *doc;
	/* enum lt_kind, none of those that heap() tells; 0 ends the list; all 0: no events */
	uint8_t kinds[ANALYSIS_KINDS_MAX];
	uint32_t group;			/* enum lt_group that it needs, 0: none */
	/* @return its state; context outlives it. */
	void *(*create)(const struct analysis_context *context);
	/* Only events in the phase that is looked at. */
	void (*event)(void *state, const struct lt_record *record, uint32_t stream);
	/*
	 * What happened to the heap, many events at a time: nearly all events of a trace are
	 * such. NULL: not wanted. Blocks outside the phase are left out; of those inside, the
	 * release is told whenever it comes.
	 */
	void (*heap)(void *state, const struct heap_batch *batch);
	void (*finish)(void *state, struct report *report);
	void (*destroy)(void *state);
};

/* All analyses, in the order of the report; findings come last since they read the tables. */
extern const struct analysis *const analyses[];
extern const size_t analysis_count;

/* Called for every batch of events with the bytes of the file that were read so far. */
struct analysis_progress {
	void (*update)(void *context, uint64_t done_bytes, uint64_t total_bytes);
	void *context;
};

/*
 * Reads the trace from its start and fills the report.
 * phase_filter: name of a row of the table phases, or NULL.
 * @return 0, or EXIT_UNUSABLE with ret_error filled when the trace has no such phase.
 */
int analysis_run(struct trace *trace, struct symbols *symbols, const char *phase_filter,
		 const struct analysis_progress *progress, struct report *report,
		 struct error *ret_error);

/* @return whether events of an enum lt_group were recorded: else its columns are null. */
bool analysis_has_group(const struct analysis_context *context, uint32_t group);

/* Says in a note what the bound of the trace has dropped, if it has. */
void analysis_note_bound(const struct analysis_context *context, struct table *table);

/* Sets a u64, or leaves null when it was not measured. */
void analysis_set(struct table *table, size_t row, const char *column, uint64_t value,
		  bool is_measured);

#endif
