/* SPDX-License-Identifier: MIT */
/*
 * Tables, findings and coverage lines in memory. Owns every string and array of a report (one
 * arena). One thread uses a report. Wrong column names and types are mistakes of the analysis: they
 * end the program through assert() and never depend on the trace.
 */
#include "report_data.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct report *report_new(void)
{
	return report_alloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->table_count; i++) {
		free(report->tables[i]->values);
		free(report->tables[i]->notes);
		free(report->tables[i]);
	}
	free(report->tables);
	free(report->coverage);
	free(report->findings);
	arena_release(&report->arena);
	free(report);
}

struct table *report_add_table(struct report *report, const char *id, const char *title,
			       const struct column *columns, unsigned column_count)
{
	struct table *table = report_alloc(1, sizeof(*table));

	table->id = arena_text(&report->arena, id);
	table->title = arena_text(&report->arena, title);
	table->columns = columns;
	table->column_count = column_count;
	table->arena = &report->arena;
	report->tables = report_grow(report->tables, &report->table_capacity,
				     report->table_count + 1, sizeof(*report->tables));
	report->tables[report->table_count++] = table;
	return table;
}

struct table *report_find_table(const struct report *report, const char *id)
{
	for (size_t i = 0; i < report->table_count; i++)
		if (!strcmp(report->tables[i]->id, id))
			return report->tables[i];
	return NULL;
}

size_t table_add_row(struct table *table)
{
	size_t room = table->row_capacity * table->column_count;

	if (table->row_count == table->row_capacity) {
		table->values = report_grow(table->values, &room,
					    (table->row_count + 1) * table->column_count,
					    sizeof(*table->values));
		table->row_capacity = room / table->column_count;
	}
	memset(&table->values[table->row_count * table->column_count], 0,
	       table->column_count * sizeof(*table->values));
	return table->row_count++;
}

size_t table_row_count(const struct table *table)
{
	return table->row_count;
}

static struct value *cell(const struct table *table, size_t row, const char *column)
{
	assert(row < table->row_count);
	/* nearly always the very text that stands in the analysis's table of columns */
	for (unsigned i = 0; i < table->column_count; i++)
		if (table->columns[i].id == column)
			return &table->values[row * table->column_count + i];
	for (unsigned i = 0; i < table->column_count; i++)
		if (!strcmp(table->columns[i].id, column))
			return &table->values[row * table->column_count + i];
	assert(!"the table has this column");
	return NULL;
}

void table_set_u64(struct table *table, size_t row, const char *column, uint64_t value)
{
	*cell(table, row, column) = (struct value){ .type = VALUE_U64, .u64 = value };
}

void table_set_i64(struct table *table, size_t row, const char *column, int64_t value)
{
	*cell(table, row, column) = (struct value){ .type = VALUE_I64, .i64 = value };
}

void table_set_f64(struct table *table, size_t row, const char *column, double value)
{
	*cell(table, row, column) = (struct value){ .type = VALUE_F64, .f64 = value };
}

void table_set_text(struct table *table, size_t row, const char *column, const char *value)
{
	*cell(table, row, column) = (struct value){
		.type = value ? VALUE_TEXT : VALUE_NULL,
		.text = arena_text(table->arena, value),
	};
}

void table_set_bool(struct table *table, size_t row, const char *column, bool value)
{
	*cell(table, row, column) = (struct value){ .type = VALUE_BOOL, .is_true = value };
}

void table_set_stack(struct table *table, size_t row, const char *column, const char *const *frames,
		     uint32_t count)
{
	struct value *value = cell(table, row, column);

	value->type = VALUE_STACK;
	value->stack.frames = frames;
	value->stack.count = count;
}

const struct value *table_get(const struct table *table, size_t row, const char *column)
{
	return cell(table, row, column);
}

size_t table_find_text(const struct table *table, const char *column, const char *text)
{
	for (size_t row = 0; row < table->row_count; row++) {
		const struct value *value = cell(table, row, column);

		if (value->type == VALUE_TEXT && !strcmp(value->text, text))
			return row;
	}
	return SIZE_MAX;
}

void table_add_note(struct table *table, const char *note)
{
	table->notes = report_grow(table->notes, &table->note_capacity, table->note_count + 1,
				   sizeof(*table->notes));
	table->notes[table->note_count++] = arena_text(table->arena, note);
}

void table_set_text_form(struct table *table, size_t row_limit, const char *bar_column)
{
	table->text_row_limit = row_limit;
	table->bar_column = arena_text(table->arena, bar_column);
}

double value_number(const struct value *value)
{
	switch (value->type) {
	case VALUE_U64: return (double)value->u64;
	case VALUE_I64: return (double)value->i64;
	case VALUE_F64: return value->f64;
	case VALUE_BOOL: return value->is_true;
	default: return 0;
	}
}

struct sort_row {
	bool is_null;
	double number;
	size_t row;
};

static int compare_rows(const void *a, const void *b)
{
	const struct sort_row *x = a, *y = b;

	if (x->is_null != y->is_null)
		return x->is_null ? 1 : -1;
	if (x->number != y->number)
		return x->number < y->number ? 1 : -1;
	return x->row < y->row ? -1 : 1;
}

void table_sort_descending(struct table *table, const char *column)
{
	size_t row_bytes = table->column_count * sizeof(*table->values);
	struct sort_row *order = report_alloc(table->row_count, sizeof(*order));
	struct value *sorted = report_alloc(table->row_count, row_bytes);

	for (size_t i = 0; i < table->row_count; i++) {
		const struct value *value = cell(table, i, column);

		order[i] = (struct sort_row){ value->type == VALUE_NULL, value_number(value), i };
	}
	qsort(order, table->row_count, sizeof(*order), compare_rows);
	for (size_t i = 0; i < table->row_count; i++)
		memcpy(&sorted[i * table->column_count],
		       &table->values[order[i].row * table->column_count], row_bytes);
	free(order);
	free(table->values);
	table->values = sorted;
	table->row_capacity = table->row_count;
}

void report_add_coverage(struct report *report, const char *subject, uint64_t seen, uint64_t total,
			 bool is_total_known, const char *means, const char *note)
{
	struct coverage *line;

	report->coverage = report_grow(report->coverage, &report->coverage_capacity,
				       report->coverage_count + 1, sizeof(*report->coverage));
	line = &report->coverage[report->coverage_count++];
	*line = (struct coverage){ .subject = arena_text(&report->arena, subject), .seen = seen,
				   .total = total, .is_total_known = is_total_known,
				   .means = arena_text(&report->arena, means),
				   .note = arena_text(&report->arena, note) };
}

void report_add_unmeasured(struct report *report, const char *subject, uint64_t total,
			   bool is_total_known, const char *means, const char *note)
{
	report_add_coverage(report, subject, 0, total, is_total_known, means, note);
	report->coverage[report->coverage_count - 1].is_unmeasured = true;
}

void report_add_finding(struct report *report, const struct finding *finding,
			const struct evidence *evidence, unsigned evidence_count)
{
	struct report_finding *added;

	report->findings = report_grow(report->findings, &report->finding_capacity,
				       report->finding_count + 1, sizeof(*report->findings));
	added = &report->findings[report->finding_count++];
	added->finding = *finding;
	added->finding.id = arena_text(&report->arena, finding->id);
	added->finding.phase = arena_text(&report->arena, finding->phase);
	added->finding.statement = arena_text(&report->arena, finding->statement);
	added->finding.advice = arena_text(&report->arena, finding->advice);
	added->evidence = arena_alloc(&report->arena, (evidence_count + 1) * sizeof(*evidence));
	for (unsigned i = 0; i < evidence_count; i++) {
		assert(report_find_table(report, evidence[i].table));
		added->evidence[i].table = arena_text(&report->arena, evidence[i].table);
		added->evidence[i].row = evidence[i].row;
	}
	added->evidence_count = evidence_count;
}

void report_set_run(struct report *report, const struct run_facts *run)
{
	const char **command =
		arena_alloc(&report->arena, (run->command_count + 1) * sizeof(*command));
	const char **texts[] = { &report->run.path, &report->run.version, &report->run.exe,
				 &report->run.host, &report->run.kernel, &report->run.cpu_model,
				 &report->run.exit_kind, &report->run.exit_program,
				 &report->run.incomplete_reason,
				 &report->run.phase_filter };

	report->run = *run;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = arena_text(&report->arena, *texts[i]);
	for (unsigned i = 0; i < run->command_count; i++)
		command[i] = arena_text(&report->arena, run->command[i]);
	report->run.command = command;
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "high", "medium", "low", "info" };

	return names[severity];
}
