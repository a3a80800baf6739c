/* SPDX-License-Identifier: MIT */
/*
 * Names the phases once all calls are known:
 *   load (dry run)   a load that another load of the same file follows and that moved less than
 * half of what that one moved: llama.cpp since v0.5.0 measures the model before it loads it warm-up
 * the first decode of a new context, of one or two tokens, directly followed by a decode with more
 * than one token between          the caller's own time from one phase to the next; inside a row of
 * decodes it belongs to the row
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phases_inner.h"

static const char *const base_names[] = {
	[PHASE_STARTUP] = "startup", [PHASE_LOAD] = "load", [PHASE_LOAD_DRY] = "load (dry run)",
	[PHASE_CONTEXT] = "context", [PHASE_CONTEXT_DRY] = "context (dry run)",
	[PHASE_WARM_UP] = "warm-up", [PHASE_PROMPT] = "prompt", [PHASE_GENERATION] = "generation",
	[PHASE_BETWEEN] = "between", [PHASE_EXIT] = "exit", [PHASE_RUN] = "whole run",
};

static uint64_t moved_bytes(const struct segment *segment)
{
	return segment->end.read_bytes - segment->begin.read_bytes +
	       segment->end.map_file_bytes - segment->begin.map_file_bytes;
}

static const struct segment *next_load(const struct phases *phases, size_t i)
{
	while (++i < phases->segment_count)
		if (phases->segments[i].class == SEGMENT_LOAD)
			return &phases->segments[i];
	return NULL;
}

static bool is_dry_load(const struct phases *phases, size_t i)
{
	const struct segment *load = &phases->segments[i], *next = next_load(phases, i);

	return next && load->model_file && load->model_file == next->model_file &&
	       moved_bytes(load) < moved_bytes(next) / 2;
}

static bool is_dry_context(const struct phases *phases, size_t i)
{
	while (i-- > 0)
		if (phases->segments[i].class == SEGMENT_LOAD)
			return is_dry_load(phases, i);
	return false;
}

static bool is_warm_up(const struct phases *phases, size_t i)
{
	const struct segment *segment = &phases->segments[i];

	return segment->is_first_decode && segment->token_count <= 2 &&
	       i + 1 < phases->segment_count && segment[1].class == SEGMENT_DECODE &&
	       !segment[1].is_single;
}

static enum phase_kind kind_of(const struct phases *phases, size_t i)
{
	switch (phases->segments[i].class) {
	case SEGMENT_LOAD:
		return is_dry_load(phases, i) ? PHASE_LOAD_DRY : PHASE_LOAD;
	case SEGMENT_CONTEXT:
		return is_dry_context(phases, i) ? PHASE_CONTEXT_DRY : PHASE_CONTEXT;
	default:
		if (is_warm_up(phases, i))
			return PHASE_WARM_UP;
		return phases->segments[i].is_single ? PHASE_GENERATION : PHASE_PROMPT;
	}
}

/* A first decode that turned out to be no warm-up goes together with what follows it. */
static void join_segments(struct phases *phases)
{
	size_t kept = 0;

	for (size_t i = 0; i < phases->segment_count; i++) {
		struct segment *last = kept ? &phases->segments[kept - 1] : NULL;

		if (last && segment_continues(last, &phases->segments[i]) &&
		    !(last->is_first_decode && last->token_count <= 2 && !last->is_single))
			segment_join(last, &phases->segments[i]);
		else
			phases->segments[kept++] = phases->segments[i];
	}
	phases->segment_count = kept;
}

static struct phase_row *add_row(struct phases *phases, enum phase_kind kind, const char *name)
{
	struct phase_row *row;
	unsigned number = ++phases->kind_counts[kind];
	char numbered[256];

	snprintf(numbered, sizeof(numbered), number > 1 && kind != PHASE_MARK ? "%s %u" : "%s",
		 name, number);
	phases->rows = report_grow(phases->rows, &phases->row_capacity, phases->row_count + 1,
				   sizeof(*row));
	row = &phases->rows[phases->row_count++];
	*row = (struct phase_row){ .kind = kind, .name = arena_text(&phases->arena, numbered) };
	return row;
}

static void add_span(struct phases *phases, struct phase_row *row, uint64_t begin_ns,
		     uint64_t end_ns)
{
	struct phase_span *spans = arena_alloc(&phases->arena,
					       (row->span_count + 1) * sizeof(*spans));

	if (row->span_count)
		memcpy(spans, row->spans, row->span_count * sizeof(*spans));
	spans[row->span_count++] = (struct phase_span){ begin_ns, end_ns };
	row->spans = spans;
	row->duration_ns += end_ns - begin_ns;
}

static void add_plain_row(struct phases *phases, enum phase_kind kind, uint64_t begin_ns,
			  uint64_t end_ns, const struct phase_counters *begin,
			  const struct phase_counters *end)
{
	struct phase_row *row;

	if (end_ns <= begin_ns)
		return;
	row = add_row(phases, kind, base_names[kind]);
	add_span(phases, row, begin_ns, end_ns);
	row->counters = phase_counters_difference(end, begin);
}

static void add_segment_row(struct phases *phases, size_t i)
{
	const struct segment *segment = &phases->segments[i];
	enum phase_kind kind = kind_of(phases, i);
	struct phase_row *row = add_row(phases, kind, base_names[kind]);

	add_span(phases, row, segment->begin_ns, segment->end_ns);
	row->counters = phase_counters_difference(&segment->end, &segment->begin);
	row->call_count = segment->call_count;
	row->has_tokens = segment->class == SEGMENT_DECODE && segment->token_count;
	row->token_count = segment->token_count;
}

/* One row for all gaps: the rows of a long chat stay readable. */
static void add_gaps(struct phases *phases)
{
	struct phase_span *spans = arena_alloc(&phases->arena,
					       phases->segment_count * sizeof(*spans));
	struct phase_row between = { .kind = PHASE_BETWEEN, .spans = spans }, *row;

	for (size_t i = 1; i < phases->segment_count; i++) {
		const struct segment *segment = &phases->segments[i];
		struct phase_counters counters;

		counters = phase_counters_difference(&segment->begin, &segment[-1].end);
		phase_counters_add(&between.counters, &counters);
		if (segment->begin_ns <= segment[-1].end_ns)
			continue;
		spans[between.span_count++] = (struct phase_span){ segment[-1].end_ns,
								   segment->begin_ns };
		between.duration_ns += segment->begin_ns - segment[-1].end_ns;
	}
	if (!between.span_count)
		return;
	row = add_row(phases, PHASE_BETWEEN, base_names[PHASE_BETWEEN]);
	between.name = row->name;
	*row = between;
}

static bool has_row(const struct phases *phases, const char *name)
{
	for (size_t i = 0; i < phases->row_count; i++)
		if (!strcmp(phases->rows[i].name, name))
			return true;
	return false;
}

/* The name of a row is its key: a mark that is called as an engine row says that it is a mark. */
static struct phase_row *add_mark_row(struct phases *phases, const char *name)
{
	char distinct[256];

	snprintf(distinct, sizeof(distinct), has_row(phases, name) ? "%s (mark)" : "%s", name);
	return add_row(phases, PHASE_MARK, distinct);
}

static void add_marks(struct phases *phases)
{
	for (size_t i = 0; i < phases->mark_count; i++) {
		const struct mark_row *mark = &phases->marks[i];
		const char *name = mark->name == MARK_OTHER_NAMES
					   ? "[other marks]"
					   : phases->string(phases->context, mark->name);
		struct phase_row *row = add_mark_row(phases, name ? name : "[no name]");

		row->spans = mark->spans;
		row->span_count = mark->span_count;
		for (size_t k = 0; k < mark->span_count; k++)
			row->duration_ns += mark->spans[k].end_ns - mark->spans[k].begin_ns;
		row->call_count = mark->span_count;
		row->has_tokens = mark->has_tokens;
		row->token_count = mark->token_count;
		row->counters = mark->counters;
	}
}

const struct phase_row *phases_finish(struct phases *phases, uint64_t end_ns, size_t *ret_count)
{
	static const struct phase_counters nothing;
	const struct segment *first, *last;

	phases_close_all(phases, end_ns);
	join_segments(phases);
	if (!phases->segment_count) {
		add_plain_row(phases, PHASE_RUN, phases->start_ns, end_ns, &nothing,
			      phases->totals);
	} else {
		first = phases->segments;
		last = first + phases->segment_count - 1;
		add_plain_row(phases, PHASE_STARTUP, phases->start_ns, first->begin_ns, &nothing,
			      &first->begin);
		for (size_t i = 0; i < phases->segment_count; i++)
			add_segment_row(phases, i);
		add_gaps(phases);
		add_plain_row(phases, PHASE_EXIT, last->end_ns, end_ns, &last->end, phases->totals);
	}
	add_marks(phases);
	*ret_count = phases->row_count;
	return phases->rows;
}

uint64_t phase_rows_tokens(const struct phase_row *rows, size_t count, enum phase_kind kind)
{
	uint64_t tokens = 0;

	for (size_t i = 0; i < count; i++)
		tokens += rows[i].kind == kind ? rows[i].token_count : 0;
	return tokens;
}
