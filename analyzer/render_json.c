/* SPDX-License-Identifier: MIT */
/*
 * The report as JSON: the contract that scripts and the diff rely on. Numbers are exact, a value
 * that was not measured is null.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain_text.h"
#include "render.h"

#define CONTRACT_FORMAT 1

/* Text of the target may be anything: what is not UTF-8 is replaced, so that the file stays JSON.
 */
static json_t *text_json(const char *text)
{
	json_t *json = text ? json_string(text) : json_null();
	char *plain;

	if (json)
		return json;
	plain = plain_utf8(text);
	json = plain ? json_string(plain) : json_null();
	free(plain);
	return json;
}

static json_t *stack_json(const struct value *value)
{
	json_t *frames = json_array();

	for (uint32_t i = 0; i < value->stack.count; i++)
		json_array_append_new(frames, text_json(value->stack.frames[i]));
	return frames;
}

static json_t *value_json(const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: return json_null();
	case VALUE_U64: return value->u64 <= INT64_MAX ? json_integer((json_int_t)value->u64)
						       : json_real((double)value->u64);
	case VALUE_I64: return json_integer(value->i64);
	case VALUE_F64: return isfinite(value->f64) ? json_real(value->f64) : json_null();
	case VALUE_TEXT: return text_json(value->text);
	case VALUE_BOOL: return json_boolean(value->is_true);
	case VALUE_STACK: return stack_json(value);
	}
	return json_null();
}

static json_t *u64_json(uint64_t number)
{
	struct value value = { .type = VALUE_U64, .u64 = number };

	return value_json(&value);
}

static json_t *run_json(const struct run_facts *run)
{
	json_t *command = json_array(), *json;

	for (unsigned i = 0; i < run->command_count; i++)
		json_array_append_new(command, text_json(run->command[i]));
	json = json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "path", text_json(run->path), "version", text_json(run->version),
			 "command", command, "exe", text_json(run->exe),
			 "pid", (json_int_t)run->pid, "host", text_json(run->host),
			 "kernel", text_json(run->kernel), "cpu_model", text_json(run->cpu_model),
			 "cpu_count", value_json(&run->cpu_count),
			 "start_unix_ns", u64_json(run->start_unix_ns),
			 "duration_ns", value_json(&run->duration_ns));
	json_object_set_new(json, "exit", json_pack("{s:o, s:o, s:o}",
			    "kind", text_json(run->exit_kind), "code", value_json(&run->exit_code),
			    "program", text_json(run->exit_program)));
	json_object_set_new(json, "complete", json_boolean(run->is_complete));
	json_object_set_new(json, "incomplete_reason", text_json(run->incomplete_reason));
	json_object_set_new(json, "event_count", u64_json(run->event_count));
	json_object_set_new(json, "lost_event_count", u64_json(run->lost_event_count));
	json_object_set_new(json, "wait_ns", value_json(&run->wait_ns));
	json_object_set_new(json, "file_bytes", value_json(&run->file_bytes));
	json_object_set_new(json, "own_cpu_ns", value_json(&run->own_cpu_ns));
	json_object_set_new(json, "own_memory_bytes", value_json(&run->own_memory_bytes));
	json_object_set_new(json, "phase_filter", text_json(run->phase_filter));
	return json;
}

static const char *type_name(enum value_type type)
{
	switch (type) {
	case VALUE_U64:
	case VALUE_I64: return "integer";
	case VALUE_F64: return "real";
	case VALUE_BOOL: return "bool";
	case VALUE_STACK: return "stack";
	default: return "text";
	}
}

static json_t *columns_json(const struct table *table)
{
	json_t *columns = json_array();

	for (unsigned i = 0; i < table->column_count; i++) {
		const struct column *column = &table->columns[i];

		json_array_append_new(columns, json_pack("{s:s, s:s, s:s, s:b, s:b, s:s}",
			"id", column->id, "type", type_name(column->type), "unit", column->unit,
			"key", column->is_key, "timing", column->is_timing, "doc", column->doc));
	}
	return columns;
}

static json_t *row_json(const struct table *table, size_t row)
{
	json_t *json = json_object();

	for (unsigned i = 0; i < table->column_count; i++)
		json_object_set_new_nocheck(json, table->columns[i].id,
					    value_json(table_value(table, row, i)));
	return json;
}

static json_t *table_json(const struct table *table, const struct render_options *options)
{
	size_t count = render_row_count(table, options, 0);
	json_t *rows = json_array(), *notes = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(rows, row_json(table, i));
	for (size_t i = 0; i < table->note_count; i++)
		json_array_append_new(notes, text_json(table->notes[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "title", text_json(table->title),
			 "columns", columns_json(table), "rows", rows,
			 "rows_total", u64_json(table->row_count), "notes", notes);
}

static json_t *coverage_json(const struct report *report)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < report->coverage_count; i++) {
		const struct coverage *line = &report->coverage[i];

		json_array_append_new(lines, json_pack("{s:o, s:o, s:o, s:o, s:o}",
			"subject", text_json(line->subject), "seen",
			line->is_unmeasured ? json_null() : u64_json(line->seen),
			"total", line->is_total_known ? u64_json(line->total) : json_null(),
			"means", text_json(line->means), "note", text_json(line->note)));
	}
	return lines;
}

static json_t *finding_json(const struct report_finding *found)
{
	const struct finding *finding = &found->finding;
	json_t *evidence = json_array();

	for (unsigned i = 0; i < found->evidence_count; i++)
		json_array_append_new(evidence, json_pack("{s:s, s:o}", "table",
			found->evidence[i].table, "row", u64_json(found->evidence[i].row)));
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", text_json(finding->id),
			 "severity", severity_name(finding->severity),
			 "phase", text_json(finding->phase),
			 "statement", text_json(finding->statement), "evidence", evidence,
			 "advice", text_json(finding->advice), "saving_ns",
			 finding->is_saving_known ? u64_json(finding->saving_ns) : json_null());
}

void render_json(const struct report *report, const struct render_options *options, FILE *out)
{
	json_t *root = json_object(), *tables = json_object(), *findings = json_array();

	for (size_t i = 0; i < report->table_count; i++)
		if (render_has_section(options, report->tables[i]->id))
			json_object_set_new(tables, report->tables[i]->id,
					    table_json(report->tables[i], options));
	for (size_t i = 0; i < report->finding_count; i++)
		json_array_append_new(findings, finding_json(&report->findings[i]));
	json_object_set_new(root, "format", json_integer(CONTRACT_FORMAT));
	json_object_set_new(root, "trace", run_json(&report->run));
	json_object_set_new(root, "coverage", coverage_json(report));
	json_object_set_new(root, "tables", tables);
	json_object_set_new(root, "findings", findings);
	/* nothing but ASCII: a terminal takes no part of it for a command */
	json_dumpf(root, out, JSON_ENSURE_ASCII | JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	fputc('\n', out);
	json_decref(root);
}
