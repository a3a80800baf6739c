/* SPDX-License-Identifier: MIT */
/*
 * What several analyses need to know of the process at the time of an event: descriptors, live
 * blocks, mappings, threads, phases. The model sees each event before the analyses do. One thread.
 */
#ifndef LLMTRACE_MODEL_H
#define LLMTRACE_MODEL_H

#include "fds.h"
#include "live_blocks.h"
#include "model_faults.h"
#include "model_maps.h"
#include "model_recording.h"
#include "model_samples.h"
#include "model_threads.h"
#include "phases.h"
#include "trace.h"

/* Sums of stream_stats. */
struct stream_totals {
	uint64_t wait_count, wait_ns, passed_count, lost_stack_count;
	uint64_t stream_count;		/* streams that gave their totals */
};

/* A notice of the shim; text is a string id. */
struct model_notice {
	unsigned kind;			/* LT_notice_kind_ */
	uint64_t value;
	uint32_t text;
};

/* What a thread of the target did to its process last. */
struct process_end {
	bool is_seen;
	unsigned call;			/* LT_process_call_exit, _exit, quick_exit, abort, exec */
	int64_t result;
	uint32_t path;
};

struct model {
	struct trace *trace;
	bool is_counted;		/* this event lies in the phase that is looked at */
	bool has_faults;		/* page faults ask for the memory at their addresses */

	struct phase_counters
		totals; /* with a filter, allocations are those that it lets through */
	struct phases *phases;
	struct live_blocks *blocks;
	struct heap_batch batch;	/* what happened to the heap and was not analysed so far */
	struct fd_model *fds;
	struct io_access access;	/* valid when has_access */
	bool has_access;
	struct map_model maps;
	struct fault_model faults;
	struct thread_model threads;
	struct sample_series samples;
	struct stream_totals streams;
	struct process_end end;
	struct recording_gaps gaps;
	struct model_notice *notices;
	size_t notice_count, notice_capacity;
	uint64_t stackless_count;	/* heap and mapping events without a call stack */
	uint64_t stack_event_count;	/* the same with and without */
};

void model_init(struct model *model, struct trace *trace);
void model_release(struct model *model);

/*
 * Brings the model up to date with the heap events of a run from record `first` on, as
 * live_blocks_follow() does. The owner takes the batch away when it stops before a heap event.
 * @return the index of the record where it stopped.
 */
size_t model_follow_heap(struct model *model, const struct heap_run *run, size_t first,
			 struct found_cursor *found);

/* Brings the model up to date with an event of another kind. */
void model_apply(struct model *model, const struct lt_record *record, uint32_t stream,
		 bool is_counted);

/* @return the path of its file, or the kind of memory in brackets. */
const char *model_map_name(const struct model *model, const struct map_group *group);

/* @return whether it is memory of the shim: that stands in the head of the report. */
bool model_map_is_own(const struct model *model, const struct map_group *group);

#endif
