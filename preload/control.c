/* SPDX-License-Identifier: MIT */
/*
 * Start, stop and marks from outside; see control.h. The writer thread does all of it. The signal
 * handler runs in any thread of the target: it sets a word and wakes the writer, no more.
 */
#include "control.h"

#include <signal.h>
#include <string.h>

#include "fault_events.h"
#include "hook.h"
#include "init.h"
#include "intern.h"
#include "llmtrace/control.h"
#include "options.h"
#include "pool.h"
#include "proc_samples.h"
#include "sys.h"
#include "text.h"
#include "writer_emit.h"

static struct lt_control *page;
static struct lt_ring *own_ring;
static bool is_stopped;
static uint32_t is_signalled; /* set by the handler */
static uint32_t open_mark;    /* string id of its name, 0: none */
static uint32_t taken_number; /* of the request that is being served; 0: none, or by a signal */
static uint32_t taken_answer;

static void emit_change(unsigned change, const char *by)
{
	uint32_t text = intern_string(by);

	WRITER_EMIT(own_ring, recording, change, event->by = text; event->reserved = 0);
}

void control_init(struct lt_ring *ring)
{
	own_ring = ring;
	page = pool_grow(LT_EXTENT_CONTROL, 0, LT_CONTROL_BYTES);
	is_stopped = !strcmp(options_get()->start, "off");
}

void control_note_start(void)
{
	if (is_stopped)
		emit_change(LT_recording_change_off, "LLMTRACE_START");
}

uint32_t control_first_groups(void)
{
	return is_stopped ? (uint32_t)LT_GROUP_system : options_get()->groups;
}

bool control_is_stopped(void)
{
	return is_stopped;
}

/* ---- the signal ---- */
static void on_signal(int number)
{
	(void)number;
	if (sys_getpid() != init_pid) /* a forked child has its parent's handlers */
		return;
	__atomic_store_n(&is_signalled, 1, __ATOMIC_RELEASE);
	ring_wake_writer();
}

void control_install_signal(void)
{
	struct sigaction action;

	if (!options_get()->signal_number)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART;
	sigaction(options_get()->signal_number, &action, NULL);
}

/* ---- requests ---- */
/* 0 means that the process starts, ends or executes another program: that is not ours to change. */
static bool switch_to(uint32_t groups)
{
	uint32_t now = __atomic_load_n(&hook_switch->groups, __ATOMIC_ACQUIRE);

	while (now)
		if (__atomic_compare_exchange_n(&hook_switch->groups, &now, groups, false,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

static enum lt_control_answer stop(const char *by)
{
	if (is_stopped)
		return LT_CONTROL_ALREADY;
	if (!switch_to(LT_GROUP_system))
		return LT_CONTROL_NOT_NOW;
	is_stopped = true;
	fault_events_switch(false);
	emit_change(LT_recording_change_off, by);
	return LT_CONTROL_DONE;
}

static enum lt_control_answer start(const char *by)
{
	if (!is_stopped)
		return LT_CONTROL_ALREADY;
	emit_change(LT_recording_change_on, by);
	if (!switch_to(options_get()->groups)) {
		emit_change(LT_recording_change_off, by);
		return LT_CONTROL_NOT_NOW;
	}
	is_stopped = false;
	fault_events_switch(true);
	proc_sample_fds(LT_seen_at_start);
	proc_sample_maps(LT_seen_at_start);
	return LT_CONTROL_DONE;
}

static void emit_mark(unsigned kind, uint32_t name)
{
	WRITER_EMIT(own_ring, mark, kind, event->value = -1; event->name = name;
		    event->reserved = 0);
}

static void end_mark(void)
{
	if (open_mark)
		emit_mark(LT_mark_kind_end, open_mark);
	open_mark = 0;
}

static enum lt_control_answer set_mark(const char *name)
{
	if (!(options_get()->groups & LT_GROUP_phases))
		return LT_CONTROL_NO_PHASES;
	if (is_stopped)
		return LT_CONTROL_IS_OFF;
	end_mark();
	if (strcmp(name, "-")) {
		open_mark = intern_string(name);
		emit_mark(LT_mark_kind_begin, open_mark);
	}
	return LT_CONTROL_DONE;
}

void control_repeat_mark(void)
{
	if (!open_mark || is_stopped)
		return;
	emit_mark(LT_mark_kind_end, open_mark);
	emit_mark(LT_mark_kind_begin, open_mark);
}

static bool take_request(void)
{
	uint32_t request = page ? __atomic_load_n(&page->request, __ATOMIC_ACQUIRE) : 0;
	char name[LT_CONTROL_NAME_BYTES];

	/* who asked may have given up and taken the request back */
	if (!request || !__atomic_compare_exchange_n(&page->request, &request, 0, false,
						     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	taken_number = page->number;
	memcpy(name, page->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	if (request == LT_CONTROL_START)
		taken_answer = start("llmtrace ctl");
	else if (request == LT_CONTROL_STOP)
		taken_answer = stop("llmtrace ctl");
	else
		taken_answer = set_mark(name);
	return true;
}

bool control_take(void)
{
	if (__atomic_load_n(&is_signalled, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&is_signalled, 0, __ATOMIC_ACQ_REL)) {
		if (is_stopped)
			start("signal");
		else
			stop("signal");
		return true;
	}
	return take_request();
}

void control_answer(void)
{
	if (!taken_number)
		return;
	page->answer = taken_answer;
	__atomic_store_n(&page->answered, taken_number, __ATOMIC_RELEASE);
	taken_number = 0;
}
