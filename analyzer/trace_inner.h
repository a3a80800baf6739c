/* SPDX-License-Identifier: MIT */
/* What a trace is made of; for trace.c, trace_open.c and trace_streams.c alone. */
#ifndef LLMTRACE_ANALYZER_TRACE_INNER_H
#define LLMTRACE_ANALYZER_TRACE_INNER_H

#include "blocks.h"
#include "decode_table.h"
#include "defs.h"
#include "merge.h"
#include "pool_reader.h"
#include "trace.h"

struct trace {
	struct trace_facts facts;
	struct trace_options options;
	char *path;
	struct block_index index;
	struct schema schema;
	struct defs defs;
	struct pool *pool;
	const struct pool_events *ring_events;
	size_t ring_event_count;	/* rows of ring_events */

	struct id_map positions;	/* stream id > row of stream_positions */
	struct stream_position *stream_positions;
	size_t position_count, position_capacity;

	struct merge_source *sources;
	size_t source_count;
	struct merge *merge;		/* NULL until the first batch and after a rewind */
	size_t damage_count_at_open;
	uint64_t lost_at_open;
};

/*
 * Fills positions from the blocks of the index: drops blocks that repeat what their stream had
 * already, notes gaps as damage. @return false when memory is short.
 */
bool trace_streams_init(struct trace *trace);
void trace_streams_release(struct trace *trace);

/* A stream_position_fn; context is the trace. */
struct stream_position trace_stream_position(const void *context, uint32_t stream);

/*
 * Finds out how the trace ended and copies the rings that belong to it; keeps them in the trace
 * when options.remove_pool asks for it. @return 0 or an exit code.
 */
int trace_find_state(struct trace *trace, struct error *ret_error);

/* Turns the rings into events; call when the definitions of the file are known. */
void trace_take_rings(struct trace *trace);

/* Brings the damage in the facts up to date. */
void trace_update_facts(struct trace *trace);

#endif
