/* SPDX-License-Identifier: MIT */
/*
 * The inside of a report, for renderers and for the diff: they walk tables, findings and coverage
 * that analyses filled through table.h. Read only for them; table.c owns every pointer in here.
 */
#ifndef LLMTRACE_REPORT_DATA_H
#define LLMTRACE_REPORT_DATA_H

#include "report_alloc.h"
#include "table.h"

struct table {
	const char *id;
	const char *title;
	const struct column *columns;
	unsigned column_count;
	size_t row_count, row_capacity;
	struct value *values;		/* row_count rows of column_count values */
	const char **notes;
	size_t note_count, note_capacity;
	size_t text_row_limit;		/* 0: the default */
	const char *bar_column;		/* NULL: none */
	struct arena *arena;		/* the report's */
};

struct coverage {
	const char *subject;
	uint64_t seen, total;
	bool is_total_known;
	const char *means, *note;
	bool is_unmeasured;		/* seen is null */
};

struct report_finding {
	struct finding finding;
	struct evidence *evidence;
	unsigned evidence_count;
};

struct report {
	struct arena arena;
	struct run_facts run;
	struct table **tables;
	size_t table_count, table_capacity;
	struct coverage *coverage;
	size_t coverage_count, coverage_capacity;
	struct report_finding *findings;
	size_t finding_count, finding_capacity;
};

static inline const struct value *table_value(const struct table *table, size_t row,
					      unsigned column)
{
	return &table->values[row * table->column_count + column];
}

/* @return "high", "medium", "low" or "info". */
const char *severity_name(enum severity severity);
/* @return the number of a numeric value; 0 for null and text. */
double value_number(const struct value *value);

#endif
