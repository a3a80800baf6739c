/* SPDX-License-Identifier: MIT */
/*
 * The threads of the run. Creation (seen by the creator) and start (seen by the thread) meet
 * through the ticket, in either order.
 */
#include "model_threads.h"

#include <stdlib.h>

#include "report_alloc.h"

void thread_model_init(struct thread_model *model, const struct trace *trace)
{
	*model = (struct thread_model){ .trace = trace };
	model->of_stream = report_alloc(trace_stream_limit(trace), sizeof(*model->of_stream));
}

void thread_model_release(struct thread_model *model)
{
	free(model->threads);
	free(model->of_stream);
	key_index_release(&model->tickets.keys);
	key_index_release(&model->handles.keys);
	free(model->tickets.threads);
	free(model->handles.threads);
	key_index_release(&model->tids.keys);
	free(model->tids.threads);
}

static struct thread *new_thread(struct thread_model *model, uint64_t start_ns)
{
	struct thread *thread;

	model->threads = report_grow(model->threads, &model->capacity, model->count + 1,
				     sizeof(*thread));
	thread = &model->threads[model->count++];
	thread->start_ns = start_ns;
	return thread;
}

/* @return the thread that has this id now, NULL for none. */
static struct thread *thread_of_tid(const struct thread_model *model, uint32_t tid)
{
	uint32_t i = tid ? key_index_find(&model->tids.keys, tid) : KEY_INDEX_NONE;

	if (i == KEY_INDEX_NONE || !model->tids.threads[i])
		return NULL;
	return &model->threads[model->tids.threads[i] - 1];
}

static void forget_tid(struct thread_model *model, uint32_t tid)
{
	if (thread_of_tid(model, tid))
		model->tids.threads[key_index_find(&model->tids.keys, tid)] = 0;
}

static void keep(struct thread_lookup *lookup, uint64_t key, uint32_t value)
{
	uint32_t i = key_index_put(&lookup->keys, key);

	lookup->threads = report_grow(lookup->threads, &lookup->capacity, i + 1,
				      sizeof(*lookup->threads));
	lookup->threads[i] = value;
}

static void set_tid(struct thread_model *model, struct thread *thread, uint32_t tid)
{
	thread->tid = tid;
	if (tid)
		keep(&model->tids, tid, (uint32_t)(thread - model->threads) + 1);
}

/* The thread that has this id now; one that was never seen is added. */
static struct thread *living_thread(struct thread_model *model, uint32_t tid, uint64_t time_ns)
{
	struct thread *thread = thread_of_tid(model, tid);

	if (thread)
		return thread;
	thread = new_thread(model, time_ns);
	set_tid(model, thread, tid);
	return thread;
}

struct thread *thread_model_of_tid(struct thread_model *model, uint32_t tid, uint64_t time_ns)
{
	return living_thread(model, tid, time_ns);
}

struct thread *thread_model_of_stream(struct thread_model *model, uint32_t stream)
{
	const struct trace_stream *info;
	struct thread *thread;

	if (model->of_stream[stream])
		return &model->threads[model->of_stream[stream] - 1];
	info = trace_stream(model->trace, stream);
	thread = info ? thread_of_tid(model, info->tid) : NULL;
	/* known from a sample or its creation, and without a stream so far: the same thread */
	if (!thread || thread->stream) {
		thread = new_thread(model, info ? info->start_ns : 0);
		set_tid(model, thread, info ? info->tid : 0);
	}
	thread->stream = stream;
	model->of_stream[stream] = (uint32_t)(thread - model->threads) + 1;
	return thread;
}

static struct thread *look_up(struct thread_model *model, const struct thread_lookup *lookup,
			      uint64_t key)
{
	uint32_t i = key ? key_index_find(&lookup->keys, key) : KEY_INDEX_NONE;

	return i == KEY_INDEX_NONE ? NULL : &model->threads[lookup->threads[i]];
}

static void remember(struct thread_model *model, struct thread_lookup *lookup, uint64_t key,
		     const struct thread *thread)
{
	if (key)
		keep(lookup, key, (uint32_t)(thread - model->threads));
}

static void apply_create(struct thread_model *model, const struct lt_ev_thread_create *event,
			 uint32_t stream)
{
	uint32_t creator = (uint32_t)(thread_model_of_stream(model, stream) - model->threads) + 1;
	struct thread *thread;

	if (event->error)
		return;
	thread = look_up(model, &model->tickets, event->ticket);
	if (!thread)
		thread = new_thread(model, event->head.time);
	thread->ticket = event->ticket;
	remember(model, &model->tickets, event->ticket, thread);
	remember(model, &model->handles, event->handle, thread);
	thread->start_routine = event->start_routine;
	thread->creator_stack = event->head.stack;
	thread->creator = creator;
}

/*
 * The writer may have sampled the thread before the thread wrote anything: that thread without a
 * stream and the one that was created are the same.
 */
static void absorb(struct thread_model *model, struct thread *thread, uint32_t tid)
{
	struct thread *sampled = thread_of_tid(model, tid);

	if (!sampled || sampled == thread || sampled->stream || sampled->ticket)
		return;
	if (!thread->name)
		thread->name = sampled->name;
	thread->is_sampled = sampled->is_sampled;
	thread->cpu_ns = sampled->cpu_ns;
	thread->run_wait_ns = sampled->run_wait_ns;
	thread->fault_count = sampled->fault_count;
	thread->fault_stall_ns += sampled->fault_stall_ns;
	thread->voluntary_switch_count = sampled->voluntary_switch_count;
	thread->involuntary_switch_count = sampled->involuntary_switch_count;
	thread->cpu_mask = sampled->cpu_mask;
	sampled->is_absorbed = true;
}

/* The creator's record may be there already: then its row becomes the row of this stream. */
static void apply_start(struct thread_model *model, const struct lt_ev_thread_start *event,
			uint32_t stream)
{
	struct thread *created = look_up(model, &model->tickets, event->ticket), *thread;
	const struct trace_stream *info = trace_stream(model->trace, stream);

	if (created && !created->stream && !model->of_stream[stream]) {
		created->stream = stream;
		model->of_stream[stream] = (uint32_t)(created - model->threads) + 1;
		absorb(model, created, info ? info->tid : 0);
		set_tid(model, created, info ? info->tid : 0);
	}
	thread = thread_model_of_stream(model, stream);
	thread->ticket = event->ticket;
	remember(model, &model->tickets, event->ticket, thread);
	thread->start_routine = event->start_routine;
	if (event->head.time < thread->start_ns)
		thread->start_ns = event->head.time;
}

static void end_thread(struct thread_model *model, struct thread *thread, uint64_t time_ns)
{
	if (!thread->end_ns)
		thread->end_ns = time_ns;
	/* the id may have a new owner by now: the writer notices an end late */
	if (thread_of_tid(model, thread->tid) == thread)
		forget_tid(model, thread->tid);
}

static void apply_exit(struct thread_model *model, const struct lt_ev_thread_exit *event,
		       uint32_t stream)
{
	struct thread *thread = thread_model_of_stream(model, stream);

	thread->is_exit_seen = true;
	thread->end_ns = event->head.time;
	thread->cpu_ns = event->cpu_ns;
	thread->fault_count = (uint64_t)event->minor_fault_count + event->major_fault_count;
	thread->voluntary_switch_count = event->voluntary_switch_count;
	thread->involuntary_switch_count = event->involuntary_switch_count;
}

static void apply_end(struct thread_model *model, const struct lt_ev_thread_end *event)
{
	struct thread *thread;

	if (event->stream && event->stream < trace_stream_limit(model->trace)) {
		end_thread(model, thread_model_of_stream(model, event->stream), event->head.time);
		return;
	}
	thread = thread_of_tid(model, event->tid);
	if (thread)
		end_thread(model, thread, event->head.time);
}

static struct thread *named_thread(struct thread_model *model, uint32_t tid, uint64_t handle,
				   uint64_t time_ns)
{
	return tid ? living_thread(model, tid, time_ns) : look_up(model, &model->handles, handle);
}

static void apply_name(struct thread_model *model, const struct lt_ev_thread_name *event)
{
	struct thread *thread = named_thread(model, event->tid, event->handle, event->head.time);

	if (thread && event->name)
		thread->name = event->name;
}

static void apply_sched(struct thread_model *model, const struct lt_ev_thread_sched *event,
			uint32_t stream)
{
	struct thread *thread = named_thread(model, event->tid, event->handle, event->head.time);

	if (!thread && !event->handle)
		thread = thread_model_of_stream(model, stream);
	if (!thread || event->error)
		return;
	if (event->cpu_count)
		thread->cpu_mask = event->cpu_mask;
}

static void apply_sample(struct thread_model *model, const struct lt_ev_thread_sample *event)
{
	struct thread *thread = living_thread(model, event->tid, event->head.time);

	if (thread->is_exit_seen)
		return;
	thread->is_sampled = true;
	thread->cpu_ns = event->cpu_ns;
	thread->run_wait_ns = event->run_wait_ns;
	thread->fault_count = (uint64_t)event->minor_fault_count + event->major_fault_count;
	thread->voluntary_switch_count = event->voluntary_switch_count;
	thread->involuntary_switch_count = event->involuntary_switch_count;
	thread->cpu_mask = event->cpu_mask;
}

void thread_model_apply(struct thread_model *model, const struct lt_record *record, uint32_t stream)
{
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_thread_create:
		apply_create(model, (const struct lt_ev_thread_create *)record, stream);
		return;
	case LT_KIND_thread_start:
		apply_start(model, (const struct lt_ev_thread_start *)record, stream);
		return;
	case LT_KIND_thread_exit:
		apply_exit(model, (const struct lt_ev_thread_exit *)record, stream);
		return;
	case LT_KIND_thread_end:
		apply_end(model, (const struct lt_ev_thread_end *)record);
		return;
	case LT_KIND_thread_name:
		apply_name(model, (const struct lt_ev_thread_name *)record);
		return;
	case LT_KIND_thread_sched:
		apply_sched(model, (const struct lt_ev_thread_sched *)record, stream);
		return;
	case LT_KIND_thread_sample:
		apply_sample(model, (const struct lt_ev_thread_sample *)record);
		return;
	}
}
