/* SPDX-License-Identifier: MIT */
/*
 * Text for people. Writes to one stream; knows nothing of tables.
 */
#include "emit.h"

#include <string.h>

#include "plain_text.h"

size_t emit_columns(const char *text)
{
	size_t columns = 0;
	bool is_plain;

	for (; *text; columns++)
		text += plain_next(text, &is_plain);
	return columns;
}

static const char *style_code(enum emit_style style)
{
	switch (style) {
	case EMIT_TITLE: return "\x1b[1m";
	case EMIT_DIM: return "\x1b[2m";
	case EMIT_HIGH: return "\x1b[1;31m";
	case EMIT_MEDIUM: return "\x1b[33m";
	case EMIT_LOW: return "\x1b[36m";
	case EMIT_GOOD: return "\x1b[32m";
	default: return NULL;
	}
}

/* A column for each character, whatever it is. */
static void put_clean(FILE *out, const char *text, size_t bytes)
{
	for (size_t i = 0, length; i < bytes; i += length) {
		bool is_plain;

		length = plain_next(text + i, &is_plain);
		if (is_plain)
			fwrite(text + i, 1, length, out);
		else
			fputc('?', out);
	}
}

static void put_styled(const struct emit *emit, enum emit_style style, const char *text,
		       size_t bytes)
{
	const char *code = emit->is_coloured ? style_code(style) : NULL;

	if (code)
		fputs(code, emit->out);
	put_clean(emit->out, text, bytes);
	if (code)
		fputs("\x1b[0m", emit->out);
}

void emit_text(const struct emit *emit, enum emit_style style, const char *text)
{
	put_styled(emit, style, text, strlen(text));
}

void emit_spaces(const struct emit *emit, size_t count)
{
	fprintf(emit->out, "%*s", (int)count, "");
}

/* @return bytes of the first `columns` columns of a text. */
static size_t head_bytes(const char *text, size_t columns)
{
	size_t i = 0;
	bool is_plain;

	for (; text[i] && columns; columns--)
		i += plain_next(text + i, &is_plain);
	return i;
}

void emit_cut(const struct emit *emit, enum emit_style style, const char *text, size_t columns,
	      bool is_tail_kept)
{
	size_t total = emit_columns(text);

	if (total <= columns) {
		emit_text(emit, style, text);
		return;
	}
	if (columns <= 3) {
		put_styled(emit, style, text, head_bytes(text, columns));
		return;
	}
	if (!is_tail_kept)
		put_styled(emit, style, text, head_bytes(text, columns - 3));
	emit_text(emit, style, "...");
	if (is_tail_kept)
		emit_text(emit, style, text + head_bytes(text, total - (columns - 3)));
}

static size_t word_columns(const char *word, size_t bytes)
{
	size_t columns = 0;
	bool is_plain;

	for (size_t i = 0; i < bytes; columns++)
		i += plain_next(word + i, &is_plain);
	return columns;
}

static size_t next_line(const struct emit *emit, size_t indent)
{
	fputc('\n', emit->out);
	emit_spaces(emit, indent);
	return indent;
}

/* Prints a word; one that is longer than the line is broken there. @return the column behind it. */
static size_t put_word(const struct emit *emit, const char *word, size_t bytes, size_t column,
		       size_t indent)
{
	while (column + word_columns(word, bytes) > emit->width && indent < emit->width) {
		size_t head = head_bytes(word, emit->width - column);

		put_clean(emit->out, word, head);
		word += head;
		bytes -= head;
		column = next_line(emit, indent);
	}
	put_clean(emit->out, word, bytes);
	return column + word_columns(word, bytes);
}

void emit_wrapped(const struct emit *emit, const char *text, size_t column, size_t indent)
{
	bool is_first = true;

	while (*text) {
		size_t bytes = strcspn(text, " ");

		if (!is_first && column + 1 + word_columns(text, bytes) > emit->width) {
			column = next_line(emit, indent);
		} else if (!is_first) {
			fputc(' ', emit->out);
			column++;
		}
		column = put_word(emit, text, bytes, column, indent);
		is_first = false;
		text += bytes + (text[bytes] == ' ');
	}
	fputc('\n', emit->out);
}
