/* SPDX-License-Identifier: MIT */
/*
 * Runs the analyses over a trace: the registry, and the dispatch by kind of event. With a phase
 * filter the trace is read twice, since the name of a phase is known only after it.
 */
#include "analysis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_read.h"
#include "analyze.h"
#include "report_alloc.h"
#include "units.h"

const struct analysis *const analyses[] = {
	&analyze_run,
	&analyze_phases,
	&analyze_tokens,
	&analyze_maps,
	&analyze_faults_by_stack,
	&analyze_faults_by_tensor,
	&analyze_faults_by_layer,
	&analyze_faults_over_time,
	&analyze_heap_by_stack,
	&analyze_heap_sizes,
	&analyze_heap_over_time,
	&analyze_io_by_file,
	&analyze_io_by_stack,
	&analyze_io_sizes,
	&analyze_io_slowest,
	&analyze_models,
	&analyze_model_tensors,
	&analyze_threads,
	&analyze_children,
	&analyze_coverage,
	&analyze_findings,
};
const size_t analysis_count = sizeof(analyses) / sizeof(analyses[0]);

#define ANALYSES_MAX (sizeof(analyses) / sizeof(analyses[0]))

struct listener {
	void (*event)(void *state, const struct lt_record *record, uint32_t stream);
	void *state;
};

struct dispatch {
	void *states[ANALYSES_MAX];
	struct listener listeners[LT_KIND_COUNT][ANALYSES_MAX + 1];	/* event NULL ends a list */
};

bool analysis_has_group(const struct analysis_context *context, uint32_t group)
{
	return trace_facts(context->trace)->groups & group;
}

void analysis_set(struct table *table, size_t row, const char *column, uint64_t value,
		  bool is_measured)
{
	if (is_measured)
		table_set_u64(table, row, column, value);
}

void analysis_note_bound(const struct analysis_context *context, struct table *table)
{
	const struct trace_facts *facts = trace_facts(context->trace);
	char time[UNITS_BYTES], count[UNITS_BYTES], note[256];

	if (facts->oldest.number <= 1)
		return;
	snprintf(note, sizeof(note),
		 "LLMTRACE_MAX_BYTES: the events of the first %s (%s) made room for later ones and "
		 "are not counted here",
		 units_ns(time, (double)(facts->oldest.begin_ns - facts->start_ns)),
		 units_count(count, (double)facts->oldest.event_count));
	table_add_note(table, note);
}

static void add_listener(struct dispatch *dispatch, const struct analysis *analysis, void *state,
			 uint8_t kind)
{
	struct listener *listener = dispatch->listeners[kind];

	while (listener->event)
		listener++;
	*listener = (struct listener){ analysis->event, state };
}

static struct dispatch *create_all(const struct analysis_context *context)
{
	struct dispatch *dispatch = report_alloc(1, sizeof(*dispatch));

	for (size_t i = 0; i < analysis_count; i++) {
		const struct analysis *analysis = analyses[i];

		dispatch->states[i] = analysis->create(context);
		for (unsigned k = 0; k < ANALYSIS_KINDS_MAX && analysis->kinds[k]; k++)
			add_listener(dispatch, analysis, dispatch->states[i], analysis->kinds[k]);
	}
	return dispatch;
}

static void note_missing_group(const struct analysis_context *context,
			       const struct analysis *analysis, struct report *report)
{
	struct table *table = report_find_table(report, analysis->name);

	if (table && analysis->group && !analysis_has_group(context, analysis->group))
		table_add_note(table, "not recorded: LLMTRACE_EVENTS left it out");
}

static void finish_all(const struct analysis_context *context, struct dispatch *dispatch,
		       struct report *report)
{
	for (size_t i = 0; i < analysis_count; i++) {
		analyses[i]->finish(dispatch->states[i], report);
		note_missing_group(context, analyses[i], report);
	}
}

static void destroy_all(struct dispatch *dispatch)
{
	for (size_t i = 0; i < analysis_count; i++)
		analyses[i]->destroy(dispatch->states[i]);
	free(dispatch);
}

static void tell_event(void *context, const struct lt_record *record, uint32_t stream)
{
	const struct dispatch *dispatch = context;
	const struct listener *listener = dispatch->listeners[LT_STATE_KIND(record->state)];

	for (; listener->event; listener++)
		listener->event(listener->state, record, stream);
}

static void tell_heap(void *context, const struct heap_batch *batch)
{
	const struct dispatch *dispatch = context;

	for (size_t i = 0; i < analysis_count; i++)
		if (analyses[i]->heap)
			analyses[i]->heap(dispatch->states[i], batch);
}

/* dispatch: NULL to follow the model alone. */
static void read_all(const struct analysis_context *context, struct dispatch *dispatch,
		     const struct read_filter *filter, const struct analysis_progress *progress)
{
	const struct read_listener everybody = { tell_event, tell_heap, dispatch }, nobody = { 0 };

	analysis_read(context->trace, context->model, filter, dispatch ? &everybody : &nobody,
		      progress);
}

static int no_such_phase(const struct analysis_context *context, struct error *ret_error)
{
	char names[1024];
	size_t used = 0;

	names[0] = '\0';
	for (size_t i = 0; i < context->phase_count && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s\"%s\"",
					 i ? ", " : "", context->phases[i].name);
	return error_set(ret_error, EXIT_UNUSABLE, "%s: no phase is called \"%s\"; it has %s",
			 trace_facts(context->trace)->path, context->phase_filter, names);
}

static const struct phase_row *find_phase(const struct analysis_context *context)
{
	for (size_t i = 0; i < context->phase_count; i++)
		if (!strcmp(context->phases[i].name, context->phase_filter))
			return &context->phases[i];
	return NULL;
}

static void finish_phases(struct analysis_context *context, struct model *model)
{
	context->end_ns = trace_facts(context->trace)->end_ns;
	context->phases = phases_finish(model->phases, context->end_ns, &context->phase_count);
}

/* The second reading: filter is the phase whose spans are counted. */
static void run_filtered(struct analysis_context *context, const struct phase_row *filter,
			 const struct analysis_progress *progress, struct report *report)
{
	const struct read_filter spans = { filter->spans, filter->span_count };
	struct model *first = context->model, model;
	struct dispatch *dispatch;

	trace_rewind(context->trace);
	model_init(&model, context->trace);
	context->model = &model;
	dispatch = create_all(context);
	read_all(context, dispatch, &spans, progress);
	finish_all(context, dispatch, report);
	destroy_all(dispatch);
	model_release(&model);
	context->model = first;
}

int analysis_run(struct trace *trace, struct symbols *symbols, const char *phase_filter,
		 const struct analysis_progress *progress, struct report *report,
		 struct error *ret_error)
{
	struct model model;
	struct analysis_context context = {
		.trace = trace, .model = &model, .phase_filter = phase_filter,
		.stacks = stack_groups_new(trace, symbols) };
	const struct read_filter everything = { 0 };
	struct dispatch *dispatch = NULL;
	int status = 0;

	model_init(&model, trace);
	if (!phase_filter)
		dispatch = create_all(&context);
	read_all(&context, dispatch, &everything, progress);
	finish_phases(&context, &model);
	if (dispatch) {
		finish_all(&context, dispatch, report);
		destroy_all(dispatch);
	} else if (find_phase(&context)) {
		run_filtered(&context, find_phase(&context), progress, report);
	} else {
		status = no_such_phase(&context, ret_error);
	}
	model_release(&model);
	stack_groups_free(context.stacks);
	return status;
}
