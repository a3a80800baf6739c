/* SPDX-License-Identifier: MIT */
/*
 * Keeps the rings of a dead process: appends its pool file to the trace, then removes it. The only
 * part of the report that writes to a trace. One thread; another report of the same trace is kept
 * out by a lock on the file.
 */
#ifndef LLMTRACE_ANALYZER_POOL_SAVE_H
#define LLMTRACE_ANALYZER_POOL_SAVE_H

#include "blocks.h"
#include "pool_reader.h"

/*
 * Appends the pool to the trace, in place of a block that was cut at its end.
 * The process must be dead, index be that of the trace at trace_path.
 * @return whether the file has all of it, on the disk. When it cannot be written, or belongs to
 * someone else, or is a copy of a trace that is still there, it stays as it is.
 */
bool pool_save(const struct pool *pool, const struct block_index *index, const char *trace_path);

/* Removes the pool file that the header names when it is that of this trace, and the user's own. */
void pool_remove(const struct lt_file_header *header);

#endif
