/* SPDX-License-Identifier: MIT */
/*
 * `llmtrace-report dump`: every event as one line, in time order. dump.c's head documents the
 * lines. One thread.
 */
#ifndef LLMTRACE_ANALYZER_DUMP_H
#define LLMTRACE_ANALYZER_DUMP_H

#include <stdio.h>

#include "symbols.h"
#include "trace.h"

struct dump_options {
	bool has_definitions;		/* print the definitions first */
	bool is_stacks_left_out;	/* events without their stacks: faster, shorter lines */
};

/*
 * Writes all events of the trace to out.
 * options: NULL for the defaults.
 * @return 0, EXIT_DATA_MISSING when the trace is damaged, EXIT_UNUSABLE with ret_error filled when
 * out cannot be written.
 */
int dump_run(struct trace *trace, struct symbols *symbols, const struct dump_options *options,
	     FILE *out, struct error *ret_error);

#endif
