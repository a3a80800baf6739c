/* SPDX-License-Identifier: MIT */
/* Whether the process that a trace names lives on this machine. One thread; reads /proc. */
#ifndef LLMTRACE_ANALYZER_TRACE_PROCESS_H
#define LLMTRACE_ANALYZER_TRACE_PROCESS_H

#include <stdbool.h>

#include "llmtrace/format.h"

/* @return true when a process with this pid, start time and boot id is there and no zombie. */
bool trace_process_is_alive(const struct lt_file_header *header);

#endif
