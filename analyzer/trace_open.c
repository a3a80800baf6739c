/* SPDX-License-Identifier: MIT */
/*
 * Opening a trace, in the order in which things depend on each other: the index of blocks, the
 * table, the definitions, and, when the trace was not closed, the rings (trace_rings.c).
 */
#include <stdlib.h>
#include <string.h>

#include "trace_inner.h"

/* More than definitions ever take; a file that goes beyond is made to fill the memory. */
#define MAX_DEFINITION_BYTES ((uint64_t)2 << 30)

static void note_bad_block(struct trace *trace, const struct block *block, const char *reason)
{
	struct trace_damage damage = {
		.offset = block->payload_offset,
		.byte_count = block->compressed_bytes,
		.reason = reason,
	};

	damage_add(&trace->index.damage, &damage);
}

static void read_tables(struct trace *trace, struct block_buffer *buffer)
{
	const struct block_list *list = &trace->index.tables;

	for (size_t i = 0; i < list->count; i++) {
		const char *fault = block_read(&trace->index, &list->blocks[i], buffer);

		if (!fault)
			fault = schema_read(&trace->schema, buffer->raw, list->blocks[i].raw_bytes);
		if (fault)
			note_bad_block(trace, &list->blocks[i], fault);
	}
}

static void read_definitions(struct trace *trace, struct block_buffer *buffer)
{
	const struct block_list *list = &trace->index.definitions;
	uint64_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct block *block = &list->blocks[i];
		const char *fault;

		bytes += block->raw_bytes;
		if (bytes > MAX_DEFINITION_BYTES)
			fault = "there are more definitions than a trace has";
		else
			fault = block_read(&trace->index, block, buffer);
		if (!fault)
			fault = defs_read(&trace->defs, &trace->schema, buffer->raw,
					  block->raw_bytes, block->event_count);
		if (fault)
			note_bad_block(trace, block, fault);
	}
}

/*
 * A cut end is part of being killed when the rings have what was cut off; else something is
 * missing.
 */
static void judge_cut(struct trace *trace)
{
	struct trace_damage damage = {
		.offset = trace->index.cut_offset,
		.byte_count = trace->index.file_bytes - trace->index.cut_offset,
		.reason = trace->index.has_end ? "bytes behind the end of the trace" :
						 "the file ends inside a block",
	};

	trace->facts.is_cut = trace->index.is_cut;
	trace->facts.cut_offset = trace->index.cut_offset;
	if (trace->index.is_cut && trace->facts.rings != TRACE_RINGS_READ)
		damage_add(&trace->index.damage, &damage);
}

static void fill_header_facts(struct trace *trace)
{
	const struct lt_file_header *header = &trace->index.header;
	struct trace_facts *facts = &trace->facts;

	facts->path = trace->path;
	facts->file_bytes = trace->index.file_bytes;
	facts->major = header->major;
	facts->minor = header->minor;
	facts->machine = header->machine;
	facts->pid = header->pid;
	facts->parent_pid = header->parent_pid;
	facts->start_ns = header->start_ns;
	facts->start_unix_ns = header->start_unix_ns;
	facts->groups = header->groups;
	facts->block_count = trace->index.tables.count + trace->index.definitions.count +
			     trace->index.events.count;
}

static void count_stream_events(struct trace *trace, uint32_t id, uint64_t event_count)
{
	struct trace_stream *stream = defs_need_stream(&trace->defs, id);

	if (stream)
		stream->event_count += event_count;
	trace->facts.event_count += event_count;
}

static void add_ring_source(struct trace *trace, const struct pool_events *ring, size_t sequence)
{
	struct merge_source *source = &trace->sources[trace->source_count];

	count_stream_events(trace, ring->stream, ring->events.count);
	trace->facts.ring_event_count += ring->events.count;
	if (!ring->events.count)
		return;
	*source = (struct merge_source){ring->events.records[0]->time, sequence, ring->stream, NULL,
					&ring->events, ring->is_joined};
	trace->source_count++;
	trace->facts.lost_event_count += ring->events.lost_event_count;
	if (ring->events.records[ring->events.count - 1]->time > trace->facts.end_ns)
		trace->facts.end_ns = ring->events.records[ring->events.count - 1]->time;
}

/*
 * Live blocks come before everything else, whatever their time says: an event that was stamped
 * before its segment began may have come to the writer after that.
 */
static void list_live_sources(struct trace *trace)
{
	struct block_list *live = &trace->index.live;
	uint64_t earliest_ns = UINT64_MAX;

	for (size_t i = 0; i < trace->source_count; i++)
		if (trace->sources[i].begin_ns < earliest_ns)
			earliest_ns = trace->sources[i].begin_ns;
	for (size_t i = 0; i < live->count; i++) {
		struct block *block = &live->blocks[i];

		/* arrays over streams are as long as the known ids */
		if (!defs_need_stream(&trace->defs, block->stream))
			continue;
		if (block->begin_ns > earliest_ns)
			block->begin_ns = earliest_ns;
		block->begin_ns -= block->begin_ns != 0;
		trace->sources[trace->source_count++] =
			(struct merge_source){ block->begin_ns, i, block->stream, block, NULL, false };
	}
}

static bool list_sources(struct trace *trace)
{
	const struct block_list *list = &trace->index.events;
	size_t live_count = trace->index.live.count;

	trace->sources = calloc(list->count + live_count + trace->ring_event_count + 1,
				sizeof(*trace->sources));
	if (!trace->sources)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		const struct block *block = &list->blocks[i];

		trace->sources[trace->source_count++] = (struct merge_source){
			block->begin_ns, live_count + i, block->stream, block, NULL, block->is_joined };
		count_stream_events(trace, block->stream, block->event_count);
		if (block->end_ns > trace->facts.end_ns)
			trace->facts.end_ns = block->end_ns;
	}
	for (size_t i = 0; i < trace->ring_event_count; i++)
		add_ring_source(trace, &trace->ring_events[i], live_count + list->count + i);
	list_live_sources(trace);
	merge_sort_sources(trace->sources, trace->source_count);
	return true;
}

static int load(struct trace *trace, struct error *ret_error)
{
	struct block_buffer buffer = { 0 };
	int result = block_index_init(&trace->index, trace->path, ret_error);

	if (result != 0)
		return result;
	if (!trace_streams_init(trace) || !schema_init(&trace->schema) || !defs_init(&trace->defs))
		return error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", trace->path);
	result = trace_find_state(trace, ret_error);
	if (result != 0)
		return result;
	fill_header_facts(trace);
	read_tables(trace, &buffer);
	if (!trace->schema.unknown_codec)
		read_definitions(trace, &buffer);
	block_buffer_release(&buffer);
	if (trace->schema.unknown_codec)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "%s: has format %u.%u, and this llmtrace-report does not know how "
				 "`%s` is written there; use a newer one",
				 trace->path, trace->facts.major, trace->facts.minor,
				 trace->schema.unknown_codec);
	trace_take_rings(trace);
	judge_cut(trace);
	if (!list_sources(trace))
		return error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", trace->path);
	defs_finish(&trace->defs);
	trace->facts.oldest = trace->defs.oldest;
	if (trace->index.has_end) {
		trace->facts.lost_event_count = trace->index.end.lost_event_count;
		if (trace->index.end.end_ns > trace->facts.end_ns)
			trace->facts.end_ns = trace->index.end.end_ns;
	}
	return 0;
}

int trace_open(const char *path, const struct trace_options *options, struct trace **ret_trace,
	       struct error *ret_error)
{
	struct trace *trace = calloc(1, sizeof(*trace));
	int result;

	*ret_trace = NULL;
	if (!trace)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", path);
	trace->index.fd = -1;
	trace->path = strdup(path);
	if (options)
		trace->options = *options;
	if (trace->path)
		result = load(trace, ret_error);
	else
		result = error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", path);
	if (result != 0) {
		trace_close(trace);
		return result;
	}
	trace->damage_count_at_open = trace->index.damage.count;
	trace->lost_at_open = trace->facts.lost_event_count;
	trace_update_facts(trace);
	*ret_trace = trace;
	return 0;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	merge_free(trace->merge);
	free(trace->sources);
	pool_close(trace->pool);
	trace_streams_release(trace);
	defs_release(&trace->defs);
	schema_release(&trace->schema);
	block_index_release(&trace->index);
	free(trace->path);
	free(trace);
}
