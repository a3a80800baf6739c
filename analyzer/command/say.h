/* SPDX-License-Identifier: MIT */
/*
 * What llmtrace prints of names that others gave (programs, paths, marks): no character of them
 * reaches a terminal that would move the cursor or change colours.
 */
#ifndef LLMTRACE_COMMAND_SAY_H
#define LLMTRACE_COMMAND_SAY_H

#include <stdarg.h>
#include <stdio.h>

#define EXIT_USAGE 2

/* Prints a line without what a terminal would act on; the line ends behind the text. */
void say(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same to stderr, as what llmtrace says. @return EXIT_USAGE. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Says what is wrong with the option that getopt_long gave back as '?' or ':'; its opterr is 0 and
 * its short options begin with a colon. @return EXIT_USAGE.
 */
int refuse_option(int option, char *const *argv);

#endif
