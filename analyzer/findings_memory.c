/* SPDX-License-Identifier: MIT */
/*
 * Findings about memory: refused locks, a model that is paged in inside one mmap call, allocations
 * in the token loop; and about the trace itself: lost events.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "units.h"

#define ALLOCS_PER_TOKEN_MAX 1000.0	/* llama.cpp itself makes 45 */
#define TOKENS_MIN 8u			/* fewer tell nothing about a loop */
#define POPULATE_MIN_NS 200000000u
#define POPULATE_LOAD_SHARE 5u		/* of the load: a fifth */

/* Without this the tables of the heap would just be empty. */
static void find_unseen_heap(struct findings *findings)
{
	const struct model *model = findings->context->model;

	for (size_t i = 0; i < model->notice_count; i++) {
		const struct model_notice *notice = &model->notices[i];
		const char *where = trace_string(findings->context->trace, notice->text);
		bool is_all = notice->kind == LT_notice_kind_allocator_replaced;

		if (!is_all && notice->kind != LT_notice_kind_allocator_has_new)
			continue;
		findings_add(findings,
			     &(struct finding_text){ .id = "heap_not_seen",
						     .severity = SEVERITY_MEDIUM,
						     .advice = "build the program without its own "
							       "allocator to see its blocks; "
							       "mappings and files are seen" },
			     "%s not seen: %s defines its own %s",
			     is_all ? "heap calls were" : "calls of C++ new were",
			     where ? where : "the program", is_all ? "malloc" : "operator new");
	}
}

void findings_of_trace(struct findings *findings)
{
	const struct trace_facts *facts = trace_facts(findings->context->trace);
	uint64_t lost = facts->lost_event_count + facts->damage_event_count;
	double share;

	find_unseen_heap(findings);
	if (!lost)
		return;
	share = 100.0 * (double)lost / (double)(lost + facts->event_count);
	findings_add(findings,
		     &(struct finding_text){ .id = "lost_events",
					     .severity = share > 1 ? SEVERITY_HIGH : SEVERITY_LOW,
					     .advice = "counts are too low by up to that share; "
						       "give the writer a CPU, or record "
						       "fewer groups with LLMTRACE_EVENTS" },
		     "%" PRIu64 " of %" PRIu64 " events (%.3g%%) are not in the trace", lost,
		     lost + facts->event_count, share);
}

static size_t row_with_failures(const struct findings *findings)
{
	const struct table *maps = report_find_table(findings->report, "maps");
	double failed;

	for (size_t row = 0; maps && row < table_row_count(maps); row++)
		if (findings_number(findings, "maps", row, "failed_count", &failed) && failed > 0)
			return row;
	return SIZE_MAX;
}

static void refused_locks(struct findings *findings)
{
	const struct lock_failures *failures = &findings->context->model->maps.lock_failures;
	const char *limit = trace_meta(findings->context->trace, "memlock_limit_bytes");
	char bytes[UNITS_BYTES], allowed[UNITS_BYTES] = "", advice[256];

	if (!failures->count)
		return;
	if (limit && strtoull(limit, NULL, 10) != UINT64_MAX)
		units_bytes(allowed, (double)strtoull(limit, NULL, 10));
	snprintf(advice, sizeof(advice),
		 "raise the limit (`ulimit -l unlimited`, LimitMEMLOCK=infinity), or %s",
		 engine_flag(&findings->engine, ENGINE_FLAG_NO_MLOCK));
	findings_add(findings,
		     &(struct finding_text){ .id = "mlock_failed",
					     .severity = SEVERITY_HIGH,
					     .advice = advice,
					     .table = "maps",
					     .row = row_with_failures(findings) },
		     "%" PRIu64 " of %" PRIu64
		     " mlock calls were refused (%s, errno %s%s%s): this memory "
		     "is not locked",
		     failures->count, findings->context->model->maps.lock_count,
		     units_bytes(bytes, (double)failures->bytes),
		     strerrorname_np((int)failures->error), allowed[0] ? "; the limit is " : "",
		     allowed);
}

static bool is_populated(const struct table *maps, size_t row)
{
	const struct value *flags = table_get(maps, row, "flags");
	const struct value *mapping = table_get(maps, row, "mapping");

	return flags->type == VALUE_TEXT && strstr(flags->text, "populate") &&
	       mapping->type == VALUE_TEXT && mapping->text[0] == '/';
}

/* With a warm page cache the call takes milliseconds: only a slow one is a finding. */
static void slow_populate(struct findings *findings)
{
	const struct table *maps = report_find_table(findings->report, "maps");
	double load_ns = (double)findings_phase_ns(findings, PHASE_LOAD);
	char took[UNITS_BYTES], length[UNITS_BYTES], storage[UNITS_BYTES], advice[256];
	double call_ns, bytes, stored;
	bool is_stored = findings_storage_bytes(findings, &stored);

	for (size_t row = 0; maps && row < table_row_count(maps); row++) {
		if (!is_populated(maps, row) ||
		    !findings_number(findings, "maps", row, "call_ns", &call_ns) ||
		    !findings_number(findings, "maps", row, "length_bytes", &bytes) ||
		    call_ns < POPULATE_MIN_NS || call_ns < load_ns / POPULATE_LOAD_SHARE)
			continue;
		snprintf(advice, sizeof(advice),
			 "MAP_POPULATE reads the file before mmap returns, and no page fault shows "
			 "it: "
			 "compare with %s on a cold cache",
			 engine_flag(&findings->engine, ENGINE_FLAG_NO_MMAP));
		findings_add(findings, &(struct finding_text){
			.id = "mmap_populate", .severity = SEVERITY_INFO, .phase = "load",
			.advice = advice, .table = "maps", .row = row },
			"%s were spent inside mmap, which paged in %s of %s%s%s%s",
			units_ns(took, call_ns), units_bytes(length, bytes),
			table_get(maps, row, "mapping")->text,
			is_stored ? "; the run read " : "",
			is_stored ? units_bytes(storage, stored) : "",
			is_stored ? " from storage" : "");
	}
}

static void allocations_per_token(struct findings *findings)
{
	size_t row = findings_row_of(findings, "tokens", "metric", "alloc_count");
	uint64_t tokens = phase_rows_tokens(findings->context->phases,
					    findings->context->phase_count, PHASE_GENERATION);
	double per_token;

	if (tokens < TOKENS_MIN ||
	    !findings_number(findings, "tokens", row, "per_generated_token", &per_token) ||
	    per_token < ALLOCS_PER_TOKEN_MAX)
		return;
	findings_add(findings, &(struct finding_text){
		.id = "allocs_per_token", .severity = SEVERITY_LOW, .phase = "generation",
		.advice = "the call stacks with most allocations are in heap_by_stack "
			  "(--phase generation): keep buffers from token to token",
		.table = "tokens", .row = row },
		"each generated token costs %.0f allocations", per_token);
}

void findings_of_memory(struct findings *findings)
{
	refused_locks(findings);
	slow_populate(findings);
	allocations_per_token(findings);
}
