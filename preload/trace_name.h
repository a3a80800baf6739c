/* SPDX-License-Identifier: MIT */
/*
 * The name of the trace file: the pattern of LLMTRACE_OUTPUT, and who may be overwritten. Start-up
 * only.
 */
#ifndef LLMTRACE_TRACE_NAME_H
#define LLMTRACE_TRACE_NAME_H

#include <stddef.h>

/* Expands %p (pid), %x (program), %h (host) and %%, and makes the path absolute. */
void trace_name_expand(const char *pattern, char *buffer, size_t bytes);

/*
 * Makes the name free: an older trace is renamed to NAME.old (any other file stays, and the name is
 * not free); when a living process still writes it,
 * or this very process did before an exec, buffer becomes a name of its own: NAME with -PID, then
 * -PID-2 and so on before its extension.
 */
void trace_name_make_free(char *buffer, size_t bytes);

#endif
