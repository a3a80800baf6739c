/* SPDX-License-Identifier: MIT */
/*
 * A table as text of a given width. Columns that nobody measured are named below the table instead
 * of shown; detail columns that say nothing here (all 0) or do not fit are left out; the key column
 * gets what is left. A stack that is a key stands below its row, one frame a line.
 */
#include <stdlib.h>
#include <string.h>

#include "render_text.h"
#include "units.h"

#define COLUMNS_MAX 32u
#define FRAMES_SHOWN 6u
#define KEY_WIDTH_MIN 24u
#define BAR_WIDTH_MIN 8u
#define BAR_WIDTH_MAX 24u
#define INDENT 2u
#define GAP 2u

struct layout {
	const struct emit *emit;
	const struct table *table;
	size_t row_count;		/* rows shown */
	unsigned columns[COLUMNS_MAX];	/* shown in the line, in order */
	size_t widths[COLUMNS_MAX];
	unsigned count;
	size_t bar_width;		/* 0: no bars */
	unsigned bar_column;
	double bar_max;
};

void render_text_title(const struct emit *emit, const char *title, const char *detail)
{
	fputc('\n', emit->out);
	emit_text(emit, EMIT_TITLE, title);
	fputs("  ", emit->out);
	emit_text(emit, EMIT_DIM, detail);
	fputc('\n', emit->out);
}

/* "read_bytes" > "read bytes" unless the column has a label. */
static void heading(const struct column *column, char *ret_text, size_t bytes)
{
	size_t i;

	if (column->label) {
		snprintf(ret_text, bytes, "%s", column->label);
		return;
	}
	for (i = 0; column->id[i] && i + 1 < bytes; i++)
		ret_text[i] = column->id[i] == '_' ? ' ' : column->id[i];
	ret_text[i] = '\0';
}

/* Tables whose rows have different units say so in a column of their own. */
static const char *unit_of(const struct table *table, size_t row, const struct column *column)
{
	const struct value *unit;

	if (strcmp(column->unit, "by_row"))
		return column->unit;
	unit = table_get(table, row, "unit");
	return unit->type == VALUE_TEXT ? unit->text : "number";
}

static const char *cell_text(const struct table *table, size_t row, unsigned i, char *buffer)
{
	const struct column *column = &table->columns[i];

	return units_value(buffer, table_value(table, row, i), unit_of(table, row, column));
}

static bool is_left_aligned(const struct column *column)
{
	return column->type == VALUE_TEXT;
}

static bool is_all_null(const struct table *table, unsigned column)
{
	for (size_t row = 0; row < table->row_count; row++)
		if (table_value(table, row, column)->type != VALUE_NULL)
			return false;
	return true;
}

/* Nothing but 0, false and null in the rows shown. */
static bool is_all_zero(const struct layout *layout, unsigned column)
{
	for (size_t row = 0; row < layout->row_count; row++) {
		const struct value *value = table_value(layout->table, row, column);

		if (value->type == VALUE_TEXT || value_number(value) != 0)
			return false;
	}
	return true;
}

static bool is_in_line(const struct layout *layout, unsigned i)
{
	const struct column *column = &layout->table->columns[i];

	if (column->type == VALUE_STACK || !strcmp(column->id, "unit") ||
	    is_all_null(layout->table, i))
		return false;
	return !column->is_detail || !is_all_zero(layout, i);
}

static size_t width_of(const struct layout *layout, unsigned i)
{
	char buffer[UNITS_BYTES], label[64];
	size_t width;

	heading(&layout->table->columns[i], label, sizeof(label));
	width = emit_columns(label);
	for (size_t row = 0; row < layout->row_count; row++) {
		size_t cell = emit_columns(cell_text(layout->table, row, i, buffer));

		width = cell > width ? cell : width;
	}
	return width;
}

static bool is_flexible(const struct layout *layout, unsigned k)
{
	const struct column *column = &layout->table->columns[layout->columns[k]];

	return is_left_aligned(column) && column->is_key;
}

/* Columns of a line when flexible ones are as narrow as they may get. */
static size_t least_width(const struct layout *layout)
{
	size_t total = INDENT;

	for (unsigned k = 0; k < layout->count; k++) {
		size_t width = layout->widths[k];

		if (is_flexible(layout, k) && width > KEY_WIDTH_MIN)
			width = KEY_WIDTH_MIN;
		total += width + (k ? GAP : 0);
	}
	return total;
}

static void remove_column(struct layout *layout, unsigned k)
{
	layout->count--;
	memmove(&layout->columns[k], &layout->columns[k + 1],
		(layout->count - k) * sizeof(layout->columns[0]));
	memmove(&layout->widths[k], &layout->widths[k + 1],
		(layout->count - k) * sizeof(layout->widths[0]));
}

/* The last detail column goes first, then the last one that is no key. */
static bool drop_column(struct layout *layout)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned k = layout->count; k-- > 0;) {
			const struct column *column =
				&layout->table->columns[layout->columns[k]];

			if (column->is_key || (!pass && !column->is_detail))
				continue;
			remove_column(layout, k);
			return true;
		}
	return false;
}

/* Cuts flexible columns until the line fits. */
static void fit_keys(struct layout *layout)
{
	size_t total = INDENT;

	for (unsigned k = 0; k < layout->count; k++)
		total += layout->widths[k] + (k ? GAP : 0);
	for (unsigned k = layout->count; k-- > 0 && total > layout->emit->width;) {
		size_t over = total - layout->emit->width, spare;

		if (!is_flexible(layout, k) || layout->widths[k] <= KEY_WIDTH_MIN)
			continue;
		spare = layout->widths[k] - KEY_WIDTH_MIN;
		spare = spare < over ? spare : over;
		layout->widths[k] -= spare;
		total -= spare;
	}
	if (layout->table->bar_column && total + GAP + BAR_WIDTH_MIN <= layout->emit->width)
		layout->bar_width = layout->emit->width - total - GAP;
	if (layout->bar_width > BAR_WIDTH_MAX)
		layout->bar_width = BAR_WIDTH_MAX;
}

static void measure_bars(struct layout *layout)
{
	const struct table *table = layout->table;

	for (unsigned i = 0; i < table->column_count; i++)
		if (!strcmp(table->columns[i].id, table->bar_column))
			layout->bar_column = i;
	for (size_t row = 0; row < layout->row_count; row++) {
		double number = value_number(table_value(table, row, layout->bar_column));

		layout->bar_max = number > layout->bar_max ? number : layout->bar_max;
	}
}

static void lay_out(struct layout *layout)
{
	for (unsigned i = 0; i < layout->table->column_count && layout->count < COLUMNS_MAX; i++) {
		if (!is_in_line(layout, i))
			continue;
		layout->columns[layout->count] = i;
		layout->widths[layout->count++] = width_of(layout, i);
	}
	while (least_width(layout) > layout->emit->width && drop_column(layout))
		;
	fit_keys(layout);
	if (layout->bar_width)
		measure_bars(layout);
}

/* ---- printing ---- */

static void put_cell(const struct layout *layout, unsigned k, enum emit_style style,
		     const char *text, bool is_last)
{
	const struct column *column = &layout->table->columns[layout->columns[k]];
	size_t width = layout->widths[k], columns = emit_columns(text);
	size_t padding = columns < width ? width - columns : 0;

	emit_spaces(layout->emit, k ? GAP : INDENT); /* NOLINT: two names, one width today */
	if (!is_left_aligned(column))
		emit_spaces(layout->emit, padding);
	emit_cut(layout->emit, style, text, width, column->is_key);
	if (is_left_aligned(column) && !is_last)
		emit_spaces(layout->emit, padding);
}

static void put_headings(const struct layout *layout)
{
	char label[64];

	for (unsigned k = 0; k < layout->count; k++) {
		heading(&layout->table->columns[layout->columns[k]], label, sizeof(label));
		put_cell(layout, k, EMIT_DIM, label, k + 1 == layout->count);
	}
	fputc('\n', layout->emit->out);
}

static void put_bar(const struct layout *layout, size_t row)
{
	double number = value_number(table_value(layout->table, row, layout->bar_column));
	size_t length = layout->bar_max > 0 ?
		(size_t)(number / layout->bar_max * (double)layout->bar_width + 0.5) : 0;

	if (!length && number > 0)
		length = 1;
	if (length)
		emit_spaces(layout->emit, GAP);
	for (size_t i = 0; i < length; i++)
		fputc('#', layout->emit->out);
}

static void put_frames(const struct layout *layout, const struct value *stack)
{
	const struct emit *emit = layout->emit;
	uint32_t shown = stack->stack.count > FRAMES_SHOWN ? FRAMES_SHOWN - 1 : stack->stack.count;

	for (uint32_t i = 0; i < shown; i++) {
		emit_spaces(emit, INDENT + 4);
		emit_cut(emit, EMIT_PLAIN, stack->stack.frames[i], emit->width - INDENT - 4, false);
		fputc('\n', emit->out);
	}
	if (shown == stack->stack.count)
		return;
	fprintf(emit->out, "%*s... %u more frames\n", (int)INDENT + 4, "",
		stack->stack.count - shown);
}

/* A stack that is no key: in one line, leaf first. */
static void put_stack_line(const struct layout *layout, const struct column *column,
			   const struct value *stack)
{
	const struct emit *emit = layout->emit;
	char label[64];
	size_t used;

	heading(column, label, sizeof(label));
	used = INDENT + 4 + emit_columns(label) + 2;
	fprintf(emit->out, "%*s%s: ", (int)INDENT + 4, "", label);
	for (uint32_t i = 0; i < stack->stack.count && used + 8 < emit->width; i++) {
		size_t columns = emit_columns(stack->stack.frames[i]), room = emit->width - used;

		if (i) {
			fputs(" < ", emit->out);
			room -= 3;
			used += 3;
		}
		emit_cut(emit, EMIT_DIM, stack->stack.frames[i], room, false);
		used += columns < room ? columns : room;
	}
	fputc('\n', emit->out);
}

static bool is_same_stack(const struct value *a, const struct value *b)
{
	if (a->type != b->type || a->type != VALUE_STACK || a->stack.count != b->stack.count)
		return false;
	for (uint32_t i = 0; i < a->stack.count; i++)
		if (strcmp(a->stack.frames[i], b->stack.frames[i]))
			return false;
	return true;
}

static void put_stacks(const struct layout *layout, size_t row)
{
	for (unsigned i = 0; i < layout->table->column_count; i++) {
		const struct column *column = &layout->table->columns[i];
		const struct value *value = table_value(layout->table, row, i);

		if (value->type != VALUE_STACK)
			continue;
		if (column->is_key)
			put_frames(layout, value);
		else if (!row || !is_same_stack(value, table_value(layout->table, row - 1, i)))
			put_stack_line(layout, column, value);
	}
}

static void put_row(const struct layout *layout, size_t row)
{
	char buffer[UNITS_BYTES];

	for (unsigned k = 0; k < layout->count; k++)
		put_cell(layout, k, EMIT_PLAIN,
			 cell_text(layout->table, row, layout->columns[k], buffer),
			 k + 1 == layout->count && !layout->bar_width);
	if (layout->bar_width)
		put_bar(layout, row);
	fputc('\n', layout->emit->out);
	put_stacks(layout, row);
}

static void put_unmeasured(const struct layout *layout)
{
	char text[512] = "not measured:", label[64];
	size_t used = strlen(text), first = used;

	for (unsigned i = 0; i < layout->table->column_count && used < sizeof(text); i++) {
		const struct column *column = &layout->table->columns[i];

		if (column->type == VALUE_STACK || !is_all_null(layout->table, i))
			continue;
		heading(column, label, sizeof(label));
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s",
					 used > first ? "," : "", label);
	}
	if (used == first)
		return;
	emit_spaces(layout->emit, INDENT);
	emit_wrapped(layout->emit, text, INDENT, INDENT);
}

static void put_notes(const struct layout *layout)
{
	const struct table *table = layout->table;
	char count[UNITS_BYTES];

	if (layout->row_count < table->row_count)
		fprintf(layout->emit->out,
			"  ... %s more rows (--top N; --json and --csv have all)\n",
			units_count(count, (double)(table->row_count - layout->row_count)));
	if (table->row_count)
		put_unmeasured(layout);
	for (size_t i = 0; i < table->note_count; i++) {
		emit_spaces(layout->emit, INDENT);
		emit_wrapped(layout->emit, table->notes[i], INDENT, INDENT);
	}
	if (!table->row_count && !table->note_count)
		fputs("  nothing\n", layout->emit->out);
}

void render_text_table(const struct emit *emit, const struct table *table,
		       const struct render_options *options)
{
	size_t standard = table->text_row_limit ? table->text_row_limit : TEXT_ROWS;
	struct layout layout = { .emit = emit, .table = table,
				 .row_count = render_row_count(table, options, standard) };
	char detail[128];

	snprintf(detail, sizeof(detail), "[%s]", table->id);
	render_text_title(emit, table->title, detail);
	lay_out(&layout);
	if (layout.row_count && layout.count)
		put_headings(&layout);
	for (size_t row = 0; row < layout.row_count; row++)
		put_row(&layout, row);
	put_notes(&layout);
}
