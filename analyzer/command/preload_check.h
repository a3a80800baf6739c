/* SPDX-License-Identifier: MIT */
/* Whether a program will load the shim at all. */
#ifndef LLMTRACE_PRELOAD_CHECK_H
#define LLMTRACE_PRELOAD_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Looks at the file that execvp would run. Scripts and files that cannot be read pass: their
 * interpreter, or execvp, has the say.
 * @return false with a reason and a remedy in problem: static, 32-bit, other machine, set-user-ID.
 */
bool preload_check(const char *command, char *problem, size_t bytes);

#endif
