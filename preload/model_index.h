/* SPDX-License-Identifier: MIT */
/*
 * Model files that the target has opened or mapped: their headers are read once, and their tensors
 * stand in the trace. The writer thread alone, with a table of descriptors of its own.
 */
#ifndef LLMTRACE_MODEL_INDEX_H
#define LLMTRACE_MODEL_INDEX_H

/*
 * Looks into the files that the hooks have offered. Drains what fills meanwhile. Most often there is
 * none, and it only compares.
 */
void model_index_read(void);

/* Adds the rows of all models again, for definitions_repeat. */
void model_index_repeat(void);

#endif
