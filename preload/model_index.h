/* SPDX-License-Identifier: MIT */
/*
 * Model files that the target has opened or mapped: their headers are read once, and their tensors
 * stand in the trace. The writer thread alone, with a table of descriptors of its own.
 */
#ifndef LLMTRACE_MODEL_INDEX_H
#define LLMTRACE_MODEL_INDEX_H

#include <stdbool.h>

/*
 * Looks into the files that the hooks have offered. Drains what fills meanwhile. Most often there
 * is none, and it only compares. is_end: a thread of the target waits for the end of the trace, so
 * that slow storage is given half a second.
 */
void model_index_read(bool is_end);

/* Adds the rows of all models again, for definitions_repeat. */
void model_index_repeat(void);

#endif
