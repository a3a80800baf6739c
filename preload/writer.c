/* SPDX-License-Identifier: MIT */
/*
 * The writer thread; see writer.h. One pass drains what rings hold up to a moment of the clock
 * (drain.c), so that ticks become ns between two known pairs and never run backwards. It sleeps on
 * a futex until its next duty or until a ring is half full.
 *
 * Target threads enter writer_flush and writer_close; everything else runs in the writer alone, but
 * for the heir, which sleeps.
 */
#include "writer.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "children.h"
#include "clock.h"
#include "control.h"
#include "definitions.h"
#include "drain.h"
#include "facts.h"
#include "fault_events.h"
#include "faults.h"
#include "follow.h"
#include "function_names.h"
#include "hook.h"
#include "init.h"
#include "intern.h"
#include "loader_trust.h"
#include "model_index.h"
#include "modules.h"
#include "options.h"
#include "own_fds.h"
#include "pool.h"
#include "proc_samples.h"
#include "real.h"
#include "segments.h"
#include "sys.h"
#include "trace_file.h"
#include "writer_emit.h"

#define MS 1000000u
#define FLUSH_NS (200 * MS) /* everything recorded is in the file after so long */
#define SAMPLE_NS (100 * MS)
#define THREADS_NS (1000 * MS)
#define CLOSE_PATIENCE_NS (2000 * MS) /* without progress, a caller of flush or close goes on */
#define STACK_BYTES (512u << 10)
#define HEIR_NAP_NS (3600u * (uint64_t)1000 * MS)
#define NO_HEIR UINT32_MAX
#define CHECKPOINT_BYTES (64u << 20) /* definitions are repeated after so much of the file */

/* The writer's table of descriptors: its own, or the target's where the kernel refused. */
enum table { TABLE_UNKNOWN, TABLE_OWN, TABLE_SHARED };

enum request { REQUEST_NONE, REQUEST_FLUSH, REQUEST_EXEC, REQUEST_CLOSE };

static struct lt_ring *own_ring;
static int writer_tid;
static uint64_t flushed_at_ns, sampled_at_ns, threads_at_ns;
static uint64_t checkpoint_at_bytes;

static uint32_t request;      /* enum request, set by target threads */
static uint32_t served;	      /* futex: passes that served a request */
static uint32_t is_closed;    /* futex */
static int end_status; /* exit code, set with the request to close */
static bool is_paused; /* between an exec and its failure */
static bool is_sample_wanted; /* set by target threads */
static uint32_t is_alone;     /* futex: every thread of the target has ended */
static uint32_t table;	  /* futex: enum table */
static uint32_t may_begin; /* futex: set when all of the shim's threads are there */
static uint32_t heir_tid; /* futex: set before the writer looks at threads */
static uint64_t first_mask; /* signals that the target blocked when recording started */

/* ---- duties by the clock ---- */
static uint64_t own_cpu_ns(void)
{
	struct timespec time;

	SYS_CALL(clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time, 0, 0, 0, 0);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void emit_own_cost(void)
{
	struct hook_faults faults = hook_faults_now();
	uint64_t cpu_ns = own_cpu_ns();

	WRITER_EMIT(own_ring, own_cost, 0, event->cpu_ns = cpu_ns;
		    event->memory_bytes = pool_bytes() + sys_memory_bytes();
		    event->file_bytes = trace_file_bytes();
		    event->minor_fault_count =
			    faults.minor_count + fault_events_counts().own_minor_count);
}

static void make_rings(void)
{
	bool is_short = __atomic_exchange_n(&pool_is_short, false, __ATOMIC_ACQUIRE);

	if (is_short)
		drain_retire_gone();
	if (is_short || pool_is_asked())
		pool_make_room();
}

static void sample(uint64_t now_ns)
{
	if (__atomic_exchange_n(&is_sample_wanted, false, __ATOMIC_ACQUIRE))
		proc_sample_process(LT_seen_at_phase);
	children_take(own_ring);
	make_rings();
	if (now_ns - sampled_at_ns < SAMPLE_NS)
		return;
	sampled_at_ns = now_ns;
	if (control_is_stopped() ? proc_is_alone() : proc_sample_process(LT_seen_at_timer)) {
		__atomic_store_n(&is_alone, 1, __ATOMIC_RELEASE);
		sys_futex_wake(&is_alone, 1);
	}
	drain_retire_gone();
	pool_make_room();
	if (now_ns - threads_at_ns < THREADS_NS || control_is_stopped())
		return;
	threads_at_ns = now_ns;
	proc_sample_threads();
	proc_sample_io_uring();
	faults_emit_totals(LT_seen_at_timer);
	fault_events_count_now(false);
	emit_own_cost();
	function_names_resolve();
}

static void checkpoint(void)
{
	if (segments_are_used()) {
		segments_look();
		return;
	}
	if (trace_file_bytes() - checkpoint_at_bytes < CHECKPOINT_BYTES)
		return;
	checkpoint_at_bytes = trace_file_bytes();
	trace_file_write_definitions(0);
	definitions_repeat();
	trace_file_write_definitions(LT_BLOCK_IS_CHECKPOINT);
}

/*
 * In a table of descriptors that the target shares, closing a file of ours would release the locks
 * (fcntl) that the target holds on it.
 */
static void look_into_models(bool is_end)
{
	if (__atomic_load_n(&table, __ATOMIC_RELAXED) == TABLE_OWN)
		model_index_read(is_end);
}

/* @return whether anything was taken. */
static bool pass(bool is_flush)
{
	bool is_progress, is_asked = control_take();
	uint64_t now_ns;

	drain_take_clock();
	now_ns = drain_now_ns();
	intern_make_room();
	sample(now_ns);
	if (now_ns - flushed_at_ns >= FLUSH_NS || is_asked)
		is_flush = true;
	if (is_flush)
		flushed_at_ns = now_ns;
	faults_take(false);
	is_progress = drain_all(is_flush);
	look_into_models(false);
	if (is_asked) {
		function_names_resolve();
		writer_drain_own();
		trace_file_write_definitions(0);
		control_answer();
	}
	checkpoint();
	return is_progress;
}

/* ---- the end ---- */
/* Samples, statistics, names and the end of the file, after the rings were drained. */
static void write_end(void)
{
	uint64_t lost_count;

	children_take(own_ring);
	look_into_models(true);
	proc_sample_threads();
	faults_emit_totals(LT_seen_at_end);
	proc_sample_maps(LT_seen_at_end);
	proc_sample_process(LT_seen_at_end);
	proc_sample_io_uring();
	modules_refresh();
	definitions_modules();
	function_names_resolve();
	lost_count = drain_emit_stats();
	emit_own_cost();
	drain_take_clock();
	writer_drain_own();
	trace_file_write_definitions(0);
	trace_file_write_end(lost_count, segments_dropped_event_count());
}

/* A brief helper leaves no file, but a line in the trace of the process that wanted it. */
static void tell_parent(void)
{
	bool is_brief = follow_is_brief(trace_file_start_ns());

	if (!follow_has_traced_parent())
		return;
	if (is_brief)
		trace_file_remove();
	children_tell(is_brief ? LT_child_state_brief : LT_child_state_ended, end_status,
		      is_brief ? "" : trace_file_path());
}

static void serve(uint32_t wanted)
{
	switch (wanted) {
	case REQUEST_CLOSE:
		fault_events_count_now(true);
		drain_for_good();
		write_end();
		tell_parent();
		trace_file_close();
		pool_remove();
		__atomic_store_n(&is_closed, 1, __ATOMIC_RELEASE);
		sys_futex_wake(&is_closed, INT_MAX);
		break;
	case REQUEST_EXEC:
		fault_events_count_now(true);
		drain_for_good();
		write_end();
		pool_set_closed(true);
		/* nothing may stand behind the end of the file while exec decides */
		__atomic_store_n(&is_paused, true, __ATOMIC_RELEASE);
		break;
	default:
		function_names_resolve();
		pass(true);
		trace_file_write_definitions(0);
	}
	__atomic_add_fetch(&served, 1, __ATOMIC_RELEASE);
	sys_futex_wake(&served, INT_MAX);
}

/*
 * A thread that fills its ring by half wakes us only while ring_writer_sleeps is set: look once
 * more after setting it. Without progress a ring may stand at a record that is still being written:
 * nap, instead of spinning on it.
 */
static void sleep_until_needed(bool was_progress)
{
	uint32_t calls = __atomic_load_n(&ring_writer_calls, __ATOMIC_ACQUIRE);

	__atomic_store_n(&ring_writer_sleeps, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&request, __ATOMIC_ACQUIRE) == REQUEST_NONE) {
		bool is_filling = drain_is_any_filling();

		if (!is_filling || !was_progress)
			sys_futex_wait(&ring_writer_calls, calls, is_filling ? MS : SAMPLE_NS);
	}
	__atomic_store_n(&ring_writer_sleeps, 0, __ATOMIC_RELAXED);
}

/*
 * A table of descriptors of its own, with the trace and the pool alone: files that the writer opens
 * for a moment do not take the numbers that the target's next open must get, and a number that the
 * target closes or reuses stays ours. A root of its own: after a chroot of the target the paths of
 * trace and pool, and /proc, still mean the same here. Where the kernel refuses, the writer goes on
 * with what it shares.
 */
bool writer_leave_shared_state(void)
{
	unsigned first = 0, own;

	if (SYS_CALL(unshare, CLONE_FILES | CLONE_FS, 0, 0, 0, 0, 0) < 0)
		return false;
	while (own_fd_in_range(first, UINT_MAX, &own)) {
		if (own > first)
			SYS_CALL(close_range, first, own - 1, 0, 0, 0, 0);
		first = own + 1;
	}
	SYS_CALL(close_range, first, UINT_MAX, 0, 0, 0, 0);
	return true;
}

static void *writer_main(void *argument)
{
	(void)argument;
	writer_tid = sys_gettid();
	__atomic_store_n(&table, writer_leave_shared_state() ? TABLE_OWN : TABLE_SHARED,
			 __ATOMIC_RELEASE);
	sys_futex_wake(&table, 1);
	while (!__atomic_load_n(&heir_tid, __ATOMIC_ACQUIRE))
		sys_futex_wait(&heir_tid, 0, MS);
	if (heir_tid == NO_HEIR)
		return NULL;
	while (!__atomic_load_n(&may_begin, __ATOMIC_ACQUIRE))
		sys_futex_wait(&may_begin, 0, MS);
	hook_self.mark = HOOK_MARK_OWN;
	hook_self.ring = own_ring;
	SYS_CALL(prctl, PR_SET_NAME, WRITER_NAME, 0, 0, 0, 0);
	own_ring->tid = (uint32_t)writer_tid;
	trace_file_be_patient();
	if (pool_header->groups & LT_GROUP_faults) {
		faults_begin(own_ring);
		if (control_is_stopped())
			fault_events_switch(false);
	}
	pass(true);
	while (!is_closed) {
		uint32_t wanted = __atomic_exchange_n(&request, REQUEST_NONE, __ATOMIC_ACQ_REL);

		if (wanted != REQUEST_NONE)
			serve(wanted);
		else
			sleep_until_needed(__atomic_load_n(&is_paused, __ATOMIC_ACQUIRE) ||
					   pass(false));
	}
	return NULL;
}

/*
 * When the last thread of a process ends, the C library calls exit in it. Our threads would keep
 * the process alive: this one, which waits for nothing else, takes over then, with the target's
 * descriptors, which the writer does not have.
 */
static void *heir_main(void *argument)
{
	hook_self.mark = HOOK_MARK_OWN;
	SYS_CALL(prctl, PR_SET_NAME, "llmtrace-heir", 0, 0, 0, 0);
	__atomic_store_n(&heir_tid, (uint32_t)sys_gettid(), __ATOMIC_RELEASE);
	sys_futex_wake(&heir_tid, 1);
	if (argument)
		loader_try(); /* may never come back */
	while (!__atomic_load_n(&is_alone, __ATOMIC_ACQUIRE))
		sys_futex_wait(&is_alone, 0, HEIR_NAP_NS);
	hook_self.mark = NULL;
	SYS_CALL(rt_sigprocmask, SIG_SETMASK, &first_mask, NULL, 8, 0, 0);
	exit(0);
}

bool writer_is_own_thread(int tid)
{
	return tid == writer_tid || tid == (int)heir_tid || tid == fault_events_tid();
}

unsigned writer_own_thread_count(void)
{
	return fault_events_tid() ? 3 : 2;
}

/* ---- entered by target threads ---- */
bool writer_prepare(void)
{
	if (!drain_init())
		return false;
	own_ring = drain_own_ring();
	proc_samples_init(own_ring, pool_header->groups);
	control_init(own_ring);
	if (!trace_file_write_header(pool_path(), pool_header->groups) || !drain_write_table())
		return false;
	return segments_init(options_get()->bound_bytes, pool_header->groups & LT_GROUP_heap);
}

bool writer_make_thread(void *(*main_function)(void *), void *argument, size_t stack_bytes)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool is_made;

	pthread_attr_init(&attributes);
	if (stack_bytes)
		pthread_attr_setstacksize(&attributes, stack_bytes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	is_made = real_pthread_create(&thread, &attributes, main_function, argument) == 0;
	pthread_attr_destroy(&attributes);
	return is_made;
}

/*
 * The target never finds our descriptors: programs that list what is open, or that close what they do
 * not know, run as without us.
 */
static void wait_for_table(void)
{
	while (__atomic_load_n(&table, __ATOMIC_ACQUIRE) == TABLE_UNKNOWN)
		sys_futex_wait(&table, TABLE_UNKNOWN, 10 * MS);
}

static void hide_descriptors(void)
{
	wait_for_table();
	if (table == TABLE_OWN)
		own_fds_hide();
}

/*
 * Ends the writer, and waits until the kernel no longer knows it: as the last thread of the process
 * it would run the target's exit handlers, without the target's descriptors.
 */
static void send_away_writer(void)
{
	uint32_t never = 0;

	wait_for_table();
	__atomic_store_n(&heir_tid, NO_HEIR, __ATOMIC_RELEASE);
	sys_futex_wake(&heir_tid, 1);
	while (sys_tgkill(init_pid, writer_tid, 0) == 0)
		sys_futex_wait(&never, 0, MS / 10);
}

bool writer_start(bool is_forked)
{
	struct hook_scope *outer = hook_own_begin();
	sigset_t all;
	bool is_made, has_heir = false;

	sigfillset(&all);
	table = TABLE_UNKNOWN; /* a forked child starts anew */
	SYS_CALL(rt_sigprocmask, SIG_SETMASK, &all, &first_mask, 8, 0, 0);
	if (pool_header->groups & LT_GROUP_faults)
		fault_events_prepare();
	is_made = writer_make_thread(writer_main, NULL, STACK_BYTES);
	/* the heir may have to run the target's destructors: a stack of the usual size */
	if (is_made)
		has_heir = writer_make_thread(heir_main, is_forked ? &is_alone : NULL, 0);
	if (has_heir) {
		/* both are there: what is made from now on is the target's */
		if (pool_header->groups & LT_GROUP_faults)
			fault_events_start();
		hide_descriptors();
		__atomic_store_n(&may_begin, 1, __ATOMIC_RELEASE);
		sys_futex_wake(&may_begin, 1);
	} else if (is_made) {
		send_away_writer();
	}
	SYS_CALL(rt_sigprocmask, SIG_SETMASK, &first_mask, NULL, 8, 0, 0);
	hook_own_end(outer);
	return has_heir;
}

/*
 * Waits while *word is value, as long as the writer makes progress. @return false when it made none
 * for too long.
 */
static bool wait_for_writer(uint32_t *word, uint32_t value)
{
	uint64_t bytes = trace_file_bytes(), since_ns = clock_monotonic_ns();

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
		sys_futex_wait(word, value, 10 * MS);
		if (trace_file_bytes() != bytes) {
			bytes = trace_file_bytes();
			since_ns = clock_monotonic_ns();
		} else if (clock_monotonic_ns() - since_ns > CLOSE_PATIENCE_NS) {
			return false;
		}
	}
	return true;
}

/* One request at a time: another thread's may be under way, and the answer to it is not ours. */
static bool ask(enum request wanted)
{
	static uint32_t is_asking;
	uint32_t before;
	bool is_served;

	while (__atomic_exchange_n(&is_asking, 1, __ATOMIC_ACQUIRE))
		if (!wait_for_writer(&is_asking, 1))
			return false;
	before = __atomic_load_n(&served, __ATOMIC_ACQUIRE);
	__atomic_store_n(&request, wanted, __ATOMIC_SEQ_CST);
	ring_wake_writer();
	is_served = wait_for_writer(&served, before);
	__atomic_store_n(&is_asking, 0, __ATOMIC_RELEASE);
	sys_futex_wake(&is_asking, 1);
	return is_served;
}

/* In a forked child the switch is off, and so is everything here. */
static bool is_recording(void)
{
	return hook_is_on(LT_GROUP_system);
}

void writer_want_sample(void)
{
	if (!is_recording())
		return;
	__atomic_store_n(&is_sample_wanted, true, __ATOMIC_RELEASE);
	ring_wake_writer();
}

void writer_flush(void)
{
	if (is_recording())
		ask(REQUEST_FLUSH);
}

/* What was recorded before an exec, to go on with when it fails. */
static uint32_t groups_before_exec;

void writer_before_exec(void)
{
	uint32_t groups = __atomic_exchange_n(&hook_switch->groups, 0, __ATOMIC_SEQ_CST);

	if (!groups)
		return;
	__atomic_store_n(&groups_before_exec, groups, __ATOMIC_RELEASE);
	ask(REQUEST_EXEC);
}

void writer_after_exec(void)
{
	uint32_t groups = __atomic_exchange_n(&groups_before_exec, 0, __ATOMIC_ACQ_REL);

	if (!groups)
		return;
	pool_set_closed(false);
	__atomic_store_n(&is_paused, false, __ATOMIC_RELEASE);
	__atomic_store_n(&hook_switch->groups, groups, __ATOMIC_SEQ_CST);
}

/* Set before the switch is off: who finds it off then knows what for. */
static uint32_t is_closing;

void writer_close(int status)
{
	if (__atomic_load_n(&hook_switch->groups, __ATOMIC_ACQUIRE))
		__atomic_store_n(&is_closing, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_exchange_n(&hook_switch->groups, 0, __ATOMIC_SEQ_CST)) {
		writer_wait_for_close();
		return;
	}
	__atomic_store_n(&end_status, status, __ATOMIC_RELEASE);
	if (!ask(REQUEST_CLOSE))
		trace_file_give_up();
}

void writer_wait_for_close(void)
{
	if (__atomic_load_n(&is_closing, __ATOMIC_ACQUIRE) && sys_getpid() == init_pid)
		wait_for_writer(&is_closed, 0);
}
