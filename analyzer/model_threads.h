/* SPDX-License-Identifier: MIT */
/*
 * The threads of the run: who created whom, names, life spans, CPU time. A thread is one life of a
 * thread id: ids that the kernel gives again make new threads. Whatever is seen first (an event,
 * the creation, a sample of /proc) makes a thread known. One thread uses the model.
 */
#ifndef LLMTRACE_MODEL_THREADS_H
#define LLMTRACE_MODEL_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report_hash.h"
#include "trace.h"

struct thread {
	uint32_t tid;			/* 0: created, and nothing was ever seen of it */
	uint32_t stream;		/* 0: recorded nothing */
	uint32_t name;			/* string id, 0: none */
	uint32_t creator_stack;		/* 0: not known */
	uint32_t creator;		/* index + 1, 0: not known */
	bool is_exit_seen, is_sampled;
	bool is_absorbed;		/* turned out to be another thread of the table */
	uint64_t ticket, start_routine;
	uint64_t start_ns, end_ns;	/* end: 0 while it lives */
	uint64_t cpu_ns; /* valid with is_exit_seen or is_sampled, as the next three */
	uint64_t fault_count;
	uint64_t voluntary_switch_count, involuntary_switch_count;
	uint64_t run_wait_ns;		/* valid with is_sampled */
	uint64_t cpu_mask;		/* CPUs 0..63 that it may run on; 0: not known */
	uint64_t alloc_count;
	uint64_t fault_stall_ns;	/* in user mode, inside the phase that is looked at */
};

struct thread_model {
	const struct trace *trace;
	struct thread *threads;
	size_t count, capacity;
	uint32_t *of_stream;		/* index + 1 by stream */
	/* the newest thread of each ticket and of each pthread_t: index */
	struct thread_lookup {
		struct key_index keys;
		uint32_t *threads;	/* by index of the key */
		size_t capacity;
	} tickets, handles;
	struct thread_lookup tids;	/* the living thread of each id: index + 1, 0 for none */
};

void thread_model_init(struct thread_model *model, const struct trace *trace);
void thread_model_release(struct thread_model *model);

/* @return the thread that owns a stream; valid until the next call. */
struct thread *thread_model_of_stream(struct thread_model *model, uint32_t stream);

/* @return the thread that has an id at a time; valid until the next call. */
struct thread *thread_model_of_tid(struct thread_model *model, uint32_t tid, uint64_t time_ns);

/* Applies a record of the group threads. */
void thread_model_apply(struct thread_model *model, const struct lt_record *record,
			uint32_t stream);

#endif
