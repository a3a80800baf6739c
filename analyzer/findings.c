/* SPDX-License-Identifier: MIT */
/*
 * Gathers what the rules need beyond the tables, then runs them. Last in the registry: rules read
 * the tables of the other analyses.
 */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze.h"
#include "report_alloc.h"

#define SMALL_READ_BYTES 64u	/* calls of fewer bytes on average are small */

static void *create(const struct analysis_context *context)
{
	struct findings *findings = report_alloc(1, sizeof(*findings));

	findings->context = context;
	return findings;
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct findings *findings = state;
	const struct io_access *access = &findings->context->model->access;
	struct small_reads *small;

	(void)record;
	(void)stream;
	if (!findings->context->model->has_access || access->is_write || !access->is_stream ||
	    access->bytes >= access->call_count * SMALL_READ_BYTES)
		return;
	findings->small = report_grow(findings->small, &findings->small_capacity,
				      access->file + 1, sizeof(*small));
	small = &findings->small[access->file];
	small->call_count += access->call_count;
	small->bytes += access->bytes;
	small->duration_ns += access->duration_ns;
}

void findings_add(struct findings *findings, const struct finding_text *text, const char *format,
		  ...)
{
	struct evidence evidence[] = { { text->table, text->row },
				       { text->also_table, text->also_row } };
	bool has_evidence = text->table && text->row != SIZE_MAX;
	bool has_more = has_evidence && text->also_table && text->also_row != SIZE_MAX;
	char statement[1024];
	struct finding finding = {
		.id = text->id, .severity = text->severity, .phase = text->phase,
		.statement = statement, .advice = text->advice,
		.saving_ns = text->saving_ns, .is_saving_known = text->saving_ns != 0,
	};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(statement, sizeof(statement), format, arguments);
	va_end(arguments);
	report_add_finding(findings->report, &finding, evidence,
			   (unsigned)has_evidence + (unsigned)has_more);
}

bool findings_number(const struct findings *findings, const char *table, size_t row,
		     const char *column, double *ret_number)
{
	const struct table *found = report_find_table(findings->report, table);
	const struct value *value;

	if (!found || row >= table_row_count(found))
		return false;
	value = table_get(found, row, column);
	switch (value->type) {
	case VALUE_U64: *ret_number = (double)value->u64; return true;
	case VALUE_I64: *ret_number = (double)value->i64; return true;
	case VALUE_F64: *ret_number = value->f64; return true;
	default: return false;
	}
}

uint64_t findings_phase_ns(const struct findings *findings, enum phase_kind kind)
{
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < findings->context->phase_count; i++)
		if (findings->context->phases[i].kind == kind)
			sum_ns += findings->context->phases[i].duration_ns;
	return sum_ns;
}

bool findings_storage_bytes(const struct findings *findings, double *ret_bytes)
{
	const struct sample_series *samples = &findings->context->model->samples;
	uint64_t first, last;

	if (samples->count < 2 || !samples->has_io)
		return false;
	first = samples->samples[0].values[SAMPLE_STORAGE_BYTES];
	last = samples->samples[samples->count - 1].values[SAMPLE_STORAGE_BYTES];
	*ret_bytes = last > first ? (double)(last - first) : 0;
	return true;
}

size_t findings_row_of(const struct findings *findings, const char *table, const char *column,
		       const char *key)
{
	const struct table *found = report_find_table(findings->report, table);

	return found ? table_find_text(found, column, key) : SIZE_MAX;
}

static void finish(void *state, struct report *report)
{
	struct findings *findings = state;

	findings->report = report;
	findings->engine = engine_of(findings->context->trace);
	findings_of_trace(findings);
	findings_of_memory(findings);
	findings_of_faults(findings);
	findings_of_files(findings);
	findings_of_threads(findings);
}

static void destroy(void *state)
{
	struct findings *findings = state;

	free(findings->small);
	free(findings);
}

const struct analysis analyze_findings = {
	.name = "findings",
	.doc = "what went wrong, what it cost and what to do",
	.kinds = { LT_KIND_io_run, LT_KIND_stream_read },
	.create = create, .event = event, .finish = finish, .destroy = destroy,
};
