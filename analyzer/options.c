/* SPDX-License-Identifier: MIT */
/*
 * The command line. Words that later versions will know are in the table, too: they are refused by
 * name instead of being taken for a file.
 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

#define THREADS_MAX 64u

enum action {
	SET_SECTION,
	SET_PHASE,
	SET_TOP,
	SET_JSON,
	SET_MARKDOWN,
	SET_CSV,
	SET_LINES,
	SET_THREADS,
	SET_DEFINITIONS,
	SET_NO_STACKS,
	SET_HELP,
	SET_VERSION,
	NOT_YET,
};

static const struct option_row {
	const char *name;
	const char *argument;		/* NULL: takes none */
	enum action action;
	const char *doc;		/* NULL: not in the help */
} rows[] = {
	{ "--section", "NAME", SET_SECTION, "this table alone (or run, findings, coverage)" },
	{ "--phase", "NAME", SET_PHASE, "count events inside that row of the phases table alone" },
	{ "--top", "N", SET_TOP, "rows of each table (text: 10, else all)" },
	{ "--json", NULL, SET_JSON, "everything as JSON" },
	{ "--markdown", NULL, SET_MARKDOWN, "as Markdown, to paste into an issue" },
	{ "--csv", "DIR", SET_CSV, "one file for each table in DIR" },
	{ "--lines", NULL, SET_LINES, "source lines in call stacks; inlined functions of debug packages" },
	{ "--threads", "N", SET_THREADS, "threads to read with (one per CPU, at most 8)" },
	{ "--definitions", NULL, SET_DEFINITIONS, "dump: print the definitions first" },
	{ "--no-stacks", NULL, SET_NO_STACKS, "dump: leave the call stacks out" },
	{ "--help", NULL, SET_HELP, "this text" },
	{ "--version", NULL, SET_VERSION, "the version" },
	{ "-h", NULL, SET_HELP, NULL },
	{ "--html", "FILE", NOT_YET, NULL },
	{ "--perfetto", "FILE", NOT_YET, NULL },
	{ "--pprof", "FILE", NOT_YET, NULL },
	{ "--folded", "METRIC", NOT_YET, NULL },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

void options_help(FILE *out)
{
	fputs("Usage: llmtrace-report [FILE...] [OPTION...]    the report; without FILE: the trace "
	      "of "
	      "the\n"
	      "                                                latest run here (trace.zst, or "
	      "LLMTRACE_OUTPUT)\n"
	      "       llmtrace-report dump FILE [OPTION...]    every event, one a line, in time "
	      "order\n"
	      "       llmtrace-report scrub IN OUT             a copy without prompts, secrets and "
	      "user names\n"
	      "\nOptions:\n",
	      out);
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].doc)
			fprintf(out, "  %s%s%-*s  %s\n", rows[i].name, rows[i].argument ? " " : "",
				(int)(20 - strlen(rows[i].name) - (rows[i].argument ? 1 : 0)),
				rows[i].argument ? rows[i].argument : "", rows[i].doc);
	fputs("\nExit codes: 0 fine, 2 wrong use or unreadable input, 3 data are missing (damage, "
	      "lost events)\n", out);
}

/* @return 0 for what is no number from 1 to limit. */
static unsigned long long number_of(const char *text, unsigned long long limit)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10); /* NOLINT: options with an argument have one */
	if (errno || *end || end == text || *text == '-' || number > limit)
		return 0;
	return number;
}

static int set_top(struct options *options, const char *text, struct error *ret_error)
{
	options->top = (size_t)number_of(text, ULLONG_MAX);
	if (!options->top)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "--top %s: give a number of rows from 1 on", text);
	return 0;
}

static int set_threads(struct options *options, const char *text, struct error *ret_error)
{
	options->thread_count = (unsigned)number_of(text, THREADS_MAX);
	if (!options->thread_count)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "--threads %s: give a number of threads from 1 to %u", text,
				 THREADS_MAX);
	return 0;
}

static int apply(struct options *options, const struct option_row *row, const char *argument,
		 struct error *ret_error)
{
	switch (row->action) {
	case SET_SECTION: options->section = argument; return 0;
	case SET_PHASE: options->phase = argument; return 0;
	case SET_TOP: return set_top(options, argument, ret_error);
	case SET_JSON: options->form = FORM_JSON; return 0;
	case SET_MARKDOWN: options->form = FORM_MARKDOWN; return 0;
	case SET_CSV:
		options->form = FORM_CSV;
		options->csv_directory = argument;
		return 0;
	case SET_THREADS: return set_threads(options, argument, ret_error);
	case SET_LINES: options->has_lines = true; return 0;
	case SET_DEFINITIONS: options->has_definitions = true; return 0;
	case SET_NO_STACKS: options->is_stacks_left_out = true; return 0;
	case SET_HELP: options->command = COMMAND_HELP; return 0;
	case SET_VERSION: options->command = COMMAND_VERSION; return 0;
	case NOT_YET:
		break;
	}
	return error_set(ret_error, EXIT_UNUSABLE, "%s: this version cannot do that yet",
			 row->name);
}

/* "--top=5" and "--top 5" are the same. */
static const struct option_row *find_row(const char *word, const char **ret_argument)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		size_t length = strlen(rows[i].name);

		*ret_argument = NULL;
		if (!strcmp(word, rows[i].name))
			return &rows[i];
		if (!strncmp(word, rows[i].name, length) && word[length] == '=' &&
		    rows[i].argument) {
			*ret_argument = word + length + 1;
			return &rows[i];
		}
	}
	return NULL;
}

static int parse_option(struct options *options, char **arguments, int count, int *at,
			struct error *ret_error)
{
	const char *argument;
	const struct option_row *row = find_row(arguments[*at], &argument);

	if (!row)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: no such option; see --help",
				 arguments[*at]);
	if (row->argument && !argument) {
		if (*at + 1 >= count)
			return error_set(ret_error, EXIT_UNUSABLE, "%s: give a %s", row->name,
					 row->argument);
		argument = arguments[++*at];
	}
	return apply(options, row, argument, ret_error);
}

static int check(const struct options *options, struct error *ret_error)
{
	if (options->command == COMMAND_DUMP && options->file_count > 1)
		return error_set(ret_error, EXIT_UNUSABLE, "dump: give one file, not %zu",
				 options->file_count);
	if (options->form == FORM_CSV && options->file_count > 1)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "--csv: give one file, not %zu: they would overwrite each other",
				 options->file_count);
	if (options->command == COMMAND_SCRUB && options->file_count != 2)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "scrub: give a trace and a name for the copy, not %zu files",
				 options->file_count);
	return 0;
}

/* The first word, when it is a command. */
static void take_command(const char *word, struct options *options, int *ret_first)
{
	*ret_first = 2;
	if (!strcmp(word, "dump"))
		options->command = COMMAND_DUMP;
	else if (!strcmp(word, "scrub"))
		options->command = COMMAND_SCRUB;
	else
		*ret_first = 1;
}

int options_parse(int argument_count, char **arguments, struct options *ret_options,
		  struct error *ret_error)
{
	bool is_options_end = false;
	int first = 1, status = 0;

	*ret_options = (struct options){ 0 };
	ret_options->files = report_alloc((size_t)argument_count + 1, sizeof(char *));
	if (argument_count > 1 && !strcmp(arguments[1], "diff"))
		return error_set(ret_error, EXIT_UNUSABLE,
				 "diff: this version cannot compare traces yet");
	if (argument_count > 1)
		take_command(arguments[1], ret_options, &first);
	for (int i = first; i < argument_count && !status; i++) {
		if (!is_options_end && !strcmp(arguments[i], "--"))
			is_options_end = true;
		else if (!is_options_end && arguments[i][0] == '-' && arguments[i][1])
			status =
				parse_option(ret_options, arguments, argument_count, &i, ret_error);
		else
			ret_options->files[ret_options->file_count++] = arguments[i];
	}
	return status ? status : check(ret_options, ret_error);
}

void options_release(struct options *options)
{
	free(options->files);
}
