/* SPDX-License-Identifier: MIT */
/*
 * The report as text: what ran, the findings, then the tables, the most telling ones first. Fits
 * the width that is asked for (100 columns), colours on demand.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "render_text.h"
#include "units.h"

#define LABEL_WIDTH 11u

/* Prints "  label     " and leaves the line open. */
static void put_label(const struct emit *emit, const char *label)
{
	emit_spaces(emit, 2);
	emit_text(emit, EMIT_DIM, label);
	emit_spaces(emit, LABEL_WIDTH - strlen(label));
}

static void put_fact(const struct emit *emit, const char *label, const char *text)
{
	put_label(emit, label);
	emit_wrapped(emit, text, LABEL_WIDTH + 2, LABEL_WIDTH + 2);
}

static bool needs_quotes(const char *word)
{
	return !*word || strpbrk(word, " \t\n\"'\\$`*?[](){}<>|&;#~!") != NULL;
}

static void put_command(const struct emit *emit, const struct run_facts *run)
{
	char text[4096];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < run->command_count && used < sizeof(text); i++) {
		const char *quote = needs_quotes(run->command[i]) ? "'" : "";

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s",
					 i ? " " : "", quote, run->command[i], quote);
	}
	put_fact(emit, "command", used ? text : "not recorded");
}

static void put_program(const struct emit *emit, const struct run_facts *run)
{
	char text[1024], cpus[UNITS_BYTES];

	snprintf(text, sizeof(text), "%s, pid %" PRIu32 " on %s (Linux %s, %s CPUs, %s)",
		 run->exe ? run->exe : "[unknown program]", run->pid,
		 run->host ? run->host : "an unknown host", run->kernel ? run->kernel : "?",
		 run->cpu_count.type == VALUE_NULL ? "?"
						   : units_value(cpus, &run->cpu_count, "count"),
		 run->cpu_model ? run->cpu_model : "unknown model");
	put_fact(emit, "program", text);
}

static void exit_text(const struct run_facts *run, char *ret_text, size_t bytes)
{
	if (!strcmp(run->exit_kind, "running"))
		snprintf(ret_text, bytes, "still running");
	else if (!strcmp(run->exit_kind, "killed"))
		snprintf(ret_text, bytes, "killed");
	else if (!strcmp(run->exit_kind, "exec"))
		snprintf(ret_text, bytes, "replaced by %s (exec)",
			 run->exit_program ? run->exit_program : "another program");
	else if (run->exit_code.type == VALUE_NULL)
		snprintf(ret_text, bytes, "ended, exit code not known");
	else
		snprintf(ret_text, bytes, "%s %" PRIu64,
			 !strcmp(run->exit_kind, "signal") ? "ended by signal" : "exit code",
			 run->exit_code.u64);
}

static void put_run(const struct emit *emit, const struct run_facts *run)
{
	char text[512], duration[UNITS_BYTES], started[64], end[64];
	time_t seconds = (time_t)(run->start_unix_ns / 1000000000u);
	struct tm utc;

	strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&seconds, &utc));
	exit_text(run, end, sizeof(end));
	snprintf(text, sizeof(text), "%s from %s, %s",
		 units_value(duration, &run->duration_ns, "ns"), started, end);
	put_fact(emit, "run", text);
	if (run->phase_filter)
		put_fact(emit, "phase", run->phase_filter);
}

static void put_trace(const struct emit *emit, const struct run_facts *run)
{
	char text[1024], events[UNITS_BYTES], lost[UNITS_BYTES], bytes[UNITS_BYTES];

	snprintf(text, sizeof(text), "%s events in %s, %s lost%s%s",
		 units_count(events, (double)run->event_count),
		 units_value(bytes, &run->file_bytes, "bytes"),
		 run->lost_event_count ? units_count(lost, (double)run->lost_event_count) : "none",
		 run->is_complete ? "" : "; ", run->is_complete ? "" : run->incomplete_reason);
	put_label(emit, "trace");
	emit_text(emit, run->is_complete ? EMIT_GOOD : EMIT_HIGH,
		  run->is_complete ? "complete" : "not complete");
	emit_text(emit, EMIT_PLAIN, ": ");
	emit_wrapped(emit, text, LABEL_WIDTH + 2 + (run->is_complete ? 10 : 14), LABEL_WIDTH + 2);
}

static void put_own_cost(const struct emit *emit, const struct run_facts *run)
{
	char text[512], cpu[UNITS_BYTES], memory[UNITS_BYTES], wait[UNITS_BYTES];

	snprintf(text, sizeof(text),
		 "%s CPU time in the writer, %s memory, threads waited %s for it",
		 units_value(cpu, &run->own_cpu_ns, "ns"),
		 units_value(memory, &run->own_memory_bytes, "bytes"),
		 units_value(wait, &run->wait_ns, "ns"));
	put_fact(emit, "own cost", text);
}

static void put_header(const struct emit *emit, const struct run_facts *run)
{
	emit_text(emit, EMIT_TITLE, "llmtrace report");
	fputs("  ", emit->out);
	emit_cut(emit, EMIT_DIM, run->path, emit->width - 17, true);
	fputc('\n', emit->out);
	put_command(emit, run);
	put_program(emit, run);
	put_run(emit, run);
	put_trace(emit, run);
	put_own_cost(emit, run);
}

/* ---- findings and coverage ---- */

static enum emit_style style_of(enum severity severity)
{
	static const enum emit_style styles[] = { EMIT_HIGH, EMIT_MEDIUM, EMIT_LOW, EMIT_DIM };

	return styles[severity];
}

/* People count rows from 1. */
static void evidence_text(const struct report_finding *found, char *ret_text, size_t bytes)
{
	size_t used = (size_t)snprintf(ret_text, bytes, "evidence:%s",
				       found->evidence_count ? "" : " coverage");

	for (unsigned i = 0; i < found->evidence_count && used < bytes; i++)
		used += (size_t)snprintf(ret_text + used, bytes - used, "%s %s row %zu",
					 i ? "," : "", found->evidence[i].table,
					 found->evidence[i].row + 1);
}

static void put_finding(const struct emit *emit, const struct report_finding *found)
{
	const struct finding *finding = &found->finding;
	const char *name = severity_name(finding->severity);
	char text[1024], saving[UNITS_BYTES];
	size_t column = 2 + 8;

	emit_spaces(emit, 2);
	emit_text(emit, style_of(finding->severity), name);
	emit_spaces(emit, 8 - strlen(name));
	if (finding->phase) {
		snprintf(text, sizeof(text), "%s: ", finding->phase);
		emit_text(emit, EMIT_TITLE, text);
		column += emit_columns(text);
	}
	emit_wrapped(emit, finding->statement, column, 10);
	if (finding->advice) {
		emit_spaces(emit, 10);
		emit_wrapped(emit, finding->advice, 10, 10);
	}
	evidence_text(found, text, sizeof(text));
	emit_spaces(emit, 10);
	emit_text(emit, EMIT_DIM, text);
	if (finding->is_saving_known)
		fprintf(emit->out, "; may save %s", units_ns(saving, (double)finding->saving_ns));
	fputc('\n', emit->out);
}

static void put_findings(const struct emit *emit, const struct report *report)
{
	render_text_title(emit, "Findings", "[findings]");
	for (size_t i = 0; i < report->finding_count; i++)
		put_finding(emit, &report->findings[i]);
	if (report->finding_count)
		return;
	fputs("  ", emit->out);
	emit_text(emit, EMIT_GOOD, "none");
	fputs(": nothing that the rules look for went wrong in this run\n", emit->out);
}

static void put_coverage_line(const struct emit *emit, const struct coverage *line)
{
	char text[1024], seen[UNITS_BYTES], total[UNITS_BYTES], share[32] = "";
	const char *unit = strstr(line->subject, "bytes") ? "bytes" : "count";
	struct value seen_value = { .type = VALUE_U64, .u64 = line->seen };
	struct value total_value = { .type = line->is_total_known ? VALUE_U64 : VALUE_NULL,
				     .u64 = line->total };

	/* rounded down: only all of them are 100% */
	if (line->is_total_known && line->total)
		snprintf(share, sizeof(share), " (%.4g%%)",
			 floor(1e4 * (double)line->seen / (double)line->total) / 100);
	if (line->is_total_known && line->is_unmeasured)
		snprintf(text, sizeof(text), "%s: not recorded, of %s, by %s%s%s", line->subject,
			 units_value(total, &total_value, unit), line->means,
			 line->note ? "; " : "", line->note ? line->note : "");
	else if (line->is_total_known)
		snprintf(text, sizeof(text), "%s: %s of %s%s, by %s%s%s", line->subject,
			 units_value(seen, &seen_value, unit),
			 units_value(total, &total_value, unit), share, line->means,
			 line->note ? "; " : "", line->note ? line->note : "");
	else
		snprintf(text, sizeof(text), "%s: %s", line->subject,
			 line->note ? line->note : line->means);
	emit_spaces(emit, 2);
	emit_wrapped(emit, text, 2, 4);
}

static void put_coverage(const struct emit *emit, const struct report *report)
{
	render_text_title(emit, "Coverage", "[coverage]");
	for (size_t i = 0; i < report->coverage_count; i++)
		put_coverage_line(emit, &report->coverage[i]);
}

static void put_hint(const struct emit *emit)
{
	fputc('\n', emit->out);
	emit_text(emit, EMIT_DIM, "--section NAME prints one [part] alone, --top N more rows, "
		  "--phase NAME one phase; see --help");
	fputc('\n', emit->out);
}

void render_text(const struct report *report, const struct render_options *options, FILE *out)
{
	struct emit emit = { out, options->is_coloured,
			     options->width ? options->width : TEXT_WIDTH };

	if (render_has_section(options, "run"))
		put_header(&emit, &report->run);
	if (render_has_section(options, "findings"))
		put_findings(&emit, report);
	for (size_t i = 0; i < report->table_count; i++)
		if (render_has_section(options, report->tables[i]->id))
			render_text_table(&emit, report->tables[i], options);
	if (render_has_section(options, "coverage"))
		put_coverage(&emit, report);
	if (!options->section)
		put_hint(&emit);
}
