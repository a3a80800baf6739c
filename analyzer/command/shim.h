/* SPDX-License-Identifier: MIT */
/* Where the shim lies. */
#ifndef LLMTRACE_SHIM_PLACE_H
#define LLMTRACE_SHIM_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* Beside this program (build folder), or in ../lib/llmtrace of an installation. */
bool shim_find(char *buffer, size_t bytes);

#endif
