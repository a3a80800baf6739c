/* SPDX-License-Identifier: MIT */
/*
 * How a trace ended, and the rings of one that was not closed. While the process runs, its writer
 * moves events from the rings to the file; the rings are copied first and the file is indexed after
 * that, so an event is found at least once, and positions tell when it is found twice.
 */
#include "pool_save.h"
#include "trace_inner.h"
#include "trace_process.h"

#define COPY_TRIES 5

static void open_rings(struct trace *trace)
{
	struct trace_facts *facts = &trace->facts;
	const struct lt_file_header *header = &trace->index.header;
	const char *reason = NULL;

	facts->rings = TRACE_RINGS_MISSING;
	facts->rings_text = "";
	if (trace->options.is_rings_ignored) {
		facts->rings_text = "they were not asked for";
	} else if (trace->index.is_header_bad) {
		facts->rings_text = "the file header is damaged";
	} else if (!header->pool_path[0]) {
		facts->rings = TRACE_RINGS_IN_MEMORY;
		facts->rings_text = "they lay in the memory of the process";
	} else {
		if (trace->index.is_pool_whole)
			trace->pool = pool_open_saved(&trace->index, trace_stream_position, trace,
						      &reason);
		else
			trace->pool = pool_open(header, trace_stream_position, trace, &reason);
		facts->rings = trace->pool ? TRACE_RINGS_READ : TRACE_RINGS_MISSING;
		facts->rings_text = reason ? reason : "";
		if (trace->pool && pool_is_partly_in_memory(trace->pool)) {
			facts->rings = TRACE_RINGS_IN_MEMORY;
			facts->rings_text = "some lay in the memory of the process";
		}
	}
}

static void close_rings(struct trace *trace)
{
	pool_close(trace->pool);
	trace->pool = NULL;
	trace->facts.rings = TRACE_RINGS_NOT_NEEDED;
	trace->facts.rings_text = "";
}

/* The file again, now that the rings were copied. @return 0 or an exit code. */
static int index_again(struct trace *trace, struct error *ret_error)
{
	int result;

	bool is_overwritten = trace->index.segments.count && trace->facts.state == TRACE_RUNNING;

	block_index_release(&trace->index);
	trace_streams_release(trace);
	result = is_overwritten ? block_index_init_copy(&trace->index, trace->path, ret_error) :
				  block_index_init(&trace->index, trace->path, ret_error);
	if (result == 0 && !trace_streams_init(trace))
		result = error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", trace->path);
	return result;
}

/* Behind a failed exec the process goes on; until that shows in the file, the pool alone tells. */
static bool is_ended(const struct trace *trace)
{
	return trace->index.has_end && (!trace->pool || pool_is_closed(trace->pool));
}

static int keep_rings(struct trace *trace, struct error *ret_error)
{
	bool has_all = trace->index.is_pool_whole;
	int result = 0;

	if (!has_all && pool_save(trace->pool, &trace->index, trace->path)) {
		has_all = true;
		result = index_again(trace, ret_error);
	}
	if (result == 0 && has_all)
		pool_remove(&trace->index.header);
	return result;
}

int trace_find_state(struct trace *trace, struct error *ret_error)
{
	enum trace_process process = TRACE_PROCESS_ELSEWHERE;
	int result = 0;

	open_rings(trace);
	if (!trace->index.is_header_bad)
		process = trace_process_look(&trace->index.header);
	trace->facts.state = process == TRACE_PROCESS_ALIVE ? TRACE_RUNNING : TRACE_KILLED;
	/* it may have closed the trace since the first look at the file */
	if (!is_ended(trace) && (process == TRACE_PROCESS_ALIVE || !trace->pool))
		result = index_again(trace, ret_error);
	/* a block may have been overwritten between its header and its bytes */
	for (int tries = 0; result == 0 && tries < COPY_TRIES && trace->index.damage.count &&
			    trace->index.segments.count && process == TRACE_PROCESS_ALIVE;
	     tries++)
		result = index_again(trace, ret_error);
	if (result)
		return result;
	if (is_ended(trace)) {
		if (trace->pool && trace->options.remove_pool && process == TRACE_PROCESS_GONE)
			pool_remove(&trace->index.header);
		close_rings(trace);
		trace->facts.state = TRACE_COMPLETE;
	} else if (trace->pool && trace->options.remove_pool && process == TRACE_PROCESS_GONE) {
		result = keep_rings(trace, ret_error);
	}
	return result;
}

void trace_take_rings(struct trace *trace)
{
	if (trace->pool)
		trace->ring_events = pool_convert(trace->pool, &trace->schema,
						  trace_stream_position, trace, &trace->defs,
						  &trace->ring_event_count);
}
