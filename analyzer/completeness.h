/* SPDX-License-Identifier: MIT */
/* Whether a trace that could be read has everything: the difference between exit codes 0 and 3. */
#ifndef LLMTRACE_ANALYZER_COMPLETENESS_H
#define LLMTRACE_ANALYZER_COMPLETENESS_H

#include "error.h"
#include "table.h"
#include "trace.h"

/*
 * Call when all events were read: what is missing may be found only then. A closed, running or
 * killed trace with nothing lost is fine.
 * @return 0, or EXIT_DATA_MISSING with ret_error filled.
 */
int completeness(const struct trace *trace, struct error *ret_error);

/* The same for the page faults, whose rings are the kernel's: more than a tenth must not be lost. */
int completeness_of_faults(const struct trace *trace, const struct report *report,
			   struct error *ret_error);

#endif
