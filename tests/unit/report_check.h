/* SPDX-License-Identifier: MIT */
/* The report of a trace that a test has built, and its cells by name. Asserts with cmocka. */
#ifndef LLMTRACE_TESTS_REPORT_CHECK_H
#define LLMTRACE_TESTS_REPORT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report_data.h"
#include "symbols.h"
#include "trace.h"

struct checked {
	struct trace *trace;
	struct symbols *symbols;
	struct report *report;
};

/* phase: NULL for the whole run. */
void checked_open(struct checked *checked, const char *path, const char *phase);
void checked_close(struct checked *checked);

/* @return the row whose text column holds that text; fails when there is none. */
size_t checked_row(const struct checked *checked, const char *table, const char *column,
		   const char *text);
/* @return a number; fails when the cell is null. */
uint64_t checked_number(const struct checked *checked, const char *table, size_t row,
			const char *column);
bool checked_is_null(const struct checked *checked, const char *table, size_t row,
		     const char *column);
size_t checked_row_count(const struct checked *checked, const char *table);
bool checked_has_note(const struct checked *checked, const char *table, const char *part);

/* @return the finding of that id, NULL when there is none. */
const struct report_finding *checked_finding(const struct checked *checked, const char *id);
/* @return the coverage line of that subject, NULL when there is none. */
const struct coverage *checked_coverage(const struct checked *checked, const char *subject);

#endif
