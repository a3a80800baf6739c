/* SPDX-License-Identifier: MIT */
/*
 * The renderers: the report as text, JSON, Markdown or CSV. They know tables and not analyses;
 * nothing here changes a report. One thread.
 */
#ifndef LLMTRACE_RENDER_H
#define LLMTRACE_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"
#include "report_data.h"

struct render_options {
	const char *section;	/* NULL: all; else a table id, "run", "findings" or "coverage" */
	size_t top;		/* rows of a table; 0: the default of text, all elsewhere */
	bool is_coloured;
	unsigned width;		/* columns of text, 0: 100 */
};

void render_text(const struct report *report, const struct render_options *options, FILE *out);
void render_json(const struct report *report, const struct render_options *options, FILE *out);
void render_markdown(const struct report *report, const struct render_options *options, FILE *out);

/*
 * Writes DIR/ID.csv for each table (and findings.csv, coverage.csv); makes DIR when it is missing.
 * @return 0, or EXIT_UNUSABLE with ret_error filled.
 */
int render_csv(const struct report *report, const struct render_options *options,
	       const char *directory, struct error *ret_error);

/* @return whether a section is to be rendered. */
bool render_has_section(const struct render_options *options, const char *section);

/* @return whether a name is a section: a table of this report, "run", "findings" or "coverage". */
bool render_is_section(const struct report *report, const char *section);

/* @return rows of a table to render: `standard` when --top is not given (0: all of them). */
size_t render_row_count(const struct table *table, const struct render_options *options,
			size_t standard);

#endif
