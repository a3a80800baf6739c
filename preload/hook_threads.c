/* SPDX-License-Identifier: MIT */
/*
 * Hooks on the creation of threads. Entered by the creating thread, by the new thread before it
 * enters the target's code (thunk.S), and by threads that end (destructor of a pthread key).
 *
 * The new thread leaves no frame of ours on its stack: lt_thread_entry asks for the real routine
 * and jumps to it. Attributes are passed on untouched. A thread that finds no slot is created as if
 * we were not there.
 */
#include "hook_threads.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "init.h"
#include "io_runs.h"
#include "real.h"
#include "sys.h"
#include "thread_slots.h"

/* glibc keeps so many keys in the thread itself; setting a higher one would allocate. */
#define KEY_MAX 32u

/*
 * The destructor runs in rounds, at most 4: the end is recorded in a late one, after the target's
 * destructors.
 */
#define LAST_ROUND 3u

static pthread_key_t exit_key;
static bool has_exit_key;
static uint64_t last_ticket;

/* In thunk.S: gives the slot to thread_started, then jumps to the routine. */
extern void *lt_thread_entry(void *slot) __attribute__((visibility("hidden")));

/* What lt_thread_entry jumps to: both come back in registers. */
struct thread_routine {
	void *(*start)(void *);
	void *argument;
};

struct thread_routine lt_thread_started(struct thread_slot *slot)
	__attribute__((visibility("hidden")));

static uint64_t thread_cpu_ns(void)
{
	struct timespec time = { 0, 0 };

	SYS_CALL(clock_gettime, CLOCK_THREAD_CPUTIME_ID, &time, 0, 0, 0, 0);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void record_exit(void)
{
	struct hook_scope scope;
	struct rusage usage;
	uint64_t cpu_ns;

	if (!hook_enter(&scope, LT_GROUP_threads, HOOK_CALLER()))
		return;
	io_runs_end_all(&scope);
	memset(&usage, 0, sizeof(usage));
	sys_getrusage(RUSAGE_THREAD, &usage);
	cpu_ns = thread_cpu_ns();
	HOOK_EMIT(&scope, thread_exit, 0, clock_now(), 0, event->cpu_ns = cpu_ns;
		  event->minor_fault_count = (uint32_t)usage.ru_minflt;
		  event->major_fault_count = (uint32_t)usage.ru_majflt;
		  event->voluntary_switch_count = (uint32_t)usage.ru_nvcsw;
		  event->involuntary_switch_count = (uint32_t)usage.ru_nivcsw);
	hook_leave(&scope);
}

/* value: the number of the round. */
static void thread_ends(void *value)
{
	uintptr_t round = (uintptr_t)value;

	if (round >= LAST_ROUND || pthread_setspecific(exit_key, (void *)(round + 1)))
		record_exit();
}

void threads_init(void)
{
	if (pthread_key_create(&exit_key, thread_ends))
		return;
	has_exit_key = exit_key < KEY_MAX;
	if (!has_exit_key)
		pthread_key_delete(exit_key);
}

struct thread_routine lt_thread_started(struct thread_slot *slot)
{
	struct thread_routine routine = { slot->start, slot->argument };
	uint64_t ticket = slot->ticket;
	struct hook_scope scope;

	hook_set_stack(stack_of_new_thread(slot->stack_bytes));
	hook_self.ticket = (uint32_t)ticket;
	thread_slot_give_back(slot);
	if (has_exit_key && hook_is_on(LT_GROUP_threads))
		pthread_setspecific(exit_key, (void *)1);
	if (hook_enter(&scope, LT_GROUP_threads, (void *)routine.start)) {
		HOOK_EMIT(&scope, thread_start, 0, clock_after(), 0,
			  event->start_routine = (uintptr_t)routine.start;
			  event->ticket = ticket);
		hook_leave(&scope);
	}
	return routine;
}

/*
 * The handle where the call has put it. The new thread may have ended and its memory be gone by
 * now, so the kernel reads it for us. @return 0 when it is gone.
 */
static uint64_t read_handle(const pthread_t *thread)
{
	pthread_t handle = 0;
	struct iovec to = { &handle, sizeof(handle) };
	struct iovec from = { (void *)(uintptr_t)thread, sizeof(handle) };
	long got = SYS_CALL(process_vm_readv, init_pid, &to, 1, &from, 1, 0);

	if (got == (long)sizeof(handle))
		return handle;
	/* the call is not allowed in some containers */
	return got == -EFAULT ? 0 : *(const volatile pthread_t *)thread;
}

struct creation {
	struct thread_slot *slot; /* NULL: the thread is not wrapped */
	uint64_t ticket;
	uint64_t begin;
};

/*
 * The thread is wrapped whatever is recorded at this moment: where its stack lies can be had without
 * system calls only now, and is needed by every walk.
 */
static struct creation begin_creation(const pthread_attr_t *attr, void *(*start)(void *),
				      void *argument)
{
	struct creation creation = { NULL, 0, call_begin(LT_GROUP_threads) };

	if (hook_self.mark == HOOK_MARK_OWN || !hook_is_set_up())
		return creation;
	creation.slot = thread_slot_take();
	if (!creation.slot)
		return creation;
	creation.ticket = __atomic_add_fetch(&last_ticket, 1, __ATOMIC_RELAXED);
	creation.slot->start = start;
	creation.slot->argument = argument;
	creation.slot->ticket = creation.ticket;
	creation.slot->stack_bytes = stack_bytes_of(attr);
	return creation;
}

/* After the real call: a slot whose thread has started is not ours any more. */
static void end_creation(const void *caller, unsigned call, const struct creation *creation,
			 const pthread_t *thread, uintptr_t start, int error)
{
	uint64_t end = call_end(creation->begin);
	struct hook_scope scope;
	uint64_t handle;

	if (error && creation->slot)
		thread_slot_give_back(creation->slot);
	if (!creation->begin || !hook_enter(&scope, LT_GROUP_threads, caller))
		return;
	handle = error ? 0 : read_handle(thread);
	HOOK_EMIT(&scope, thread_create, call, end, hook_stack(&scope), event->handle = handle;
		  event->start_routine = start; event->ticket = error ? 0 : creation->ticket;
		  event->duration_ns = end - creation->begin; event->error = (uint32_t)error;
		  event->reserved = 0);
	hook_leave(&scope);
}

LT_EXPORT int pthread_create(pthread_t *ret_thread, const pthread_attr_t *attr,
			     void *(*start)(void *), void *argument)
{
	struct creation creation = begin_creation(attr, start, argument);
	int error;

	if (creation.slot)
		error = real_pthread_create(ret_thread, attr, lt_thread_entry, creation.slot);
	else
		error = real_pthread_create(ret_thread, attr, start, argument);
	end_creation(HOOK_CALLER(), LT_thread_call_pthread_create, &creation, ret_thread,
		     (uintptr_t)start, error);
	return error;
}

LT_EXPORT int thrd_create(thrd_t *ret_thread, thrd_start_t start, void *argument)
{
	struct creation creation = begin_creation(NULL, (void *(*)(void *))(void *)start, argument);
	int error;

	if (creation.slot)
		error = real_thrd_create(ret_thread, (thrd_start_t)(void *)lt_thread_entry,
					 creation.slot);
	else
		error = real_thrd_create(ret_thread, start, argument);
	end_creation(HOOK_CALLER(), LT_thread_call_thrd_create, &creation,
		     (const pthread_t *)ret_thread, (uintptr_t)start, error);
	return error;
}
