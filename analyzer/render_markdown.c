/* SPDX-License-Identifier: MIT */
/*
 * The report as Markdown, to be pasted into an issue: the same sections as the text, tables as pipe
 * tables, stacks as one cell of code.
 */
#include <string.h>

#include "plain_text.h"
#include "render.h"
#include "units.h"

#define MARKDOWN_ROWS 10u
#define FRAMES_SHOWN 6u

/* What would break a cell or be taken for markup. */
static void put_cell_text(FILE *out, const char *text)
{
	while (*text) {
		bool is_plain;
		size_t length = plain_next(text, &is_plain);

		if (strchr("|`*_<>[]\\", *text))
			fputc('\\', out);
		if (is_plain)
			fwrite(text, 1, length, out);
		else
			fputs(*text == '\n' || *text == '\t' ? " " : "?", out);
		text += length;
	}
}

/* Between fences nothing is markup but a fence. */
static void put_code(FILE *out, const char *text)
{
	while (*text) {
		bool is_plain;
		size_t length = plain_next(text, &is_plain);

		if (is_plain && *text != '`')
			fwrite(text, 1, length, out);
		else
			fputc(is_plain ? '\'' : '?', out);
		text += length;
	}
}

static void put_stack(FILE *out, const struct value *value)
{
	for (uint32_t i = 0; i < value->stack.count && i < FRAMES_SHOWN; i++) {
		if (i)
			fputs("<br>", out);
		put_cell_text(out, value->stack.frames[i]);
	}
	if (value->stack.count > FRAMES_SHOWN)
		fprintf(out, "<br>... %u more", value->stack.count - FRAMES_SHOWN);
}

static const char *unit_of(const struct table *table, size_t row, const struct column *column)
{
	const struct value *unit;

	if (strcmp(column->unit, "by_row"))
		return column->unit;
	unit = table_get(table, row, "unit");
	return unit->type == VALUE_TEXT ? unit->text : "number";
}

static void put_cell(FILE *out, const struct table *table, size_t row, unsigned i)
{
	const struct value *value = table_value(table, row, i);
	char buffer[UNITS_BYTES];

	fputs("| ", out);
	if (value->type == VALUE_STACK)
		put_stack(out, value);
	else
		put_cell_text(out, units_value(buffer, value,
					       unit_of(table, row, &table->columns[i])));
	fputc(' ', out);
}

static bool is_shown(const struct table *table, unsigned column)
{
	for (size_t row = 0; row < table->row_count; row++)
		if (table_value(table, row, column)->type != VALUE_NULL)
			return true;
	return false;
}

static bool is_number(const struct column *column)
{
	return column->type != VALUE_TEXT && column->type != VALUE_STACK;
}

static void put_table(FILE *out, const struct table *table, const struct render_options *options)
{
	size_t standard = table->text_row_limit ? table->text_row_limit : MARKDOWN_ROWS;
	size_t count = render_row_count(table, options, standard);

	fprintf(out, "\n## %s\n\n", table->title);
	for (unsigned i = 0; count && i < table->column_count; i++)
		if (is_shown(table, i))
			fprintf(out, "| %s ", table->columns[i].id);
	fputs(count ? "|\n" : "nothing\n", out);
	for (unsigned i = 0; count && i < table->column_count; i++)
		if (is_shown(table, i))
			fputs(is_number(&table->columns[i]) ? "| ---: " : "| --- ", out);
	fputs(count ? "|\n" : "", out);
	for (size_t row = 0; row < count; row++) {
		for (unsigned i = 0; i < table->column_count; i++)
			if (is_shown(table, i))
				put_cell(out, table, row, i);
		fputs("|\n", out);
	}
	if (count < table->row_count)
		fprintf(out, "\n%zu of %zu rows\n", count, table->row_count);
	for (size_t i = 0; i < table->note_count; i++) {
		fputc('\n', out);
		put_cell_text(out, table->notes[i]);
		fputc('\n', out);
	}
}

static void put_run(FILE *out, const struct run_facts *run)
{
	char duration[UNITS_BYTES], code[UNITS_BYTES];

	fputs("# llmtrace report\n\n```\n", out);
	for (unsigned i = 0; i < run->command_count; i++) {
		fputs(i ? " " : "", out);
		put_code(out, run->command[i]);
	}
	fprintf(out, "\n```\n\n| fact | value |\n| --- | --- |\n| duration | %s |\n",
		units_value(duration, &run->duration_ns, "ns"));
	fprintf(out, "| end | %s ", run->exit_kind);
	put_cell_text(out, run->exit_program ? run->exit_program :
					       units_value(code, &run->exit_code, "number"));
	fputs(" |\n", out);
	fprintf(out, "| trace | %s, %llu events, %llu lost |\n",
		run->is_complete ? "complete" : run->incomplete_reason,
		(unsigned long long)run->event_count, (unsigned long long)run->lost_event_count);
	fputs("| machine | ", out);
	put_cell_text(out, run->cpu_model ? run->cpu_model : "?");
	fputs(", Linux ", out);
	put_cell_text(out, run->kernel ? run->kernel : "?");
	fputs(" |\n", out);
}

static void put_findings(FILE *out, const struct report *report)
{
	fputs("\n## Findings\n\n", out);
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct finding *finding = &report->findings[i].finding;

		fprintf(out, "- **%s** ", severity_name(finding->severity));
		if (finding->phase) {
			fputc('(', out);
			put_cell_text(out, finding->phase);
			fputs(") ", out);
		}
		put_cell_text(out, finding->statement);
		if (finding->advice) {
			fputs(". Advice: ", out);
			put_cell_text(out, finding->advice);
		}
		fputc('\n', out);
	}
	if (!report->finding_count)
		fputs("none\n", out);
}

static void put_coverage(FILE *out, const struct report *report)
{
	fputs("\n## Coverage\n\n| subject | seen | total | means | note |\n"
	      "| --- | ---: | ---: | --- | --- |\n", out);
	for (size_t i = 0; i < report->coverage_count; i++) {
		const struct coverage *line = &report->coverage[i];
		char seen[32] = "-", total[32] = "-";

		if (!line->is_unmeasured)
			snprintf(seen, sizeof(seen), "%llu", (unsigned long long)line->seen);
		if (line->is_total_known)
			snprintf(total, sizeof(total), "%llu", (unsigned long long)line->total);
		fprintf(out, "| %s | %s | %s | %s | ", line->subject, seen, total, line->means);
		put_cell_text(out, line->note ? line->note : "");
		fputs(" |\n", out);
	}
}

void render_markdown(const struct report *report, const struct render_options *options, FILE *out)
{
	if (render_has_section(options, "run"))
		put_run(out, &report->run);
	if (render_has_section(options, "findings"))
		put_findings(out, report);
	for (size_t i = 0; i < report->table_count; i++)
		if (render_has_section(options, report->tables[i]->id))
			put_table(out, report->tables[i], options);
	if (render_has_section(options, "coverage"))
		put_coverage(out, report);
}
