/* SPDX-License-Identifier: MIT */
/*
 * A session: all that belongs to one recording of one process. The build puts the variables of the
 * files that make up a recording (SESSION_SOURCES in the Makefile) side by side, so that a forked
 * child can begin anew with all of them at once; a variable that is added later is no exception.
 * What these variables point to stays mapped: the child's copy of it is never touched again.
 */
#ifndef LLMTRACE_SESSION_H
#define LLMTRACE_SESSION_H

#include <stdbool.h>

/* Keeps the first values. Start-up, before any of the files is entered. @return false without memory. */
bool session_init(void);

/* Gives every variable its first value. In a forked child, while it has one thread. */
void session_restart(void);

#endif
