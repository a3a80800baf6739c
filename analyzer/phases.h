/* SPDX-License-Identifier: MIT */
/*
 * The phases of a run: engine calls (load, context, decode) and user marks become rows in time
 * order. phases.c follows the events and folds calls of one kind while they run; phases_rows.c
 * gives the names afterwards, since what a call was shows in what came after it (a dry run, a
 * warm-up).
 *
 * Counts come from running totals that the owner keeps: a phase is the difference between two
 * states of them. Engine rows do not overlap and, with `between` and `exit`, add up to the run;
 * rows of marks lie over them. One thread.
 */
#ifndef LLMTRACE_PHASES_H
#define LLMTRACE_PHASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"

/* Running totals of the process. u64 alone: subtracted member by member. */
struct phase_counters {
	uint64_t alloc_count, alloc_bytes;
	uint64_t map_call_count;	/* mmap, munmap, mremap */
	uint64_t map_file_bytes;	/* bytes of files mapped */
	uint64_t thread_create_count;
	uint64_t read_count, read_bytes, read_ns;
	uint64_t fault_stall_ns;	/* of faults in user mode */
};

struct phase_span {
	uint64_t begin_ns, end_ns;
};

enum phase_kind {
	PHASE_STARTUP, PHASE_LOAD, PHASE_LOAD_DRY, PHASE_CONTEXT, PHASE_CONTEXT_DRY, PHASE_WARM_UP,
	PHASE_PROMPT, PHASE_GENERATION, PHASE_BETWEEN, PHASE_EXIT, PHASE_RUN, PHASE_MARK,
};

struct phase_row {
	char *name;			/* the key: "prompt", "prompt 2", a mark's name */
	enum phase_kind kind;
	const struct phase_span *spans;	/* in order of time */
	size_t span_count;
	uint64_t duration_ns;		/* of all spans */
	uint64_t call_count;		/* engine calls, or begins of a mark */
	uint64_t token_count;
	bool has_tokens;
	struct phase_counters counters;
};

struct phases;

/* totals: kept up to date by the owner; string: resolves string ids. */
struct phases *phases_new(uint64_t start_ns, const struct phase_counters *totals,
			  const char *(*string)(const void *context, uint32_t id),
			  const void *context);
void phases_free(struct phases *phases);

/* Applies a record of kind phase_begin, phase_end or mark. */
void phases_apply(struct phases *phases, const struct lt_record *record, uint32_t stream);

/* Tells that a file was opened: the largest one of a load is its model. */
void phases_note_open(struct phases *phases, uint32_t file, uint64_t file_bytes);

/* @return whether a decode of a single token runs now. */
bool phases_is_token_open(const struct phases *phases);

/*
 * Names the rows, once, after the last event.
 * @return rows that live as long as phases.
 */
const struct phase_row *phases_finish(struct phases *phases, uint64_t end_ns, size_t *ret_count);

/* @return tokens of all rows of a kind. */
uint64_t phase_rows_tokens(const struct phase_row *rows, size_t count, enum phase_kind kind);

void phase_counters_add(struct phase_counters *sum, const struct phase_counters *added);

#endif
