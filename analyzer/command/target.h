/* SPDX-License-Identifier: MIT */
/* What will be seen of a program, before it is run. */
#ifndef LLMTRACE_TARGET_H
#define LLMTRACE_TARGET_H

#include <stddef.h>

enum target_verdict {
	TARGET_TRACED,
	TARGET_PARTLY,	/* runs, and a part of it is not seen */
	TARGET_REFUSED, /* would run without the shim, or not at all with it */
};

/*
 * Looks at the file that execvp would run, and behind a script at its interpreter. A file that
 * cannot be found or read passes: execvp has the say.
 * @return the verdict; for all but TARGET_TRACED text gets one line: what, and what to do.
 */
enum target_verdict target_look(const char *command, char *text, size_t bytes);

#endif
