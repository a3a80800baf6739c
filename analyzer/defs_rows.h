/* SPDX-License-Identifier: MIT */
/* Between defs.c, which parses rows, and defs_rows.c, which keeps them. One thread. */
#ifndef LLMTRACE_ANALYZER_DEFS_ROWS_H
#define LLMTRACE_ANALYZER_DEFS_ROWS_H

#include "defs.h"

/* @return a terminated copy that lives as long as the definitions; NULL when memory is short. */
char *defs_keep_text(struct defs *defs, const void *text, size_t length);

/* Each takes texts that defs_keep_text returned. */
bool defs_add_meta(struct defs *defs, const char *key, const char *value, size_t value_bytes);
bool defs_add_module(struct defs *defs, uint64_t id, const struct trace_module *module);
void defs_end_module(struct defs *defs, uint64_t id, uint64_t last_generation, uint64_t time_ns);
void defs_add_symbol(struct defs *defs, const struct trace_symbol *symbol);

#endif
