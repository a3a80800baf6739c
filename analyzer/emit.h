/* SPDX-License-Identifier: MIT */
/*
 * Lines of text for people: colour, cutting and wrapping to a width. Text of the target is made
 * harmless (no control characters), and its columns are counted by code points. One thread.
 */
#ifndef LLMTRACE_EMIT_H
#define LLMTRACE_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum emit_style { EMIT_PLAIN, EMIT_TITLE, EMIT_DIM, EMIT_HIGH, EMIT_MEDIUM, EMIT_LOW, EMIT_GOOD };

struct emit {
	FILE *out;
	bool is_coloured;
	unsigned width;
};

/* @return columns that a text takes on a terminal. */
size_t emit_columns(const char *text);

/* Prints a text in a style, cut to `columns`: the end is cut off, or the beginning for
 * is_tail_kept. */
void emit_cut(const struct emit *emit, enum emit_style style, const char *text, size_t columns,
	      bool is_tail_kept);
void emit_text(const struct emit *emit, enum emit_style style, const char *text);
void emit_spaces(const struct emit *emit, size_t count);

/*
 * Prints words over as many lines as it takes. column: where the line is now; indent: where the
 * next lines begin. Ends the line.
 */
void emit_wrapped(const struct emit *emit, const char *text, size_t column, size_t indent);

#endif
