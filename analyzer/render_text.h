/* SPDX-License-Identifier: MIT */
/*
 * The table part of the text report. For render_text.c.
 */
#ifndef LLMTRACE_RENDER_TEXT_H
#define LLMTRACE_RENDER_TEXT_H

#include "emit.h"
#include "render.h"

#define TEXT_WIDTH 100u
#define TEXT_ROWS 10u		/* of a table, without --top */

/* Prints a table with its title and notes. */
void render_text_table(const struct emit *emit, const struct table *table,
		       const struct render_options *options);

/* Prints "\nTITLE  detail\n". */
void render_text_title(const struct emit *emit, const char *title, const char *detail);

#endif
