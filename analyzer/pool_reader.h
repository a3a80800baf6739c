/* SPDX-License-Identifier: MIT */
/*
 * The rings of a process that has not closed its trace: what its hooks recorded and its writer had
 * not written yet. Reads the pool file (llmtrace/pool.h) with pread alone, so nothing that happens
 * to the file raises a signal. Writes nothing.
 *
 * Two steps, because a running process moves on: pool_open copies the rings, then the caller
 * indexes the trace file (again), then pool_convert takes what that index does not have. One
 * thread.
 */
#ifndef LLMTRACE_ANALYZER_POOL_READER_H
#define LLMTRACE_ANALYZER_POOL_READER_H

#include "blocks.h"
#include "decode.h"
#include "defs.h"

struct pool;

/*
 * Where the file's blocks of a stream end: positions below it are in the file. 0 for an unknown
 * stream.
 */
struct stream_position {
	uint64_t end_position;
	uint64_t event_count;
	uint64_t end_ns; /* the latest time in them */
};

typedef struct stream_position (*stream_position_fn)(const void *context, uint32_t stream);

/*
 * Opens the pool that the header names and copies its rings.
 * ret_reason: why it cannot be used (a constant string) when NULL is returned.
 */
struct pool *pool_open(const struct lt_file_header *header, stream_position_fn position,
		       const void *context, const char **ret_reason);

/* The same with the pool that stands in the trace itself; index->is_pool_whole must be set. */
struct pool *pool_open_saved(const struct block_index *index, stream_position_fn position,
			     const void *context, const char **ret_reason);

/* @return whether the process has said that the trace file has everything; true from then on. */
bool pool_is_closed(const struct pool *pool);

/* @return whether there are rings or stacks that no file has: a kill has taken them along. */
bool pool_is_partly_in_memory(const struct pool *pool);

void pool_close(struct pool *pool);

/* Events of one ring, times in ns, ids of the file. */
struct pool_events {
	uint32_t stream;
	bool is_joined; /* they follow the events that the file has */
	struct decoded events;
};

/*
 * Takes the committed records that the file does not have, the runs that are still open, and one
 * stream_stats event for each ring; adds what they refer to to the definitions.
 * @return an array that belongs to the pool, NULL without events.
 */
const struct pool_events *pool_convert(struct pool *pool, const struct schema *schema,
				       stream_position_fn position, const void *context,
				       struct defs *defs, size_t *ret_count);

#endif
