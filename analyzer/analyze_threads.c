/* SPDX-License-Identifier: MIT */
/*
 * The table `threads`: who created each thread, how long it lived, what it used. Numbers of the
 * kernel come from the thread's own end, else from the last sample of /proc before it.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "report_alloc.h"

struct threads {
	const struct analysis_context *context;
};

static const struct column columns[] = {
	{ "tid", "number", VALUE_U64, true, false, "thread id of the kernel", "tid", false },
	{ "name", "text", VALUE_TEXT, true, false, "name", "name", false },
	{ "created_by", "stack", VALUE_STACK, false, false, "call stack of its creation", NULL,
	  false },
	{ "start_ns", "ns", VALUE_U64, false, true, "since the start of recording", "start",
	  false },
	{ "lifetime_ns", "ns", VALUE_U64, false, true, "how long it lived, at most to the end",
	  "lived", false },
	{ "cpu_ns", "ns", VALUE_U64, false, true, "CPU time", "CPU", false },
	{ "voluntary_switch_count", "count", VALUE_U64, false, true,
	  "times that it gave the CPU up", "waits", false },
	{ "involuntary_switch_count", "count", VALUE_U64, false, true,
	  "times that the CPU was taken from it", "preempted", false },
	{ "run_wait_ns", "ns", VALUE_U64, false, true, "time runnable without a CPU", "CPU wait",
	  true },
	{ "migration_count", "count", VALUE_U64, false, true, "moves to another CPU", "moves",
	  true },
	{ "affinity", "text", VALUE_TEXT, false, false, "CPUs that it may run on", "CPUs", true },
	{ "alloc_count", "count", VALUE_U64, false, false, "allocations, reallocs included",
	  "allocs", false },
	{ "fault_count", "count", VALUE_U64, false, true, "page faults", "faults", false },
	{ "fault_stall_ns", "ns", VALUE_U64, false, true, "time in page faults", "stall", true },
	{ "start_routine", "text", VALUE_TEXT, false, false, "function that it ran", "runs", true },
	{ "is_alive_at_exit", "bool", VALUE_BOOL, false, false, "still there at the end", "alive",
	  true },
};

static void *create(const struct analysis_context *context)
{
	struct threads *threads = report_alloc(1, sizeof(*threads));

	threads->context = context;
	return threads;
}

/* "0-3,8" */
static void mask_text(char *ret_text, size_t bytes, uint64_t mask)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (unsigned cpu = 0; cpu < 64 && used < bytes; cpu++) {
		unsigned last = cpu;

		if (!(mask >> cpu & 1))
			continue;
		while (last < 63 && mask >> (last + 1) & 1)
			last++;
		used += (size_t)snprintf(ret_text + used, bytes - used,
					 last > cpu ? "%s%u-%u" : "%s%u", used ? "," : "", cpu,
					 last);
		cpu = last;
	}
}

static void set_kernel_numbers(struct table *table, size_t row, const struct thread *thread)
{
	bool is_known = thread->is_exit_seen || thread->is_sampled;
	char text[256];

	analysis_set(table, row, "cpu_ns", thread->cpu_ns, is_known);
	analysis_set(table, row, "voluntary_switch_count", thread->voluntary_switch_count,
		     is_known);
	analysis_set(table, row, "involuntary_switch_count", thread->involuntary_switch_count,
		     is_known);
	analysis_set(table, row, "fault_count", thread->fault_count, is_known);
	analysis_set(table, row, "run_wait_ns", thread->run_wait_ns, thread->is_sampled);
	if (!thread->cpu_mask)
		return;
	mask_text(text, sizeof(text), thread->cpu_mask);
	table_set_text(table, row, "affinity", text);
}

/* A thread has the name of its creator until it gets one of its own. */
static const char *name_of(const struct analysis_context *context, const struct thread *thread)
{
	const struct thread_model *model = &context->model->threads;

	for (size_t steps = 0; !thread->name && thread->creator && steps < model->count; steps++)
		thread = &model->threads[thread->creator - 1];
	return trace_string(context->trace, thread->name);
}

static void add_row(const struct threads *threads, struct table *table, const struct thread *thread)
{
	const struct analysis_context *context = threads->context;
	uint64_t start_ns = trace_facts(context->trace)->start_ns;
	uint64_t end_ns = thread->end_ns ? thread->end_ns : context->end_ns;
	uint64_t begin_ns = thread->start_ns > start_ns ? thread->start_ns : start_ns;
	size_t row = table_add_row(table);

	analysis_set(table, row, "tid", thread->tid, thread->tid);
	table_set_text(table, row, "name", name_of(context, thread));
	stack_groups_set(context->stacks, table, row, "created_by", thread->creator_stack);
	table_set_u64(table, row, "start_ns", begin_ns - start_ns);
	table_set_u64(table, row, "lifetime_ns", end_ns > begin_ns ? end_ns - begin_ns : 0);
	set_kernel_numbers(table, row, thread);
	analysis_set(table, row, "alloc_count", thread->alloc_count,
		     analysis_has_group(context, LT_GROUP_heap));
	analysis_set(table, row, "fault_stall_ns", thread->fault_stall_ns,
		     faults_have_addresses(context));
	table_set_text(table, row, "start_routine",
		       stack_groups_function(context->stacks, thread->start_routine, begin_ns));
	table_set_bool(table, row, "is_alive_at_exit", !thread->end_ns);
}

static void finish(void *state, struct report *report)
{
	struct threads *threads = state;
	const struct thread_model *model = &threads->context->model->threads;
	struct table *table;

	table = report_add_table(report, "threads", "Threads", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < model->count; i++)
		if (!model->threads[i].is_absorbed)
			add_row(threads, table, &model->threads[i]);
	faults_note_loss(threads->context, table);
	table_sort_descending(table, "alloc_count");
	table_sort_descending(table, "cpu_ns");
}

const struct analysis analyze_threads = {
	.name = "threads",
	.doc = "who created each thread, how long it lived, what it used",
	.group = LT_GROUP_threads,
	.create = create, .finish = finish, .destroy = free,
};
