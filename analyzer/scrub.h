/* SPDX-License-Identifier: MIT */
/* The command `scrub`: a copy of a trace without what is private in it (llmtrace/privacy.h). */
#ifndef LLMTRACE_ANALYZER_SCRUB_H
#define LLMTRACE_ANALYZER_SCRUB_H

#include "error.h"

/*
 * Writes the copy: made new, 0600, never through a link, removed again when it cannot be finished.
 * Events are copied as they are. The rings of a killed process are taken into the trace first, as
 * the report does.
 * @return 0; or an exit code with ret_error filled: EXIT_UNUSABLE (no copy), EXIT_DATA_MISSING (the
 * copy has what could be read).
 */
int scrub_run(const char *from, const char *to, struct error *ret_error);

#endif
