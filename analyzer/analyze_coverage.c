/* SPDX-License-Identifier: MIT */
/*
 * The coverage lines: what was seen, of how much, by which means; and what the shim noticed that a
 * reader of the tables must know.
 */
#include "analyze.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "report_alloc.h"
#include "units.h"

static void *keep_context(const struct analysis_context *context)
{
	return (void *)(uintptr_t)context;
}

static void keep_nothing(void *state)
{
	(void)state;
}

static void cover_events(const struct analysis_context *context, struct report *report)
{
	const struct trace_facts *facts = trace_facts(context->trace);
	const struct stream_totals *streams = &context->model->streams;
	uint64_t lost = facts->lost_event_count + facts->damage_event_count;
	char note[256];

	snprintf(note, sizeof(note), "%" PRIu64 " lost to full rings, %" PRIu64
		 " to damage; threads waited %" PRIu64 " times for the writer",
		 facts->lost_event_count, facts->damage_event_count, streams->wait_count);
	report_add_coverage(report, "events", facts->event_count, facts->event_count + lost, true,
			    "hooks", note);
	if (facts->unknown_event_count) {
		snprintf(note, sizeof(note),
			 "%" PRIu64 " events are of kinds that this report does "
			 "not know: it is older than the trace",
			 facts->unknown_event_count);
		report_add_coverage(report, "event kinds",
				    facts->event_count - facts->unknown_event_count,
				    facts->event_count, true, "event table of the trace", note);
	}
}

static void cover_bound(const struct analysis_context *context, struct report *report)
{
	const struct trace_facts *facts = trace_facts(context->trace);
	const struct trace_segment *oldest = &facts->oldest;
	char time[UNITS_BYTES], bytes[UNITS_BYTES], live[UNITS_BYTES], count[UNITS_BYTES], note[320];

	if (oldest->number <= 1)
		return;
	snprintf(note, sizeof(note),
		 "dropped by the bound: the first %s of the run, %s of trace; of the heap of that "
		 "moment the live blocks are known (%s in %s blocks)",
		 units_ns(time, (double)(oldest->begin_ns - facts->start_ns)),
		 units_bytes(bytes, (double)oldest->written_bytes),
		 units_bytes(live, (double)oldest->live_bytes),
		 units_count(count, (double)oldest->live_count));
	report_add_coverage(report, "events within the bound", facts->event_count,
			    facts->event_count + oldest->event_count, true, "LLMTRACE_MAX_BYTES",
			    note);
}

/* In ms: a run of years fits, and a gap that matters is not 0. */
static void cover_gaps(const struct analysis_context *context, struct report *report)
{
	const struct recording_gaps *gaps = &context->model->gaps;
	const struct heap_totals *heap = live_blocks_totals(context->model->blocks);
	uint64_t start_ns = trace_facts(context->trace)->start_ns;
	uint64_t run_ns = context->end_ns > start_ns ? context->end_ns - start_ns : 0;
	uint64_t off_ns = recording_off_ns(gaps, context->end_ns), unsure;
	char time[UNITS_BYTES], bytes[UNITS_BYTES], count[UNITS_BYTES], note[320];

	if (!gaps->off_count)
		return;
	snprintf(note, sizeof(note), "recording was off for %s (%" PRIu64 " times)%s",
		 units_ns(time, (double)off_ns), gaps->off_count,
		 gaps->is_off ? "; it is off at the end" : "");
	report_add_coverage(report, "time recorded, in ms",
			    (run_ns > off_ns ? run_ns - off_ns : 0) / 1000000, run_ns / 1000000,
			    true, "llmtrace ctl, LLMTRACE_SIGNAL, LLMTRACE_START", note);
	unsure = gaps->live_count < heap->live_count ? gaps->live_count : heap->live_count;
	if (!unsure || !analysis_has_group(context, LT_GROUP_heap) || context->phase_filter)
		return;
	snprintf(note, sizeof(note),
		 "the others may be gone: %s in %s blocks were live when recording was switched "
		 "off, and releases were not seen then",
		 units_bytes(bytes, (double)gaps->live_bytes),
		 units_count(count, (double)gaps->live_count));
	report_add_coverage(report, "blocks live at the end", heap->live_count - unsure,
			    heap->live_count, true, "hooks", note);
}

static void cover_calls(const struct analysis_context *context, struct report *report)
{
	const struct stream_totals *streams = &context->model->streams;
	uint64_t seen = trace_facts(context->trace)->event_count;

	if (streams->passed_count)
		report_add_coverage(report, "hooked calls", seen, seen + streams->passed_count,
				    true, "hooks",
				    "the others came from inside another hooked call of the "
				    "same thread");
}

static void cover_stacks(const struct analysis_context *context, struct report *report)
{
	const struct model *model = context->model;

	if (model->stack_event_count)
		report_add_coverage(report, "call stacks",
				    model->stack_event_count - model->stackless_count,
				    model->stack_event_count, true, "stack walk",
				    model->streams.lost_stack_count ?
				    "the table of stacks was full" : NULL);
}

static void cover_heap(const struct analysis_context *context, struct report *report)
{
	const struct heap_totals *totals = live_blocks_totals(context->model->blocks);
	const char *while_off =
		context->model->gaps.off_count ? ", or while recording was off" : "";
	char note[160];

	if (!analysis_has_group(context, LT_GROUP_heap) || context->phase_filter)
		return;
	note[0] = '\0';
	if (totals->unknown_free_count)
		snprintf(note, sizeof(note), "%s%s",
			 trace_meta(context->trace, "forked_from")
				 ? "the others were allocated by the parent before the fork"
				 : "the others were allocated before or beside the hooks", while_off);
	report_add_coverage(report, "released blocks",
			    totals->free_count - totals->unknown_free_count, totals->free_count,
			    true, "hooks", note[0] ? note : NULL);
	if (totals->missed_free_count) {
		snprintf(note, sizeof(note),
			 "%" PRIu64 " blocks were released where no hook saw it%s",
			 totals->missed_free_count, while_off);
		report_add_coverage(report, "block life spans",
				    context->model->totals.alloc_count - totals->missed_free_count,
				    context->model->totals.alloc_count, true, "hooks", note);
	}
}

/* rchar counts what the C library reads ahead, too: it may be a little more, or less by mmap. */
static void cover_reads(const struct analysis_context *context, struct report *report)
{
	const struct model *model = context->model;
	const struct sample *samples = model->samples.samples;
	uint64_t total = 0;
	bool is_known = model->samples.has_io && model->samples.count >= 2;

	if (!analysis_has_group(context, LT_GROUP_files))
		return;
	if (is_known)
		total = samples[model->samples.count - 1].values[SAMPLE_LOGICAL_BYTES] -
			samples[0].values[SAMPLE_LOGICAL_BYTES];
	report_add_coverage(
		report, "bytes read", model->totals.read_bytes, total, is_known,
		"hooks, of rchar in /proc/self/io",
		"rchar counts the read-ahead of FILE buffers, the loader and the shim's "
		"own look at /proc, too");
}

static const char *notice_text(unsigned kind)
{
	switch (kind) {
	case LT_notice_kind_io_uring_in_use:
		return "io_uring is in use: reads through it are not seen";
	case LT_notice_kind_write_failed: return "the trace could not be written for a while";
	case LT_notice_kind_events_without_ring:
		return "events were lost: no memory for the rings of some threads";
	case LT_notice_kind_allocator_replaced:
		return "the program has a malloc of its own, which the hooks do not see";
	case LT_notice_kind_allocator_has_new:
		return "calls of C++ new go straight into the allocator and are not seen";
	default: return "a notice that this report does not know";
	}
}

static void cover_notice(const struct analysis_context *context, const struct model_notice *notice,
			 struct report *report)
{
	const char *text = trace_string(context->trace, notice->text);
	const char *kind = lt_aux_name("notice_kind", notice->kind);
	char note[512];

	snprintf(note, sizeof(note), "%s%s%s", notice_text(notice->kind), text ? ": " : "",
		 text ? text : "");
	if (notice->kind == LT_notice_kind_events_without_ring)
		report_add_coverage(report, "calls at start", 0, notice->value, true, "shim", note);
	else
		report_add_coverage(report, kind ? kind : "notice", 0, 0, false, "shim", note);
}

static void finish(void *state, struct report *report)
{
	const struct analysis_context *context = state;

	cover_events(context, report);
	cover_bound(context, report);
	cover_gaps(context, report);
	cover_calls(context, report);
	cover_stacks(context, report);
	cover_heap(context, report);
	cover_reads(context, report);
	faults_cover(context, report);
	for (size_t i = 0; i < context->model->notice_count; i++)
		cover_notice(context, &context->model->notices[i], report);
}

const struct analysis analyze_coverage = {
	.name = "coverage",
	.doc = "what was seen of how much, by which means",
	.create = keep_context, .finish = finish, .destroy = keep_nothing,
};
