/* SPDX-License-Identifier: MIT */
/*
 * llmtrace-report: commands, files, exit codes. Everything that is printed on stderr is printed
 * here (and by the progress bar); nothing below this file ends the process on purpose.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis.h"
#include "completeness.h"
#include "dump.h"
#include "emit.h"
#include "llmtrace/version.h"
#include "options.h"
#include "progress.h"
#include "render.h"
#include "scrub.h"

static int complain(const struct error *error)
{
	struct emit emit = { .out = stderr };

	fputs("llmtrace-report: ", stderr);
	emit_text(&emit, EMIT_PLAIN, error->text);
	fputc('\n', stderr);
	return error->exit_code;
}

/* The main trace of the latest run here: where the shim would write to. */
static int default_file(const char **ret_path, struct error *ret_error)
{
	const char *output = getenv("LLMTRACE_OUTPUT");

	*ret_path = output && *output ? output : "trace.zst";
	if (strchr(*ret_path, '%'))
		return error_set(ret_error, EXIT_UNUSABLE,
				 "LLMTRACE_OUTPUT=%s names a pattern: give "
				 "the file",
				 *ret_path);
	if (access(*ret_path, F_OK))
		return error_set(ret_error, EXIT_UNUSABLE,
				 "no trace given, and %s is not here: run "
				 "`LD_PRELOAD=libllmtrace.so CMD` first, or give a file",
				 *ret_path);
	return 0;
}

/* ---- the report ---- */

static void show_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
	progress_update(context, done_bytes, total_bytes);
}

static bool is_colour_wanted(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
	       !(terminal && !strcmp(terminal, "dumb"));
}

static int no_such_section(const struct report *report, const char *section,
			   struct error *ret_error)
{
	char names[1024] = "run, findings, coverage";
	size_t used = strlen(names);

	for (size_t i = 0; i < report->table_count && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, ", %s",
					 report->tables[i]->id);
	return error_set(ret_error, EXIT_UNUSABLE, "--section %s: no such section; there are %s",
			 section, names);
}

static int render(const struct report *report, const struct options *options,
		  struct error *ret_error)
{
	struct render_options how = { .section = options->section, .top = options->top,
				      .is_coloured = is_colour_wanted() };

	if (options->section && !render_is_section(report, options->section))
		return no_such_section(report, options->section, ret_error);
	switch (options->form) {
	case FORM_JSON:
		render_json(report, &how, stdout);
		return 0;
	case FORM_MARKDOWN:
		render_markdown(report, &how, stdout);
		return 0;
	case FORM_CSV:
		return render_csv(report, &how, options->csv_directory, ret_error);
	default:
		render_text(report, &how, stdout);
		return 0;
	}
}

static struct symbols *open_symbols(const struct trace *trace, const struct options *options)
{
	struct symbols_options how = { .has_lines = options->has_lines };

	return symbols_new(trace, &how);
}

static int analyse(struct trace *trace, struct symbols *symbols, const struct options *options,
		   struct report *report, struct error *ret_error)
{
	struct progress bar;
	struct analysis_progress progress = { show_progress, &bar };
	int status;

	progress_init(&bar, stderr, "reading");
	status = analysis_run(trace, symbols, options->phase, &progress, report, ret_error);
	progress_end(&bar);
	return status;
}

/* @return the exit code; what is missing is said, and the readable rest is reported. */
static int report_trace(struct trace *trace, const struct options *options)
{
	struct symbols *symbols = open_symbols(trace, options);
	struct report *report = report_new();
	struct error error;
	int status = analyse(trace, symbols, options, report, &error);

	if (!status)
		status = render(report, options, &error);
	if (!status)
		status = completeness(trace, &error);
	if (!status)
		status = completeness_of_faults(trace, report, &error);
	if (status)
		complain(&error);
	report_free(report);	/* its stacks are the names of the symbols */
	symbols_free(symbols);
	return status;
}

/* ---- commands ---- */

static int dump_trace(struct trace *trace, const struct options *options)
{
	struct dump_options how = { .has_definitions = options->has_definitions,
				    .is_stacks_left_out = options->is_stacks_left_out };
	struct error error;
	struct symbols *symbols = open_symbols(trace, options);
	int status = dump_run(trace, symbols, &how, stdout, &error);

	symbols_free(symbols);
	if (status == EXIT_UNUSABLE)
		return complain(&error);
	status = completeness(trace, &error);
	return status ? complain(&error) : 0;
}

static int run_file(const char *path, const struct options *options)
{
	/* a dump leaves the rings of a killed process to the report */
	struct trace_options how = { .remove_pool = options->command == COMMAND_REPORT,
				     .thread_count = options->thread_count };
	struct trace *trace;
	struct error error;
	int status;

	if (trace_open(path, &how, &trace, &error))
		return complain(&error);
	status = options->command == COMMAND_DUMP ? dump_trace(trace, options)
						  : report_trace(trace, options);
	trace_close(trace);
	return status;
}

/* @return the worst exit code of all files. */
static int run_files(struct options *options)
{
	struct error error;
	int worst = 0;

	if (!options->file_count) {
		int status = default_file(&options->files[0], &error);

		if (status)
			return complain(&error);
		options->file_count = 1;
	}
	for (size_t i = 0; i < options->file_count; i++) {
		int status = run_file(options->files[i], options);

		if (status && (!worst || status == EXIT_UNUSABLE))
			worst = status;
	}
	return worst;
}

static int run_command(struct options *options)
{
	struct error error;
	int status;

	switch (options->command) {
	case COMMAND_HELP:
		options_help(stdout);
		return 0;
	case COMMAND_VERSION:
		puts("llmtrace-report " LLMTRACE_VERSION);
		return 0;
	case COMMAND_SCRUB:
		status = scrub_run(options->files[0], options->files[1], &error);
		return status ? complain(&error) : 0;
	default:
		return run_files(options);
	}
}

int main(int argument_count, char **arguments)
{
	struct options options;
	struct error error;
	int status = options_parse(argument_count, arguments, &options, &error);

	status = status ? complain(&error) : run_command(&options);
	options_release(&options);
	if ((fflush(stdout) || ferror(stdout)) && status != EXIT_UNUSABLE) {
		fputs("llmtrace-report: cannot write to standard output\n", stderr);
		return EXIT_UNUSABLE;
	}
	return status;
}
