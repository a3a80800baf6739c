/* SPDX-License-Identifier: MIT */
/*
 * The tables `phases` and `tokens`: what each phase did, and what a token cost. Counts are exact;
 * CPU time, faults and storage bytes come from samples of /proc and are null where none was taken
 * close to the begin and the end of a phase.
 */
#include "analyze.h"

#include <stdlib.h>

#include "analyze_faults.h"
#include "report_alloc.h"

static const struct column phase_columns[] = {
	{ "phase", "text", VALUE_TEXT, true, false, "name of the phase", NULL, false },
	{ "start_ns", "ns", VALUE_U64, false, true, "since the start of recording", "start", true },
	{ "duration_ns", "ns", VALUE_U64, false, true, "wall time", "time", false },
	{ "token_count", "count", VALUE_U64, false, false, "tokens in the batches", "tokens",
	  false },
	{ "tokens_per_s", "per_s", VALUE_F64, false, true, "tokens per second of wall time",
	  "tok/s", false },
	{ "alloc_count", "count", VALUE_U64, false, false, "allocations, reallocs included",
	  "allocs", false },
	{ "alloc_bytes", "bytes", VALUE_U64, false, false, "bytes asked for", "alloc'd", false },
	{ "fault_count", "count", VALUE_U64, false, true, "page faults by the kernel's counters",
	  "faults", false },
	{ "fault_stall_ns", "ns", VALUE_U64, false, true,
	  "time in page faults in user mode, of all threads", "stall", false },
	{ "read_count", "count", VALUE_U64, false, false, "read calls", "reads", true },
	{ "read_bytes", "bytes", VALUE_U64, false, false, "bytes that read calls returned", "read",
	  false },
	{ "read_ns", "ns", VALUE_U64, false, true, "time in read calls, of all threads", "in reads",
	  false },
	{ "cpu_ns", "ns", VALUE_U64, false, true, "CPU time of all threads", "CPU", false },
	{ "call_count", "count", VALUE_U64, false, false, "engine calls, or begins of a mark",
	  "calls", true },
	{ "map_call_count", "count", VALUE_U64, false, false, "mmap, munmap and mremap calls",
	  "mmaps", true },
	{ "thread_create_count", "count", VALUE_U64, false, false, "threads created", "threads",
	  true },
	{ "storage_bytes", "bytes", VALUE_U64, false, true,
	  "bytes read from storage, by the kernel", "storage", true },
};

static const struct column token_columns[] = {
	{ "metric", "text", VALUE_TEXT, true, false, "what is divided by the tokens", NULL, false },
	{ "per_prompt_token", "by_row", VALUE_F64, false, false, "over all prompt phases",
	  "per prompt token", false },
	{ "per_generated_token", "by_row", VALUE_F64, false, false, "over all generation phases",
	  "per generated token", false },
	{ "unit", "text", VALUE_TEXT, false, false, "unit of the numbers in this row", NULL,
	  false },
};

static void *keep_context(const struct analysis_context *context)
{
	return (void *)(uintptr_t)context;
}

static void keep_nothing(void *state)
{
	(void)state;
}

/* Adds to *sum. @return false when the samples do not tell the growth over all spans of the row. */
static bool add_growth(const struct analysis_context *context, const struct phase_row *row,
		       enum sample_metric metric, uint64_t *sum)
{
	for (size_t i = 0; i < row->span_count; i++) {
		uint64_t growth;

		if (!sample_series_growth(&context->model->samples, metric, row->spans[i].begin_ns,
					  row->spans[i].end_ns, &growth))
			return false;
		*sum += growth;
	}
	return row->span_count > 0;
}

static void set_growth(struct table *table, size_t i, const char *column,
		       const struct analysis_context *context, const struct phase_row *row,
		       enum sample_metric metric)
{
	uint64_t growth = 0;
	bool is_known = add_growth(context, row, metric, &growth);

	analysis_set(table, i, column, growth, is_known);
}

static void fill_phase(const struct analysis_context *context, struct table *table,
		       const struct phase_row *row)
{
	const struct phase_counters *counters = &row->counters;
	bool has_heap = analysis_has_group(context, LT_GROUP_heap);
	bool has_files = analysis_has_group(context, LT_GROUP_files);
	size_t i = table_add_row(table);

	table_set_text(table, i, "phase", row->name);
	if (row->span_count)
		table_set_u64(table, i, "start_ns", row->spans[0].begin_ns -
			      trace_facts(context->trace)->start_ns);
	table_set_u64(table, i, "duration_ns", row->duration_ns);
	analysis_set(table, i, "token_count", row->token_count, row->has_tokens);
	if (row->has_tokens && row->duration_ns)
		table_set_f64(table, i, "tokens_per_s",
			      (double)row->token_count * 1e9 / (double)row->duration_ns);
	analysis_set(table, i, "alloc_count", counters->alloc_count, has_heap);
	analysis_set(table, i, "alloc_bytes", counters->alloc_bytes, has_heap);
	analysis_set(table, i, "read_count", counters->read_count, has_files);
	analysis_set(table, i, "read_bytes", counters->read_bytes, has_files);
	analysis_set(table, i, "read_ns", counters->read_ns, has_files);
	analysis_set(table, i, "call_count", row->call_count, row->call_count);
	analysis_set(table, i, "map_call_count", counters->map_call_count,
		     analysis_has_group(context, LT_GROUP_maps));
	analysis_set(table, i, "thread_create_count", counters->thread_create_count,
		     analysis_has_group(context, LT_GROUP_threads));
	set_growth(table, i, "fault_count", context, row, SAMPLE_FAULT_COUNT);
	analysis_set(table, i, "fault_stall_ns", counters->fault_stall_ns,
		     faults_have_addresses(context));
	set_growth(table, i, "cpu_ns", context, row, SAMPLE_CPU_NS);
	set_growth(table, i, "storage_bytes", context, row, SAMPLE_STORAGE_BYTES);
}

static void finish_phases(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	struct table *table = report_add_table(report, "phases", "Phases", phase_columns,
					       sizeof(phase_columns) / sizeof(phase_columns[0]));
	bool has_marks = false;

	for (size_t i = 0; i < context->phase_count; i++) {
		fill_phase(context, table, &context->phases[i]);
		has_marks |= context->phases[i].kind == PHASE_MARK;
	}
	table_set_text_form(table, 24, NULL);
	analysis_note_bound(context, table);
	faults_note_loss(context, table);
	if (context->phases && context->phases[0].kind == PHASE_RUN)
		table_add_note(table, "no engine call was seen (llama_decode and its kin): "
				      "the run is one phase");
	if (has_marks)
		table_add_note(table, "rows of marks lie over the rows of engine calls: "
				      "do not add them up");
}

/* ---- tokens ---- */

struct token_sums {
	uint64_t token_count, duration_ns;
	struct phase_counters counters;
	uint64_t growths[SAMPLE_METRIC_COUNT];
	bool is_grown[SAMPLE_METRIC_COUNT];
};

static void sum_rows(const struct analysis_context *context, enum phase_kind kind,
		     struct token_sums *sums)
{
	for (unsigned m = 0; m < SAMPLE_METRIC_COUNT; m++)
		sums->is_grown[m] = true;
	for (size_t i = 0; i < context->phase_count; i++) {
		const struct phase_row *row = &context->phases[i];

		if (row->kind != kind)
			continue;
		sums->token_count += row->token_count;
		sums->duration_ns += row->duration_ns;
		phase_counters_add(&sums->counters, &row->counters);
		for (unsigned m = 0; m < SAMPLE_METRIC_COUNT; m++)
			sums->is_grown[m] &= add_growth(context, row, m, &sums->growths[m]);
	}
}

struct token_table {
	struct table *table;
	struct token_sums prompt, generation;
};

static void set_share(struct table *table, size_t row, const char *column, double value,
		      uint64_t tokens, bool is_measured)
{
	if (is_measured && tokens)
		table_set_f64(table, row, column, value / (double)tokens);
}

static void add_metric(struct token_table *tokens, const char *metric, const char *unit,
		       uint64_t prompt, uint64_t generation, bool is_measured)
{
	size_t row = table_add_row(tokens->table);

	table_set_text(tokens->table, row, "metric", metric);
	table_set_text(tokens->table, row, "unit", unit);
	set_share(tokens->table, row, "per_prompt_token", (double)prompt,
		  tokens->prompt.token_count, is_measured);
	set_share(tokens->table, row, "per_generated_token", (double)generation,
		  tokens->generation.token_count, is_measured);
}

static void add_sampled(struct token_table *tokens, const char *metric, const char *unit,
			enum sample_metric which)
{
	size_t row = table_add_row(tokens->table);

	table_set_text(tokens->table, row, "metric", metric);
	table_set_text(tokens->table, row, "unit", unit);
	set_share(tokens->table, row, "per_prompt_token", (double)tokens->prompt.growths[which],
		  tokens->prompt.token_count, tokens->prompt.is_grown[which]);
	set_share(tokens->table, row, "per_generated_token",
		  (double)tokens->generation.growths[which], tokens->generation.token_count,
		  tokens->generation.is_grown[which]);
}

static void fill_tokens(const struct analysis_context *context, struct token_table *tokens)
{
	const struct phase_counters *prompt = &tokens->prompt.counters;
	const struct phase_counters *generation = &tokens->generation.counters;
	bool has_heap = analysis_has_group(context, LT_GROUP_heap);
	bool has_files = analysis_has_group(context, LT_GROUP_files);

	add_metric(tokens, "duration_ns", "ns", tokens->prompt.duration_ns,
		   tokens->generation.duration_ns, true);
	add_sampled(tokens, "cpu_ns", "ns", SAMPLE_CPU_NS);
	add_metric(tokens, "alloc_count", "count", prompt->alloc_count, generation->alloc_count,
		   has_heap);
	add_metric(tokens, "alloc_bytes", "bytes", prompt->alloc_bytes, generation->alloc_bytes,
		   has_heap);
	add_sampled(tokens, "fault_count", "count", SAMPLE_FAULT_COUNT);
	add_metric(tokens, "fault_stall_ns", "ns", prompt->fault_stall_ns,
		   generation->fault_stall_ns, faults_have_addresses(context));
	add_metric(tokens, "read_bytes", "bytes", prompt->read_bytes, generation->read_bytes,
		   has_files);
	add_sampled(tokens, "storage_bytes", "bytes", SAMPLE_STORAGE_BYTES);
	add_metric(tokens, "map_call_count", "count", prompt->map_call_count,
		   generation->map_call_count, analysis_has_group(context, LT_GROUP_maps));
	add_metric(tokens, "thread_create_count", "count", prompt->thread_create_count,
		   generation->thread_create_count,
		   analysis_has_group(context, LT_GROUP_threads));
	add_metric(tokens, "kernel_launch_count", "count", 0, 0, false);
}

static void finish_tokens(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	struct token_table tokens = { 0 };

	tokens.table = report_add_table(report, "tokens", "Cost of a token", token_columns,
					sizeof(token_columns) / sizeof(token_columns[0]));
	table_set_text_form(tokens.table, 24, NULL);
	sum_rows(context, PHASE_PROMPT, &tokens.prompt);
	sum_rows(context, PHASE_GENERATION, &tokens.generation);
	if (tokens.prompt.token_count || tokens.generation.token_count)
		fill_tokens(context, &tokens);
}

const struct analysis analyze_phases = {
	.name = "phases",
	.doc = "what each phase of the run did",
	.create = keep_context, .finish = finish_phases, .destroy = keep_nothing,
};

const struct analysis analyze_tokens = {
	.name = "tokens",
	.doc = "what a prompt token and a generated token cost",
	.create = keep_context, .finish = finish_tokens, .destroy = keep_nothing,
};
