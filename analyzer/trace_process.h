/* SPDX-License-Identifier: MIT */
/* Whether the process that a trace names lives on this machine. One thread; reads /proc. */
#ifndef LLMTRACE_ANALYZER_TRACE_PROCESS_H
#define LLMTRACE_ANALYZER_TRACE_PROCESS_H


#include "llmtrace/format.h"

enum trace_process {
	TRACE_PROCESS_ALIVE,
	TRACE_PROCESS_GONE,	 /* ran in this boot of this machine, and is not there any more */
	TRACE_PROCESS_ELSEWHERE, /* another machine or an earlier boot: nothing is known of it */
};

/* Looks for a process with this pid, start time and boot id. */
enum trace_process trace_process_look(const struct lt_file_header *header);

#endif
