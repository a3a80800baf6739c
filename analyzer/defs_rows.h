/* SPDX-License-Identifier: MIT */
/* Between defs.c, which parses rows, and defs_rows.c and defs_models.c, which keep them. One thread. */
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

/* The rest lives in defs_models.c. */

/* Whether the model is known: then its tensors come again, too. */
bool defs_repeats_model(struct defs *defs, uint32_t id);
void defs_add_model(struct defs *defs, const struct trace_model *model);

/* Whether it is the tensor that comes next in a repetition, so that nothing of it need be kept. */
bool defs_repeats_tensor(struct defs *defs, const struct trace_tensor *tensor, const uint8_t *name,
			 size_t length);
void defs_add_tensor(struct defs *defs, const struct trace_tensor *tensor);

/* As defs_keep_text; the type of the tensor before is not kept twice. */
const char *defs_keep_type(struct defs *defs, const uint8_t *type, size_t length);

/* Sorts models and tensors; rows that are there twice are left out. */
void defs_finish_models(struct defs *defs);

#endif
