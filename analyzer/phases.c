/* SPDX-License-Identifier: MIT */
/*
 * Follows engine calls and marks. The outermost engine call of the process is the phase; calls
 * inside it, and decodes that other threads start meanwhile, belong to it. A call whose end never
 * came (an exception left it) ends when the same thread enters the same function again.
 */
#include "phases.h"

#include <stdlib.h>
#include <string.h>

#include "phases_inner.h"

#define WARM_UP_TOKENS_MAX 2u	/* the begin and the end token of the vocabulary */
/* Nobody has so many names of marks, nor so many open ones; keeps looking through them short. */
#define MARK_NAMES_MAX 1000u
#define OPEN_MARKS_MAX 256u
#define COUNTER_COUNT (sizeof(struct phase_counters) / sizeof(uint64_t))

struct phases *phases_new(uint64_t start_ns, const struct phase_counters *totals,
			  const char *(*string)(const void *context, uint32_t id),
			  const void *context)
{
	struct phases *phases = report_alloc(1, sizeof(*phases));

	phases->start_ns = start_ns;
	phases->totals = totals;
	phases->string = string;
	phases->context = context;
	return phases;
}

void phases_free(struct phases *phases)
{
	if (!phases)
		return;
	for (size_t i = 0; i < phases->mark_count; i++)
		free(phases->marks[i].spans);
	free(phases->marks);
	free(phases->open_marks);
	free(phases->segments);
	free(phases->rows);
	arena_release(&phases->arena);
	free(phases);
}

struct phase_counters phase_counters_difference(const struct phase_counters *end,
						const struct phase_counters *begin)
{
	uint64_t numbers[2][COUNTER_COUNT];
	struct phase_counters difference;

	memcpy(numbers[0], end, sizeof(numbers[0]));
	memcpy(numbers[1], begin, sizeof(numbers[1]));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		numbers[0][i] -= numbers[1][i];
	memcpy(&difference, numbers[0], sizeof(difference));
	return difference;
}

void phase_counters_add(struct phase_counters *sum, const struct phase_counters *added)
{
	uint64_t numbers[2][COUNTER_COUNT];

	memcpy(numbers[0], sum, sizeof(numbers[0]));
	memcpy(numbers[1], added, sizeof(numbers[1]));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		numbers[0][i] += numbers[1][i];
	memcpy(sum, numbers[0], sizeof(*sum));
}

/* ---- engine calls ---- */

static enum segment_class class_of(unsigned call)
{
	switch (call) {
	case LT_phase_call_llama_decode:
	case LT_phase_call_llama_encode:
		return SEGMENT_DECODE;
	case LT_phase_call_llama_init_from_model:
	case LT_phase_call_llama_new_context_with_model:
		return SEGMENT_CONTEXT;
	default:
		return SEGMENT_LOAD;
	}
}

bool segment_continues(const struct segment *last, const struct segment *next)
{
	if (last->class != SEGMENT_DECODE || next->class != SEGMENT_DECODE)
		return false;
	return last->is_single == next->is_single;
}

void segment_join(struct segment *last, const struct segment *next)
{
	last->end_ns = next->end_ns;
	last->end = next->end;
	last->call_count += next->call_count;
	last->token_count += next->token_count;
}

static bool may_be_warm_up(const struct segment *segment)
{
	return segment->is_first_decode && segment->token_count <= WARM_UP_TOKENS_MAX;
}

static void add_segment(struct phases *phases, const struct segment *segment)
{
	struct segment *last = phases->segment_count ? &phases->segments[phases->segment_count - 1]
						     : NULL;

	if (last && !may_be_warm_up(last) && segment_continues(last, segment)) {
		segment_join(last, segment);
		return;
	}
	phases->segments = report_grow(phases->segments, &phases->segment_capacity,
				       phases->segment_count + 1, sizeof(*segment));
	phases->segments[phases->segment_count++] = *segment;
}

static void close_call(struct phases *phases, uint64_t time_ns)
{
	phases->open.end_ns = time_ns;
	phases->open.end = *phases->totals;
	add_segment(phases, &phases->open);
	phases->is_open = false;
	if (phases->open.class == SEGMENT_CONTEXT)
		phases->is_context_new = true;
}

static void open_call(struct phases *phases, const struct lt_ev_phase_begin *event,
		      uint32_t stream)
{
	uint64_t tokens = event->token_count > 0 ? (uint64_t)event->token_count : 0;
	enum segment_class class = class_of(LT_STATE_AUX(event->head.state));

	phases->open = (struct segment){ .class = class, .begin_ns = event->head.time,
					 .call_count = 1, .token_count = tokens,
					 .begin = *phases->totals };
	if (class == SEGMENT_DECODE) {
		phases->open.is_single = tokens == 1;
		phases->open.is_first_decode = phases->is_context_new;
		phases->is_context_new = false;
	}
	phases->is_open = true;
	phases->open_stream = stream;
	phases->open_call = LT_STATE_AUX(event->head.state);
}

static void apply_begin(struct phases *phases, const struct lt_ev_phase_begin *event,
			uint32_t stream)
{
	unsigned call = LT_STATE_AUX(event->head.state);

	if (phases->is_open && phases->open_stream == stream && phases->open_call == call)
		close_call(phases, event->head.time);
	if (!phases->is_open) {
		open_call(phases, event, stream);
		return;
	}
	if (phases->open.class == SEGMENT_DECODE && class_of(call) == SEGMENT_DECODE &&
	    event->token_count > 0) {
		phases->open.call_count++;
		phases->open.token_count += (uint64_t)event->token_count;
		phases->open.is_single &= event->token_count == 1;
	}
}

static void apply_end(struct phases *phases, const struct lt_record *record, uint32_t stream)
{
	if (phases->is_open && phases->open_stream == stream &&
	    phases->open_call == LT_STATE_AUX(record->state))
		close_call(phases, record->time);
}

void phases_note_open(struct phases *phases, uint32_t file, uint64_t file_bytes)
{
	if (!phases->is_open || file_bytes <= phases->open.model_bytes)
		return;
	phases->open.model_file = file;
	phases->open.model_bytes = file_bytes;
}

bool phases_is_token_open(const struct phases *phases)
{
	return phases->is_open && phases->open.class == SEGMENT_DECODE && phases->open.is_single;
}

/* ---- marks ---- */

static struct mark_row *mark_row_of(struct phases *phases, uint32_t name)
{
	for (size_t i = 0; i < phases->mark_count; i++)
		if (phases->marks[i].name == name || phases->marks[i].name == MARK_OTHER_NAMES)
			return &phases->marks[i];
	if (phases->mark_count == MARK_NAMES_MAX)
		name = MARK_OTHER_NAMES;
	phases->marks = report_grow(phases->marks, &phases->mark_capacity, phases->mark_count + 1,
				    sizeof(*phases->marks));
	phases->marks[phases->mark_count].name = name;
	return &phases->marks[phases->mark_count++];
}

/* The end may give the tokens when the begin could not know them. */
static void close_mark(struct phases *phases, size_t i, uint64_t time_ns, int64_t end_value)
{
	struct open_mark *open = &phases->open_marks[i];
	struct mark_row *row = mark_row_of(phases, open->name);
	struct phase_counters counters = phase_counters_difference(phases->totals, &open->begin);
	int64_t tokens = end_value > 0 ? end_value : open->value;

	row->spans = report_grow(row->spans, &row->span_capacity, row->span_count + 1,
				 sizeof(*row->spans));
	row->spans[row->span_count++] = (struct phase_span){ open->begin_ns, time_ns };
	phase_counters_add(&row->counters, &counters);
	if (tokens > 0) {
		row->token_count += (uint64_t)tokens;
		row->has_tokens = true;
	}
	memmove(open, open + 1, (phases->open_mark_count - i - 1) * sizeof(*open));
	phases->open_mark_count--;
}

/* The oldest of very many begins without an end ends here. */
static void begin_mark(struct phases *phases, const struct lt_ev_mark *event, uint32_t stream)
{
	if (phases->open_mark_count == OPEN_MARKS_MAX)
		close_mark(phases, 0, event->head.time, 0);
	phases->open_marks = report_grow(phases->open_marks, &phases->open_mark_capacity,
					 phases->open_mark_count + 1, sizeof(*phases->open_marks));
	phases->open_marks[phases->open_mark_count++] = (struct open_mark){
		event->name, stream, event->head.time, event->value, *phases->totals };
}

/* The newest begin of that name on this thread, else on any. */
static void end_mark(struct phases *phases, const struct lt_ev_mark *event, uint32_t stream)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < phases->open_mark_count; i++)
		if (phases->open_marks[i].name == event->name &&
		    (phases->open_marks[i].stream == stream || best == SIZE_MAX ||
		     phases->open_marks[best].stream != stream))
			best = i;
	if (best != SIZE_MAX)
		close_mark(phases, best, event->head.time, event->value);
}

void phases_close_all(struct phases *phases, uint64_t end_ns)
{
	if (phases->is_open)
		close_call(phases, end_ns);
	while (phases->open_mark_count)
		close_mark(phases, phases->open_mark_count - 1, end_ns, 0);
}

void phases_apply(struct phases *phases, const struct lt_record *record, uint32_t stream)
{
	const struct lt_ev_mark *mark = (const struct lt_ev_mark *)record;

	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_phase_begin:
		apply_begin(phases, (const struct lt_ev_phase_begin *)record, stream);
		return;
	case LT_KIND_phase_end:
		apply_end(phases, record, stream);
		return;
	default:
		if (LT_STATE_AUX(record->state) == LT_mark_kind_begin)
			begin_mark(phases, mark, stream);
		else if (LT_STATE_AUX(record->state) == LT_mark_kind_end)
			end_mark(phases, mark, stream);
	}
}
