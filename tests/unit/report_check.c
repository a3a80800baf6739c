/* SPDX-License-Identifier: MIT */
/* Reports of built traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis.h"
#include "report_check.h"

void checked_open(struct checked *checked, const char *path, const char *phase)
{
	const struct trace_options options = { .thread_count = 1, .is_rings_ignored = true };
	const struct symbols_options names = { .is_disk_ignored = true };
	struct error error;

	if (trace_open(path, &options, &checked->trace, &error))
		fail_msg("%s", error.text);
	checked->symbols = symbols_new(checked->trace, &names);
	checked->report = report_new();
	if (analysis_run(checked->trace, checked->symbols, phase, NULL, checked->report, &error))
		fail_msg("%s", error.text);
}

void checked_close(struct checked *checked)
{
	report_free(checked->report);
	symbols_free(checked->symbols);
	trace_close(checked->trace);
}

static const struct table *table_of(const struct checked *checked, const char *table)
{
	const struct table *found = report_find_table(checked->report, table);

	if (!found)
		fail_msg("no table %s", table);
	return found;
}

size_t checked_row(const struct checked *checked, const char *table, const char *column,
		   const char *text)
{
	size_t row = table_find_text(table_of(checked, table), column, text);

	if (row == SIZE_MAX)
		fail_msg("%s has no row %s", table, text);
	return row;
}

uint64_t checked_number(const struct checked *checked, const char *table, size_t row,
			const char *column)
{
	const struct table *found = table_of(checked, table);
	const struct value *value;

	assert_true(row < table_row_count(found));
	value = table_get(found, row, column);
	if (value->type == VALUE_NULL)
		fail_msg("%s, row %zu: %s is null", table, row, column);
	return (uint64_t)value_number(value);
}

bool checked_is_null(const struct checked *checked, const char *table, size_t row,
		     const char *column)
{
	return table_get(table_of(checked, table), row, column)->type == VALUE_NULL;
}

size_t checked_row_count(const struct checked *checked, const char *table)
{
	return table_row_count(table_of(checked, table));
}

bool checked_has_note(const struct checked *checked, const char *table, const char *part)
{
	const struct table *found = table_of(checked, table);

	for (size_t i = 0; i < found->note_count; i++)
		if (strstr(found->notes[i], part))
			return true;
	return false;
}

const struct report_finding *checked_finding(const struct checked *checked, const char *id)
{
	for (size_t i = 0; i < checked->report->finding_count; i++)
		if (!strcmp(checked->report->findings[i].finding.id, id))
			return &checked->report->findings[i];
	return NULL;
}

const struct coverage *checked_coverage(const struct checked *checked, const char *subject)
{
	for (size_t i = 0; i < checked->report->coverage_count; i++)
		if (!strcmp(checked->report->coverage[i].subject, subject))
			return &checked->report->coverage[i];
	return NULL;
}
