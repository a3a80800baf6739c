/* SPDX-License-Identifier: MIT */
/* See say.h. */
#include "say.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>

#include "plain_text.h"

static void put_line(FILE *out, const char *prefix, const char *format, va_list arguments)
{
	char *line;

	if (vasprintf(&line, format, arguments) < 0)
		return;
	fputs(prefix, out);
	for (const char *at = line; *at;) {
		bool is_plain;
		size_t bytes = plain_next(at, &is_plain);

		if (is_plain)
			fwrite(at, 1, bytes, out);
		else
			fputc('?', out);
		at += bytes;
	}
	fputc('\n', out);
	free(line);
}

void say(FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line(out, "", format, arguments);
	va_end(arguments);
}

int refuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	put_line(stderr, "llmtrace: ", format, arguments);
	va_end(arguments);
	return EXIT_USAGE;
}

int refuse_option(int option, char *const *argv)
{
	const char *word = argv[optind - 1];

	if (option == ':')
		return refuse("%s needs a value (see llmtrace --help)", word);
	if (optopt && word[0] == '-' && word[1] == '-')
		return refuse("%s takes no value (see llmtrace --help)", word);
	if (optopt)
		return refuse("there is no option -%c (see llmtrace --help)", optopt);
	return refuse("there is no option %s (see llmtrace --help)", word);
}
