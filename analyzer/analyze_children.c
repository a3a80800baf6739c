/* SPDX-License-Identifier: MIT */
/*
 * The table `children`: which processes this one has started, what they were, how they ended, and
 * where their own traces are. A child is known from the call that made it, from what it said of
 * itself when it is traced, and from being waited for; the three come in any order, since messages
 * of children are picked up a little later. A number that the kernel uses again is told apart by
 * time.
 */
#include "analyze.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"
#include "report_hash.h"

#define ENDED_BY_EXEC INT64_MIN
/* How far back a message or an end is looked for among processes with the same number. */
#define LIVES_MAX 256u

struct child {
	uint32_t pid, parent_pid; /* parent_pid 0: not known */
	const char *made_by;	  /* NULL: not known */
	uint64_t made_ns;	  /* 0: not known */
	uint64_t start_ns;	  /* when it began to record, 0: not traced */
	uint64_t duration_ns;	  /* of its recording, or from call to wait */
	uint64_t reaped_ns;	  /* 0: not waited for */
	uint32_t program, trace;  /* string ids */
	int64_t status;
	bool is_end_known, is_duration_known;
	uint32_t older; /* with the same pid: index + 1, 0 for none */
};

struct children {
	const struct analysis_context *context;
	struct child *list;
	size_t count, capacity;
	struct key_index pids; /* > index in newest */
	uint32_t *newest;      /* child of that pid: index + 1 */
	size_t newest_capacity;
	uint64_t vfork_count, system_count;
};

static const struct column columns[] = {
	{"pid", "number", VALUE_U64, false, true, "process id", "pid", false},
	{"program", "text", VALUE_TEXT, true, false, "its program, as far as that is known",
	 "program", false},
	{"made_by", "text", VALUE_TEXT, true, false,
	 "call that made it; exec: it replaced the program of the same process", "made by", false},
	{"ended", "text", VALUE_TEXT, false, false,
	 "exit and its code, signal and its number, or exec; null: not known", "ended", false},
	{"start_ns", "ns", VALUE_U64, false, true, "since the start of recording", "start", false},
	{"duration_ns", "ns", VALUE_U64, false, true,
	 "how long it was recorded; of one that is not traced, until it was waited for", "lived",
	 false},
	{"trace", "text", VALUE_TEXT, false, true,
	 "its trace file; null: not traced, or a helper that ended within 1 s under 64 MB", "trace",
	 false},
	{"parent_pid", "number", VALUE_U64, false, true, "process that started it", "parent", true},
};

static void *create(const struct analysis_context *context)
{
	struct children *children = report_alloc(1, sizeof(*children));

	children->context = context;
	return children;
}

static void destroy(void *state)
{
	struct children *children = state;

	free(children->list);
	free(children->newest);
	key_index_release(&children->pids);
	free(children);
}

static struct child *add_child(struct children *children, uint32_t pid)
{
	uint32_t i = key_index_put(&children->pids, pid);
	struct child *child;

	children->newest = report_grow(children->newest, &children->newest_capacity,
				       (size_t)i + 1, sizeof(*children->newest));
	children->list = report_grow(children->list, &children->capacity, children->count + 1,
				     sizeof(*children->list));
	child = &children->list[children->count++];
	*child = (struct child){.pid = pid, .older = children->newest[i]};
	children->newest[i] = (uint32_t)children->count;
	return child;
}

/* @return the newest child of this pid, NULL for none. */
static struct child *newest_of(struct children *children, uint32_t pid)
{
	uint32_t i = key_index_find(&children->pids, pid);

	return i == KEY_INDEX_NONE ? NULL : &children->list[children->newest[i] - 1];
}

/*
 * The child that a call has made. It may have said that it records, and may even have been waited
 * for, before the thread that made it came to note the time.
 */
static struct child *made_child(struct children *children, uint32_t pid, uint64_t made_ns)
{
	struct child *child = newest_of(children, pid);

	if (!child || child->made_by ||
	    (child->start_ns ? child->start_ns : child->reaped_ns) < made_ns)
		child = add_child(children, pid);
	return child;
}

/* What makes a process: made_by for the table, NULL for other calls. */
static void apply_call(struct children *children, const struct lt_ev_process_call *event)
{
	unsigned call = LT_STATE_AUX(event->head.state);
	struct child *child;

	children->vfork_count += call == LT_process_call_vfork;
	children->system_count += call == LT_process_call_system;
	if ((call != LT_process_call_fork && call != LT_process_call_posix_spawn) ||
	    event->result <= 0)
		return;
	child = made_child(children, (uint32_t)event->result, event->head.time - event->duration_ns);
	child->parent_pid = trace_facts(children->context->trace)->pid;
	child->made_by = call == LT_process_call_fork ? "fork" : "posix_spawn";
	child->made_ns = event->head.time - event->duration_ns;
	if (!child->program)
		child->program = event->path;
}

static struct child *older_than(struct children *children, const struct child *child)
{
	return child->older ? &children->list[child->older - 1] : NULL;
}

/* The newest child of this pid that may have begun to record at start_ns. */
static struct child *find_starting(struct children *children, uint32_t pid, uint64_t start_ns)
{
	struct child *child = newest_of(children, pid);

	for (unsigned i = 0; child && i < LIVES_MAX; i++, child = older_than(children, child))
		if (child->made_ns <= start_ns &&
		    (!child->reaped_ns || child->reaped_ns >= start_ns))
			return child;
	return NULL;
}

static bool is_same_text(const struct children *children, uint32_t a, uint32_t b)
{
	const char *left = trace_string(children->context->trace, a);
	const char *right = trace_string(children->context->trace, b);

	return left && right && !strcmp(left, right);
}

/* A program that is replaced at once leaves the name of its trace to the next one. */
static struct child *replace(struct children *children, size_t before, uint32_t trace)
{
	struct child *child = add_child(children, children->list[before].pid);
	struct child *old = &children->list[before];

	child->made_by = "exec";
	child->parent_pid = old->parent_pid;
	child->status = old->status;
	child->is_end_known = old->is_end_known;
	child->reaped_ns = old->reaped_ns;
	old->status = ENDED_BY_EXEC;
	old->is_end_known = true;
	old->is_duration_known = false;
	if (is_same_text(children, old->trace, trace))
		old->trace = 0;
	return child;
}

/* @return the child that began to record then; NULL for a second copy of the same message. */
static struct child *begin_recording(struct children *children, const struct lt_ev_child *event)
{
	struct child *child = find_starting(children, event->pid, event->start_ns);

	if (!child)
		child = add_child(children, event->pid);
	else if (child->start_ns == event->start_ns)
		return NULL;
	else if (child->start_ns)
		child = replace(children, (size_t)(child - children->list), event->trace);
	child->start_ns = event->start_ns;
	if (event->parent_pid)
		child->parent_pid = event->parent_pid;
	child->program = event->program;
	child->trace = event->trace;
	return child;
}

static void apply_message(struct children *children, const struct lt_ev_child *event)
{
	unsigned state = LT_STATE_AUX(event->head.state);
	struct child *child;

	begin_recording(children, event);
	if (state == LT_child_state_started)
		return;
	child = find_starting(children, event->pid, event->start_ns);
	if (!child)
		return;
	child->trace = event->trace;
	child->duration_ns = event->duration_ns;
	child->is_duration_known = true;
	if (!child->reaped_ns)
		child->status = event->status;
	child->is_end_known = true;
}

static void apply_end(struct children *children, const struct lt_ev_child *event)
{
	struct child *child = newest_of(children, event->pid);

	for (unsigned i = 0; child && child->reaped_ns; i++)
		child = i < LIVES_MAX ? older_than(children, child) : NULL;
	if (!child)
		child = add_child(children, event->pid);
	if (!child->parent_pid)
		child->parent_pid = trace_facts(children->context->trace)->pid;
	child->status = event->status;
	child->is_end_known = true;
	child->reaped_ns = event->head.time;
}

static void apply(void *state, const struct lt_record *record, uint32_t stream)
{
	struct children *children = state;
	const struct lt_ev_child *event = (const struct lt_ev_child *)record;

	(void)stream;
	if (LT_STATE_KIND(record->state) == LT_KIND_process_call)
		apply_call(children, (const struct lt_ev_process_call *)record);
	else if (LT_STATE_AUX(record->state) == LT_child_state_reaped)
		apply_end(children, event);
	else
		apply_message(children, event);
}

/* vfork, and what the C library starts itself, tell no process id. */
static void set_maker(struct children *children, const struct child *child, struct table *table,
		      size_t row)
{
	char text[48];

	if (child->made_by) {
		table_set_text(table, row, "made_by", child->made_by);
	} else if (child->parent_pid != trace_facts(children->context->trace)->pid) {
		snprintf(text, sizeof(text), "its parent %" PRIu32, child->parent_pid);
		table_set_text(table, row, "made_by", child->parent_pid ? text : NULL);
	} else if (children->vfork_count) {
		children->vfork_count--;
		table_set_text(table, row, "made_by", "vfork");
	} else if (children->system_count) {
		table_set_text(table, row, "made_by", "system or popen");
	}
}

static void set_end(const struct child *child, struct table *table, size_t row)
{
	char text[48];

	if (!child->is_end_known)
		return;
	if (child->status == ENDED_BY_EXEC)
		snprintf(text, sizeof(text), "exec");
	else
		snprintf(text, sizeof(text), "%s %" PRId64, child->status < 0 ? "signal" : "exit",
			 child->status < 0 ? -child->status : child->status);
	table_set_text(table, row, "ended", text);
}

static void add_row(struct children *children, const struct child *child, struct table *table)
{
	const struct trace *trace = children->context->trace;
	uint64_t trace_start_ns = trace_facts(trace)->start_ns;
	uint64_t start_ns = child->made_ns ? child->made_ns : child->start_ns;
	bool is_waited = child->made_ns && child->reaped_ns >= child->made_ns;
	size_t row = table_add_row(table);

	table_set_u64(table, row, "pid", child->pid);
	table_set_text(table, row, "program", trace_string(trace, child->program));
	set_maker(children, child, table, row);
	set_end(child, table, row);
	analysis_set(table, row, "start_ns", start_ns - trace_start_ns, start_ns >= trace_start_ns);
	if (child->is_duration_known)
		table_set_u64(table, row, "duration_ns", child->duration_ns);
	else
		analysis_set(table, row, "duration_ns", child->reaped_ns - child->made_ns,
			     is_waited && child->status != ENDED_BY_EXEC);
	table_set_text(table, row, "trace", trace_string(trace, child->trace));
	analysis_set(table, row, "parent_pid", child->parent_pid, child->parent_pid);
}

static void finish(void *state, struct report *report)
{
	struct children *children = state;
	struct table *table = report_add_table(report, "children", "Child processes", columns,
					       sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < children->count; i++)
		add_row(children, &children->list[i], table);
}

const struct analysis analyze_children = {
	.name = "children",
	.doc = "the processes that this one started, how they ended, and their traces",
	.kinds = {LT_KIND_process_call, LT_KIND_child},
	.create = create,
	.event = apply,
	.finish = finish,
	.destroy = destroy,
};
