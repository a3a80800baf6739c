/* SPDX-License-Identifier: MIT */
/* The options of options.def, read once from the environment that the constructor was given. */
#ifndef LLMTRACE_OPTIONS_H
#define LLMTRACE_OPTIONS_H

#include <stdint.h>

struct options {
#define LT_OPTION(field, variable, value, help) const char *field;
#include "llmtrace/options.def"
#undef LT_OPTION
	uint32_t groups;      /* from events: enum lt_group bits */
	unsigned stack_depth; /* from stacks */
	uint64_t bound_bytes; /* from max_bytes; 0: none */
	int signal_number;    /* from signal; 0: none */
	int fault_method; /* from faults: enum fault_method, -1 for auto */
	unsigned fault_page_count; /* from fault_pages; 0: as usual */
	const char *mistake;  /* variable with a value that is not understood, NULL for none; the
				 default is used */
};

/* envp: of the process, stays valid. */
void options_init(char **envp);
const struct options *options_get(void);

/*
 * One line to LLMTRACE_LOG, else to stderr: "llmtrace: ...". For start-up, when recording cannot
 * work.
 */
void options_say(const char *format, const char *a, const char *b);

#endif
