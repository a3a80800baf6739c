/* SPDX-License-Identifier: MIT */
/* Facts, definitions and batches of an open trace; see trace.h. Opening is in trace_open.c. */
#include "trace.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace_inner.h"

#define MAX_DEFAULT_THREADS 8

void trace_update_facts(struct trace *trace)
{
	struct trace_facts *facts = &trace->facts;
	const struct damage_list *damage = &trace->index.damage;

	facts->damage = damage->items;
	facts->damage_count = damage->count;
	facts->damage_byte_count = damage->byte_count;
	facts->damage_event_count = damage->event_count;
	facts->is_damaged = damage->count > 0;
	if (!trace->merge)
		return;
	facts->unknown_event_count = merge_counts(trace->merge)->unknown_event_count;
	if (facts->state != TRACE_COMPLETE)
		facts->lost_event_count = merge_counts(trace->merge)->lost_event_count;
}

const struct trace_facts *trace_facts(const struct trace *trace)
{
	return &trace->facts;
}

const char *trace_meta(const struct trace *trace, const char *key)
{
	for (size_t i = 0; i < trace->defs.meta_count; i++)
		if (strcmp(trace->defs.metas[i].key, key) == 0)
			return trace->defs.metas[i].value;
	return NULL;
}

size_t trace_meta_bytes(const struct trace *trace, const char *key)
{
	for (size_t i = 0; i < trace->defs.meta_count; i++)
		if (strcmp(trace->defs.metas[i].key, key) == 0)
			return trace->defs.metas[i].value_bytes;
	return 0;
}

bool trace_meta_at(const struct trace *trace, size_t index, const char **ret_key,
		   const char **ret_value)
{
	if (index >= trace->defs.meta_count)
		return false;
	*ret_key = trace->defs.metas[index].key;
	*ret_value = trace->defs.metas[index].value;
	return true;
}

unsigned trace_thread_count(const struct trace *trace)
{
	cpu_set_t set;
	int cpu_count;

	if (trace->options.thread_count)
		return trace->options.thread_count;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	cpu_count = CPU_COUNT(&set);
	return cpu_count > MAX_DEFAULT_THREADS ? MAX_DEFAULT_THREADS : (unsigned)cpu_count;
}

static bool start_merge(struct trace *trace)
{
	/* the caller's own thread decodes, too, when it has to wait */
	trace->merge = merge_new(trace->sources, trace->source_count, &trace->index, &trace->schema,
				 trace_stack_limit(trace), trace_thread_count(trace) - 1,
				 &trace->index.damage);
	return trace->merge != NULL;
}

bool trace_next_batch(struct trace *trace, struct trace_batch *ret_batch)
{
	const struct trace_stream *stream;

	if (!trace->merge && !start_merge(trace))
		return false;
	if (!merge_next(trace->merge, ret_batch)) {
		trace_update_facts(trace);
		return false;
	}
	stream = trace_stream(trace, ret_batch->stream);
	ret_batch->tid = stream ? stream->tid : 0;
	return true;
}

void trace_keep_batches(struct trace *trace)
{
	if (trace->merge || start_merge(trace))
		merge_keep(trace->merge);
}

void trace_release_batches(struct trace *trace, uint64_t number)
{
	if (trace->merge)
		merge_release(trace->merge, number);
}

void trace_rewind(struct trace *trace)
{
	struct damage_list *damage = &trace->index.damage;

	merge_free(trace->merge);
	trace->merge = NULL;
	for (size_t i = trace->damage_count_at_open; i < damage->count; i++) {
		damage->byte_count -= damage->items[i].byte_count;
		damage->event_count -= damage->items[i].event_count;
	}
	damage->count = trace->damage_count_at_open;
	trace->facts.lost_event_count = trace->lost_at_open;
	trace->facts.unknown_event_count = 0;
	trace_update_facts(trace);
}

uint64_t trace_progress_bytes(const struct trace *trace)
{
	return trace->merge ? merge_counts(trace->merge)->done_bytes : 0;
}

uint32_t trace_stream_limit(const struct trace *trace)
{
	return trace->defs.stream_ids.limit;
}

uint32_t trace_module_limit(const struct trace *trace)
{
	return trace->defs.module_ids.limit;
}

uint32_t trace_stack_limit(const struct trace *trace)
{
	return trace->defs.stacks.ids.limit;
}

uint32_t trace_string_limit(const struct trace *trace)
{
	return trace->defs.string_ids.limit;
}

uint32_t trace_frame_limit(const struct trace *trace)
{
	return (uint32_t)trace->defs.stacks.frame_count;
}

const struct trace_stream *trace_stream(const struct trace *trace, uint32_t id)
{
	uint32_t row;

	return id_map_get(&trace->defs.stream_ids, id, &row) ? &trace->defs.streams[row] : NULL;
}

const struct trace_module *trace_module(const struct trace *trace, uint32_t id)
{
	return defs_module(&trace->defs, id);
}

struct trace_stack trace_stack(const struct trace *trace, uint32_t id)
{
	return stacks_get(&trace->defs.stacks, id);
}

struct trace_frame trace_frame(const struct trace *trace, uint32_t id)
{
	if (id >= trace->defs.stacks.frame_count)
		id = 0;
	return trace->defs.stacks.frames[id];
}

struct trace_frame trace_frame_of_address(const struct trace *trace, uint64_t addr,
					  uint64_t time_ns)
{
	const struct trace_module *module = defs_module_at(&trace->defs, addr, time_ns);

	if (!module)
		return (struct trace_frame){ 0, addr };
	return (struct trace_frame){ module->id, addr - module->load_bias };
}

static const struct string_row *string_row(const struct trace *trace, uint32_t id)
{
	uint32_t row;

	return id_map_get(&trace->defs.string_ids, id, &row) ? &trace->defs.strings[row] : NULL;
}

const char *trace_string(const struct trace *trace, uint32_t id)
{
	const struct string_row *row = string_row(trace, id);

	return row ? row->text : NULL;
}

size_t trace_string_bytes(const struct trace *trace, uint32_t id)
{
	const struct string_row *row = string_row(trace, id);

	return row ? row->bytes : 0;
}

const struct trace_symbol *trace_symbol_at(const struct trace *trace, struct trace_frame frame)
{
	return defs_symbol_at(&trace->defs, frame);
}

const struct trace_symbol *trace_symbols(const struct trace *trace, size_t *ret_count)
{
	*ret_count = trace->defs.symbol_count;
	return trace->defs.symbols;
}

const struct trace_model *trace_models(const struct trace *trace, size_t *ret_count)
{
	*ret_count = trace->defs.model_count;
	return trace->defs.models;
}

const struct trace_tensor *trace_tensors(const struct trace *trace, size_t *ret_count)
{
	*ret_count = trace->defs.tensor_count;
	return trace->defs.tensors;
}

const char *trace_aux_name(const struct trace *trace, const struct lt_record *record)
{
	return schema_aux_name(&trace->schema, LT_STATE_KIND(record->state),
			       LT_STATE_AUX(record->state));
}
