/* SPDX-License-Identifier: MIT */
/*
 * The command line of llmtrace-report: one table of options, one line each. One thread.
 */
#ifndef LLMTRACE_OPTIONS_H
#define LLMTRACE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"

enum report_command { COMMAND_REPORT, COMMAND_DUMP, COMMAND_SCRUB, COMMAND_HELP, COMMAND_VERSION };
enum report_form { FORM_TEXT, FORM_JSON, FORM_MARKDOWN, FORM_CSV };

struct options {
	enum report_command command;
	enum report_form form;
	const char *section, *phase, *csv_directory;
	size_t top;			/* 0: not given */
	unsigned thread_count;		/* 0: not given */
	bool has_lines, has_definitions, is_stacks_left_out;
	const char **files;		/* as given; owned by the options */
	size_t file_count;
};

/* @return 0, or EXIT_UNUSABLE with ret_error filled. */
int options_parse(int argument_count, char **arguments, struct options *ret_options,
		  struct error *ret_error);
void options_release(struct options *options);

/* Prints the help, made from the table of options. */
void options_help(FILE *out);

#endif
