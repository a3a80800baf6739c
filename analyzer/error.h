/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, as one line for the user: what, where (file and byte offset) and what to do, and
 * the exit code that it leads to. Filled by the function that found it, printed by main alone.
 */
#ifndef LLMTRACE_ANALYZER_ERROR_H
#define LLMTRACE_ANALYZER_ERROR_H

/* Exit codes of llmtrace-report. */
enum exit_code {
	EXIT_FINE = 0,
	EXIT_REGRESSION = 1,
	EXIT_UNUSABLE = 2,		/* wrong use, or input that cannot be read */
	EXIT_DATA_MISSING = 3,
};

#define ERROR_TEXT_BYTES 4608

struct error {
	int exit_code;			/* enum exit_code */
	char text[ERROR_TEXT_BYTES];	/* one line, no newline at its end */
};

/*
 * Fills error; a text that does not fit is cut. Any thread, each with an error of its own.
 * @return exit_code, so that a caller can `return error_set(...)`.
 */
int error_set(struct error *error, int exit_code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
