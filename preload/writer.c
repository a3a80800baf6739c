/* SPDX-License-Identifier: MIT */
/*
 * The writer thread; see writer.h. One pass drains what rings hold up to a moment of the clock
 * (drain.c), so that ticks become ns between two known pairs and never run backwards. It sleeps on
 * a futex until its next duty or until a ring is half full.
 *
 * Target threads enter writer_flush, writer_close and the fork bracket; everything else runs in the
 * writer alone.
 */
#include "writer.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "clock.h"
#include "definitions.h"
#include "drain.h"
#include "facts.h"
#include "follow.h"
#include "function_names.h"
#include "hook.h"
#include "intern.h"
#include "modules.h"
#include "pool.h"
#include "proc_samples.h"
#include "real.h"
#include "sys.h"
#include "trace_file.h"
#include "writer_emit.h"

#define MS 1000000u
#define FLUSH_NS (200 * MS) /* everything recorded is in the file after so long */
#define SAMPLE_NS (100 * MS)
#define THREADS_NS (1000 * MS)
#define CLOSE_PATIENCE_NS (2000 * MS) /* without progress, a caller of flush or close goes on */
#define STACK_BYTES (512u << 10)
#define CHECKPOINT_BYTES (64u << 20) /* definitions are repeated after so much of the file */

enum request { REQUEST_NONE, REQUEST_FLUSH, REQUEST_EXEC, REQUEST_CLOSE };

static struct lt_ring *own_ring;
static int writer_tid;
static uint64_t flushed_at_ns, sampled_at_ns, threads_at_ns;
static uint64_t checkpoint_at_bytes;

static uint32_t request; /* enum request, set by target threads */
static uint32_t served;	 /* futex: passes that served a request */
static bool is_closed;
static bool is_sample_wanted; /* set by target threads */
static bool is_alone;	      /* every other thread has ended */

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
		    event->minor_fault_count = faults.minor_count);
}

static void sample(uint64_t now_ns)
{
	if (__atomic_exchange_n(&is_sample_wanted, false, __ATOMIC_ACQUIRE))
		proc_sample_process(LT_seen_at_phase);
	if (__atomic_exchange_n(&pool_is_short, false, __ATOMIC_ACQUIRE)) {
		drain_retire_gone();
		pool_make_room();
	}
	if (now_ns - sampled_at_ns < SAMPLE_NS)
		return;
	sampled_at_ns = now_ns;
	is_alone = proc_sample_process(LT_seen_at_timer);
	drain_retire_gone();
	pool_make_room();
	if (now_ns - threads_at_ns < THREADS_NS)
		return;
	threads_at_ns = now_ns;
	proc_sample_threads(writer_tid);
	proc_sample_io_uring();
	emit_own_cost();
	function_names_resolve();
}

static void checkpoint(void)
{
	if (trace_file_bytes() - checkpoint_at_bytes < CHECKPOINT_BYTES)
		return;
	checkpoint_at_bytes = trace_file_bytes();
	trace_file_write_definitions(0);
	definitions_repeat();
	trace_file_write_definitions(LT_BLOCK_IS_CHECKPOINT);
}

/* @return whether anything was taken. */
static bool pass(bool is_flush)
{
	bool is_progress;
	uint64_t now_ns;

	drain_take_clock();
	now_ns = drain_now_ns();
	intern_make_room();
	facts_add_stack_method();
	sample(now_ns);
	if (now_ns - flushed_at_ns >= FLUSH_NS)
		is_flush = true;
	if (is_flush)
		flushed_at_ns = now_ns;
	is_progress = drain_all(is_flush);
	checkpoint();
	return is_progress;
}

/* ---- the end ---- */
/* Samples, statistics, names and the end of the file, after the rings were drained. */
static void write_end(void)
{
	uint64_t lost_count;

	proc_sample_threads(writer_tid);
	proc_sample_maps(LT_seen_at_end);
	proc_sample_process(LT_seen_at_end);
	proc_sample_io_uring();
	facts_add_stack_method();
	modules_refresh();
	definitions_modules();
	function_names_resolve();
	lost_count = drain_emit_stats();
	emit_own_cost();
	drain_take_clock();
	writer_drain_own();
	trace_file_write_definitions(0);
	trace_file_write_end(lost_count);
}

static void serve(uint32_t wanted)
{
	switch (wanted) {
	case REQUEST_CLOSE:
		drain_for_good();
		write_end();
		if (follow_has_traced_parent() && follow_is_brief(trace_file_start_ns()))
			trace_file_remove();
		trace_file_close();
		pool_remove();
		__atomic_store_n(&is_closed, true, __ATOMIC_RELEASE);
		break;
	case REQUEST_EXEC: /* other threads may be recording: their open reservations stay */
		pass(true);
		write_end();
		pool_set_closed(true);
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

static void *writer_main(void *argument)
{
	(void)argument;
	hook_self.mark = HOOK_MARK_OWN;
	hook_self.ring = own_ring;
	writer_tid = ring_writer_tid = sys_gettid();
	SYS_CALL(prctl, PR_SET_NAME, "llmtrace-writer", 0, 0, 0, 0);
	own_ring->tid = (uint32_t)writer_tid;
	definitions_modules();
	pass(true); /* whoever reads the rings of a killed process needs the modules from the file
		     */
	while (!is_closed && !is_alone) {
		uint32_t wanted = __atomic_exchange_n(&request, REQUEST_NONE, __ATOMIC_ACQ_REL);

		if (wanted != REQUEST_NONE) {
			serve(wanted);
			continue;
		}
		sleep_until_needed(pass(false));
	}
	/*
	 * When all threads of the target have ended, the C library would have called exit in the
	 * last one; it does so when we return, and the target's destructors run here, recorded as
	 * any thread's.
	 */
	hook_self.ring = NULL;
	hook_self.mark = NULL;
	return NULL;
}

/* ---- entered by target threads ---- */
bool writer_prepare(void)
{
	if (!drain_init())
		return false;
	own_ring = drain_own_ring();
	proc_samples_init(own_ring, pool_header->groups);
	trace_file_write_header(pool_path(), pool_header->groups);
	drain_write_table();
	return true;
}

bool writer_start(void)
{
	struct hook_scope *outer = hook_own_begin();
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	bool is_made;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	SYS_CALL(rt_sigprocmask, SIG_SETMASK, &all, &before, 8, 0, 0);
	is_made = real_pthread_create(&thread, &attributes, writer_main, NULL) == 0;
	SYS_CALL(rt_sigprocmask, SIG_SETMASK, &before, NULL, 8, 0, 0);
	pthread_attr_destroy(&attributes);
	hook_own_end(outer);
	return is_made;
}

/* @return false when the writer made no progress for too long. */
static bool ask_writer(enum request wanted)
{
	uint32_t before = __atomic_load_n(&served, __ATOMIC_ACQUIRE);
	uint64_t bytes = trace_file_bytes(), since_ns = clock_monotonic_ns();

	__atomic_store_n(&request, wanted, __ATOMIC_SEQ_CST);
	ring_wake_writer();
	while (__atomic_load_n(&served, __ATOMIC_ACQUIRE) == before) {
		sys_futex_wait(&served, before, 10 * MS);
		if (trace_file_bytes() != bytes) {
			bytes = trace_file_bytes();
			since_ns = clock_monotonic_ns();
		} else if (clock_monotonic_ns() - since_ns > CLOSE_PATIENCE_NS) {
			return false;
		}
	}
	return true;
}

/* The writer has returned from its loop, and its thread runs the end of the process. */
static bool ask(enum request wanted)
{
	struct hook_scope *outer;

	if (!is_alone)
		return ask_writer(wanted);
	outer = hook_own_begin();
	serve(wanted);
	hook_own_end(outer);
	return true;
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

void writer_before_exec(void)
{
	if (is_recording())
		ask(REQUEST_EXEC);
}

void writer_after_exec(void)
{
	if (is_recording())
		pool_set_closed(false);
}

void writer_close(void)
{
	static uint32_t is_begun;

	if (!is_recording() || __atomic_exchange_n(&is_begun, 1, __ATOMIC_ACQ_REL))
		return;
	__atomic_store_n(&hook_switch->groups, 0, __ATOMIC_SEQ_CST);
	if (!ask(REQUEST_CLOSE))
		trace_file_give_up();
}

void writer_before_fork(void)
{
	if (is_recording())
		modules_lock();
}

void writer_after_fork(bool is_child)
{
	if (!is_child && is_recording())
		modules_unlock();
}
