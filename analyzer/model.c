/* SPDX-License-Identifier: MIT */
/*
 * Hands each event to the parts of the model that it changes and keeps the running totals that
 * phases are cut from.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "report_alloc.h"

static const char *string_of(const void *trace, uint32_t id)
{
	return trace_string(trace, id);
}

void model_init(struct model *model, struct trace *trace)
{
	*model = (struct model){ .trace = trace,
				 .has_faults = trace_meta(trace, "fault_method") != NULL };
	model->phases = phases_new(trace_facts(trace)->start_ns, &model->totals, string_of, trace);
	model->blocks = live_blocks_new(trace_stream_limit(trace), trace_facts(trace)->start_ns);
	model->fds = fd_model_new(string_of, trace);
	map_model_init(&model->maps, trace_stream_limit(trace));
	thread_model_init(&model->threads, trace);
}

void model_release(struct model *model)
{
	phases_free(model->phases);
	live_blocks_free(model->blocks);
	fd_model_free(model->fds);
	map_model_release(&model->maps);
	fault_model_release(&model->faults);
	thread_model_release(&model->threads);
	sample_series_release(&model->samples);
	free(model->notices);
}

static void count_stack(struct model *model, const struct lt_record *record)
{
	model->stack_event_count++;
	model->stackless_count += !record->stack;
}

/* What malloc maps for itself is known by its blocks. */
static void follow_large_blocks(struct map_model *maps, const struct lt_record *const *records,
				size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct lt_ev_alloc *event = (const struct lt_ev_alloc *)records[i];

		switch (LT_STATE_KIND(event->head.state)) {
		case LT_KIND_alloc:
		case LT_KIND_alloc_aligned:
		case LT_KIND_realloc_end:
			if (event->size_bytes >= MAP_BLOCK_BYTES && event->addr)
				map_model_add_block(maps, event->addr, event->size_bytes,
						    event->head.stack);
			break;
		default:
			map_model_remove_block(maps, event->addr);
		}
	}
}

size_t model_follow_heap(struct model *model, const struct heap_run *run, size_t first,
			 struct found_cursor *found)
{
	struct heap_sums sums;
	size_t end = live_blocks_follow(model->blocks, run, first, found, &model->batch, &sums);

	if (model->has_faults)
		follow_large_blocks(&model->maps, run->records + first, end - first);
	if (!sums.alloc_count)
		return end;
	model->totals.alloc_count += sums.alloc_count;
	model->totals.alloc_bytes += sums.alloc_bytes;
	model->stack_event_count += sums.alloc_count;
	model->stackless_count += sums.stackless_count;
	thread_model_of_stream(&model->threads, run->stream)->alloc_count += sums.alloc_count;
	return end;
}

static void apply_map(struct model *model, const struct lt_record *record, uint32_t stream)
{
	const struct lt_ev_map *event = (const struct lt_ev_map *)record;
	unsigned kind = LT_STATE_KIND(record->state);
	uint32_t file = 0;

	if (kind == LT_KIND_map && event->fd >= 0 && !(event->flags & MAP_ANONYMOUS)) {
		file = fd_model_file_of(model->fds, event->fd);
		if (!event->error && fd_model_file(model->fds, file)->is_regular)
			model->totals.map_file_bytes += event->length_bytes;
	}
	model->totals.map_call_count += kind == LT_KIND_map || kind == LT_KIND_unmap ||
					kind == LT_KIND_remap_end;
	if (kind == LT_KIND_map)
		count_stack(model, record);
	fault_model_count_call(&model->faults, record);
	map_model_apply(&model->maps, record, stream, file, model->is_counted);
}

static void apply_file(struct model *model, const struct lt_record *record)
{
	const struct io_access *access = &model->access;

	fault_model_count_call(&model->faults, record);
	model->has_access = fd_model_apply(model->fds, record, &model->access);
	if (!model->has_access)
		return;
	if (LT_STATE_KIND(record->state) == LT_KIND_open) {
		phases_note_open(model->phases, access->file,
				 fd_model_file(model->fds, access->file)->file_bytes);
	} else if (!access->is_write) {
		model->totals.read_count += access->call_count;
		model->totals.read_bytes += access->bytes;
		model->totals.read_ns += access->duration_ns;
	}
}

static void apply_thread(struct model *model, const struct lt_record *record, uint32_t stream)
{
	const struct lt_ev_thread_create *event = (const struct lt_ev_thread_create *)record;

	thread_model_apply(&model->threads, record, stream);
	if (LT_STATE_KIND(record->state) == LT_KIND_thread_create && !event->error)
		model->totals.thread_create_count++;
}

static void apply_stats(struct model *model, const struct lt_ev_stream_stats *event)
{
	struct stream_totals *totals = &model->streams;

	totals->wait_count += event->wait_count;
	totals->wait_ns += event->wait_ns;
	totals->passed_count += event->passed_count;
	totals->lost_stack_count += event->lost_stack_count;
	totals->stream_count++;
}

static void apply_process_call(struct model *model, const struct lt_ev_process_call *event)
{
	unsigned call = LT_STATE_AUX(event->head.state);

	switch (call) {
	case LT_process_call_exec:
	case LT_process_call_daemon:
	case LT_process_call_exit:
	case LT_process_call__exit:
	case LT_process_call_quick_exit:
	case LT_process_call_abort:
		model->end = (struct process_end){ true, call, event->result, event->path };
		return;
	case LT_process_call_exec_failed:
		model->end.is_seen = false;
		return;
	}
}

static void apply_notice(struct model *model, const struct lt_ev_notice *event)
{
	model->notices = report_grow(model->notices, &model->notice_capacity,
				     model->notice_count + 1, sizeof(*model->notices));
	model->notices[model->notice_count++] = (struct model_notice){
		LT_STATE_AUX(event->head.state), event->value, event->text };
}

static void apply_recording(struct model *model, const struct lt_record *record)
{
	const struct trace_facts *facts = trace_facts(model->trace);

	recording_apply(&model->gaps, record,
			facts->oldest.number > 1 ? facts->oldest.begin_ns : facts->start_ns,
			live_blocks_totals(model->blocks));
}

static void apply_system(struct model *model, const struct lt_record *record)
{
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_process_sample:
	case LT_KIND_own_cost:
		sample_series_apply(&model->samples, record);
		return;
	case LT_KIND_stream_stats:
		apply_stats(model, (const struct lt_ev_stream_stats *)record);
		return;
	case LT_KIND_process_call:
		apply_process_call(model, (const struct lt_ev_process_call *)record);
		return;
	case LT_KIND_recording:
		apply_recording(model, record);
		return;
	case LT_KIND_notice:
		apply_notice(model, (const struct lt_ev_notice *)record);
		return;
	}
}

void model_apply(struct model *model, const struct lt_record *record, uint32_t stream,
		 bool is_counted)
{
	unsigned kind = LT_STATE_KIND(record->state);

	model->is_counted = is_counted;
	model->has_access = false;
	if (kind >= LT_KIND_map && kind <= LT_KIND_map_seen)
		apply_map(model, record, stream);
	else if (kind >= LT_KIND_thread_create && kind <= LT_KIND_thread_sample)
		apply_thread(model, record, stream);
	else if (kind >= LT_KIND_open && kind <= LT_KIND_fd_seen)
		apply_file(model, record);
	else if (kind >= LT_KIND_phase_begin && kind <= LT_KIND_mark)
		phases_apply(model->phases, record, stream);
	else if (kind >= LT_KIND_fault && kind <= LT_KIND_fault_totals)
		fault_model_apply(model, record);
	else if (kind >= LT_KIND_process_sample)
		apply_system(model, record);
}

const char *model_map_name(const struct model *model, const struct map_group *group)
{
	const char *path;

	switch (group->label_kind) {
	case MAP_LABEL_FILE:
		return fd_model_file(model->fds, group->label)->path;
	case MAP_LABEL_SEEN:
		path = trace_string(model->trace, group->label);
		return path ? path : "[no path]";
	case MAP_LABEL_ANONYMOUS:
		return "[anonymous]";
	case MAP_LABEL_BLOCK:
		return "[malloc]";
	case MAP_LABEL_UNKNOWN:
		return "[not known]";
	default:
		return "[anonymous, made inside libc]";
	}
}

bool model_map_is_own(const struct model *model, const struct map_group *group)
{
	const char *name = model_map_name(model, group), *slash = strrchr(name, '/');

	return !strncmp(name, "[llmtrace", 9) || (slash && !strcmp(slash, "/libllmtrace.so"));
}
