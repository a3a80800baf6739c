/* SPDX-License-Identifier: MIT */
/*
 * What phases.c gathers and phases_rows.c names. For these two files alone.
 */
#ifndef LLMTRACE_PHASES_INNER_H
#define LLMTRACE_PHASES_INNER_H

#include "phases.h"
#include "report_alloc.h"

enum segment_class { SEGMENT_LOAD, SEGMENT_CONTEXT, SEGMENT_DECODE };

/* One engine call, or several decodes of one kind with the caller's time between them. */
struct segment {
	enum segment_class class;
	bool is_single;			/* decodes of one token each */
	bool is_first_decode;		/* since a context was made: may be a warm-up */
	uint64_t begin_ns, end_ns;
	uint64_t call_count, token_count;
	struct phase_counters begin, end;	/* totals */
	uint32_t model_file;		/* of a load: the largest file opened; 0: none */
	uint64_t model_bytes;
};

struct open_mark {
	uint32_t name, stream;
	uint64_t begin_ns;
	int64_t value;
	struct phase_counters begin;
};

/* Stands for all names that come when there are very many. */
#define MARK_OTHER_NAMES UINT32_MAX

/* All occurrences of a mark's name. */
struct mark_row {
	uint32_t name;
	struct phase_span *spans;
	size_t span_count, span_capacity;
	uint64_t token_count;
	bool has_tokens;
	struct phase_counters counters;
};

struct phases {
	const char *(*string)(const void *context, uint32_t id);
	const void *context;
	const struct phase_counters *totals;
	uint64_t start_ns;

	struct segment *segments;
	size_t segment_count, segment_capacity;
	struct segment open;		/* the call that runs */
	bool is_open, is_context_new;
	uint32_t open_stream, open_call;

	struct open_mark *open_marks;
	size_t open_mark_count, open_mark_capacity;
	struct mark_row *marks;
	size_t mark_count, mark_capacity;

	struct arena arena;		/* of the rows */
	struct phase_row *rows;
	size_t row_count, row_capacity;
	unsigned kind_counts[PHASE_MARK + 1];
};

/* Ends what is still open. For phases_finish(). */
void phases_close_all(struct phases *phases, uint64_t end_ns);

/* @return *end - *begin, member by member. */
struct phase_counters phase_counters_difference(const struct phase_counters *end,
						const struct phase_counters *begin);

/* @return whether `next` only goes on with what `last` does (and last cannot be a warm-up). */
bool segment_continues(const struct segment *last, const struct segment *next);
void segment_join(struct segment *last, const struct segment *next);

#endif
