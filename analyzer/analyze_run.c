/* SPDX-License-Identifier: MIT */
/*
 * The head of the report: what ran, how it ended, whether the trace has everything, what tracing
 * cost.
 */
#include "analyze.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "report_alloc.h"

#define ABORT_SIGNAL 6

static void *keep_context(const struct analysis_context *context)
{
	return (void *)(uintptr_t)context;
}

static void keep_nothing(void *state)
{
	(void)state;
}

static struct value u64_value(uint64_t number)
{
	return (struct value){ .type = VALUE_U64, .u64 = number };
}

static struct value meta_number(const struct trace *trace, const char *key)
{
	const char *text = trace_meta(trace, key);
	char *end;
	uint64_t number;

	if (!text || !*text)
		return (struct value){ 0 };
	number = strtoull(text, &end, 10);
	return *end ? (struct value){ 0 } : u64_value(number);
}

/* The arguments lie behind each other, each with a zero but the last. */
static unsigned split_command(const struct trace *trace, const char ***ret_words)
{
	const char *text = trace_meta(trace, "command");
	size_t bytes = trace_meta_bytes(trace, "command"), capacity = 0;
	const char **words = NULL;
	unsigned count = 0;

	for (size_t at = 0; text && at <= bytes && bytes; at += strlen(text + at) + 1) {
		words = report_grow(words, &capacity, count + 1, sizeof(*words));
		words[count++] = text + at;
	}
	*ret_words = words;
	return count;
}

static void fill_exit(const struct analysis_context *context, struct run_facts *run)
{
	const struct process_end *end = &context->model->end;
	enum trace_state state = trace_facts(context->trace)->state;

	/* both are foreseen, and may fail */
	bool is_replaced = end->is_seen && (end->call == LT_process_call_exec ||
					    end->call == LT_process_call_daemon);

	run->exit_kind = state == TRACE_RUNNING ? "running" : "exit";
	/* without the end that is written before an exec, the process was not replaced */
	if (state == TRACE_KILLED && (!end->is_seen || is_replaced))
		run->exit_kind = "killed";
	if (!end->is_seen || state == TRACE_RUNNING || (is_replaced && state == TRACE_KILLED))
		return;
	if (end->call == LT_process_call_abort) {
		run->exit_kind = "signal";
		run->exit_code = u64_value(ABORT_SIGNAL);
	} else if (end->call == LT_process_call_exec) {
		run->exit_kind = "exec";
		run->exit_program = trace_string(context->trace, end->path);
	} else {
		run->exit_code = u64_value((uint64_t)end->result & 0xff);
	}
}

/* @return NULL when nothing is missing. */
static const char *missing_text(const struct trace_facts *facts, bool is_off, uint64_t lost,
				char *text, size_t bytes)
{
	if (facts->is_damaged)
		snprintf(text, bytes, "damaged at byte %" PRIu64 ": %s; %" PRIu64 " bytes and %"
			 PRIu64 " events are missing", facts->damage[0].offset,
			 facts->damage[0].reason, facts->damage_byte_count,
			 facts->damage_event_count);
	else if (facts->state == TRACE_RUNNING)
		snprintf(text, bytes, "the process still runs%s",
			 is_off ? ", and recording is off" : "");
	else if (lost)
		snprintf(text, bytes, "%" PRIu64 " events were lost", lost);
	else if (facts->state == TRACE_KILLED && facts->rings == TRACE_RINGS_IN_MEMORY)
		snprintf(text, bytes,
			 "the process ended without closing its trace, and its rings lay in its own "
			 "memory: "
			 "its last moments are missing");
	else if (facts->state == TRACE_KILLED && facts->rings == TRACE_RINGS_MISSING)
		snprintf(text, bytes, "the process ended without closing its trace, and its rings are gone "
			 "(%s): "
			 "its last moments may be missing", facts->rings_text);
	else if (facts->is_cut && facts->rings != TRACE_RINGS_READ)
		snprintf(text, bytes, "cut at byte %" PRIu64, facts->cut_offset);
	else
		return NULL;
	return text;
}

static void fill_own_cost(const struct analysis_context *context, struct run_facts *run)
{
	const struct model *model = context->model;

	run->file_bytes = u64_value(trace_facts(context->trace)->file_bytes);
	if (model->streams.stream_count)
		run->wait_ns = u64_value(model->streams.wait_ns);
	if (!model->samples.has_own)
		return;
	run->own_cpu_ns = u64_value(model->samples.own.cpu_ns);
	run->own_memory_bytes = u64_value(model->samples.own.memory_bytes);
}

static void finish(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	const struct trace *trace = context->trace;
	const struct trace_facts *facts = trace_facts(trace);
	uint64_t lost = facts->lost_event_count + facts->damage_event_count;
	const char **command;
	char text[512];
	struct run_facts run = {
		.path = facts->path, .version = trace_meta(trace, "llmtrace_version"),
		.exe = trace_meta(trace, "exe"), .host = trace_meta(trace, "host"),
		.kernel = trace_meta(trace, "kernel"), .cpu_model = trace_meta(trace, "cpu_model"),
		.pid = facts->pid, .start_unix_ns = facts->start_unix_ns,
		.cpu_count = meta_number(trace, "cpu_count"),
		.event_count = facts->event_count, .lost_event_count = lost,
		.phase_filter = context->phase_filter,
	};

	run.lost_fault_share = faults_lost_share(context);
	if (context->end_ns > facts->start_ns)
		run.duration_ns = u64_value(context->end_ns - facts->start_ns);
	run.command_count = split_command(trace, &command);
	run.command = command;
	fill_exit(context, &run);
	fill_own_cost(context, &run);
	run.incomplete_reason = missing_text(facts, context->model->gaps.is_off, lost, text,
					     sizeof(text));
	run.is_complete = !run.incomplete_reason;
	report_set_run(report, &run);
	free(command);
}

const struct analysis analyze_run = {
	.name = "run",
	.doc = "what ran, how it ended, what tracing cost",
	.create = keep_context, .finish = finish, .destroy = keep_nothing,
};
