/* SPDX-License-Identifier: MIT */
/*
 * Pairs and folds page faults; see fault_fold.h. What is known of each thread lies in a table by
 * thread id that is emptied when it fills: engines make a thread for each token. Entered by the
 * writer thread alone.
 */
#include "fault_fold.h"

#include <string.h>

#include "llmtrace/events.h"
#include "sys.h"

#define PAGE_SHIFT 12u
#define THREADS_MAX 4096u /* a power of two */
#define THREADS_FULL (THREADS_MAX / 4 * 3)
#define SINGLES 3u /* so many are cheaper one by one than as a run */
#define RUN_MAX 1024u
#define RUN_GAP_NS 5000000u /* a run that pauses ends: it must lie in one phase of the program */
#define CLASS_SHIFT 10u
#define CLASSES 16u

struct single {
	uint64_t time_ns, page, stall_ns;
	uint32_t cpu;
};

struct thread {
	uint32_t tid; /* 0: free */
	bool has_entry;
	struct fault_sample entry; /* of the fault that has begun */
	struct fault_event_out run; /* count 0: none */
	uint64_t first_ns, last_page;
	struct single singles[SINGLES];
};

static struct thread *threads;
static unsigned thread_count;
static uint16_t running[THREADS_MAX]; /* threads that have a run */
static unsigned running_count;
static struct fault_event_out *events, *spare;
static size_t event_count, event_room;
static uint64_t taken_count, unpaired_count;

uint64_t fault_fold_taken_count(void)
{
	return taken_count;
}

uint64_t fault_fold_unpaired_count(void)
{
	return unpaired_count;
}

static bool make_room(void)
{
	size_t room = event_room ? event_room * 2 : 1024;
	struct fault_event_out *more = sys_memory(room * sizeof(*more));
	struct fault_event_out *more_spare = sys_memory(room * sizeof(*more));

	if (!more || !more_spare) {
		if (more)
			sys_memory_release(more, room * sizeof(*more));
		return false;
	}
	if (events) {
		memcpy(more, events, event_count * sizeof(*more));
		sys_memory_release(events, event_room * sizeof(*more));
		sys_memory_release(spare, event_room * sizeof(*more));
	}
	events = more;
	spare = more_spare;
	event_room = room;
	return true;
}

static void add_event(const struct fault_event_out *event)
{
	if (event_count < event_room || make_room())
		events[event_count++] = *event;
}

static void add_single(const struct fault_event_out *run, const struct single *single)
{
	struct fault_event_out event = {
		.time_ns = single->time_ns, .ip = run->ip, .page = single->page,
		.stall_ns = single->stall_ns, .longest_ns = single->stall_ns, .count = 1,
		.tid = run->tid, .cpu = single->cpu, .kind = run->kind};

	add_event(&event);
}

static void end_run(struct thread *thread)
{
	struct fault_event_out *run = &thread->run;

	if (run->count <= SINGLES) {
		for (uint32_t i = 0; i < run->count; i++)
			add_single(run, &thread->singles[i]);
	} else {
		run->span_ns = run->time_ns - thread->first_ns;
		add_event(run);
	}
	run->count = 0;
}

static unsigned class_of(uint64_t stall_ns)
{
	unsigned bits = stall_ns >> CLASS_SHIFT ? 64 - (unsigned)__builtin_clzll(stall_ns) : 0;

	return bits <= CLASS_SHIFT ? 0 : bits - CLASS_SHIFT < CLASSES ? bits - CLASS_SHIFT
								       : CLASSES - 1;
}

/* ---- threads ---- */
static void end_all_runs(void)
{
	for (unsigned i = 0; i < running_count; i++)
		end_run(&threads[running[i]]);
	running_count = 0;
}

static struct thread *find_thread(uint32_t tid)
{
	uint32_t at = tid * 0x9e3779b1u >> 20;

	if (!threads)
		threads = sys_memory(THREADS_MAX * sizeof(*threads));
	if (!threads)
		return NULL;
	for (;; at++) {
		struct thread *thread = &threads[at % THREADS_MAX];

		if (thread->tid == tid)
			return thread;
		if (thread->tid)
			continue;
		if (thread_count < THREADS_FULL) {
			thread_count++;
			thread->tid = tid;
			return thread;
		}
		/* entries of threads that are in a fault now are lost: such faults have no stall */
		end_all_runs();
		memset(threads, 0, THREADS_MAX * sizeof(*threads));
		thread_count = 0;
		at = (tid * 0x9e3779b1u >> 20) - 1;
	}
}

/* ---- folding ---- */
static bool goes_on(const struct thread *thread, const struct fault_event_out *fault)
{
	const struct fault_event_out *run = &thread->run;

	return run->count && run->count < RUN_MAX && run->ip == fault->ip &&
	       run->kind == fault->kind && fault->time_ns - run->time_ns < RUN_GAP_NS &&
	       (run->count == 1 ||
		(int64_t)(fault->page - thread->last_page) == run->stride_pages);
}

static void fold(struct thread *thread, const struct fault_event_out *fault)
{
	struct fault_event_out *run = &thread->run;

	if (!goes_on(thread, fault)) {
		if (!run->count)
			running[running_count++] = (uint16_t)(thread - threads);
		end_run(thread);
		*run = *fault;
		run->count = 0;
		run->stall_ns = run->longest_ns = 0;
		memset(run->class_count, 0, sizeof(run->class_count));
		thread->first_ns = fault->time_ns;
	} else if (run->count == 1) {
		run->stride_pages = (int64_t)(fault->page - thread->last_page);
	}
	if (run->count < SINGLES)
		thread->singles[run->count] = (struct single){fault->time_ns, fault->page,
							      fault->stall_ns, fault->cpu};
	run->count++;
	run->time_ns = fault->time_ns;
	run->cpu = fault->cpu;
	run->stall_ns += fault->stall_ns;
	if (fault->stall_ns > run->longest_ns)
		run->longest_ns = fault->stall_ns;
	run->class_count[class_of(fault->stall_ns)]++;
	thread->last_page = fault->page;
}

static unsigned kind_of(const struct fault_sample *sample)
{
	if (sample->event == FAULT_MAJOR)
		return sample->is_huge ? LT_fault_kind_major_huge : LT_fault_kind_major;
	return sample->is_huge ? LT_fault_kind_minor_huge : LT_fault_kind_minor;
}

static void complete(struct thread *thread, const struct fault_sample *sample)
{
	bool is_paired = thread->has_entry && thread->entry.addr == sample->addr;
	const struct fault_event_out fault = {
		.time_ns = sample->time_ns, .ip = is_paired ? thread->entry.ip : 0,
		.page = sample->addr >> PAGE_SHIFT,
		.stall_ns = is_paired ? sample->time_ns - thread->entry.time_ns : 0,
		.tid = sample->tid, .cpu = sample->cpu, .kind = (uint8_t)kind_of(sample)};

	taken_count++;
	unpaired_count += !is_paired;
	thread->has_entry = false;
	fold(thread, &fault);
}

/* A fault of the same thread that was not completed: a signal, or its completion was lost. */
static void give_up(struct thread *thread)
{
	const struct fault_event_out fault = {
		.time_ns = thread->entry.time_ns, .ip = thread->entry.ip,
		.page = thread->entry.addr >> PAGE_SHIFT, .tid = thread->entry.tid,
		.cpu = thread->entry.cpu, .kind = LT_fault_kind_unfinished};

	fold(thread, &fault);
}

void fault_fold_add(const struct fault_sample *sample)
{
	struct thread *thread = find_thread(sample->tid);

	if (!thread)
		return;
	if (sample->event != FAULT_ENTRY) {
		complete(thread, sample);
		return;
	}
	if (thread->has_entry && thread->entry.addr != sample->addr)
		give_up(thread);
	thread->has_entry = true;
	thread->entry = *sample;
}

/* ---- the order of time ---- */
static void merge_sort(size_t first, size_t end)
{
	size_t middle = first + (end - first) / 2, left = first, right = middle;

	if (end - first < 2)
		return;
	merge_sort(first, middle);
	merge_sort(middle, end);
	if (events[middle - 1].time_ns <= events[middle].time_ns)
		return;
	for (size_t to = first; to < end; to++)
		spare[to] = left < middle && (right >= end ||
					      events[left].time_ns <= events[right].time_ns)
				    ? events[left++]
				    : events[right++];
	memcpy(events + first, spare + first, (end - first) * sizeof(*events));
}

void fault_fold_flush(void (*emit)(const struct fault_event_out *event))
{
	end_all_runs();
	merge_sort(0, event_count);
	for (size_t i = 0; i < event_count; i++)
		emit(&events[i]);
	event_count = 0;
}
