/* SPDX-License-Identifier: MIT */
/*
 * Hooks on processes that are made and that end. Any thread, signal handlers; children of fork
 * (where the switch is off) and of vfork (where it is on, since memory is shared, but nothing may
 * be recorded or closed).
 *
 * vfork itself is a jump in thunk.S; what it does before is here. What ends the process writes the
 * trace out first.
 */
#include "process_call.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "file_facts.h"
#include "hook_call.h"
#include "hooked.h"
#include "init.h"
#include "process_fork.h"
#include "real.h"
#include "sys.h"
#include "writer.h"

__thread bool process_has_vforked __attribute__((tls_model("initial-exec")));

/* For thunk.S: the target is about to call vfork. */
void lt_before_vfork(const void *caller) __attribute__((visibility("hidden")));

bool process_ask_vfork_child(void)
{
	if (sys_getpid() != init_pid)
		return true;
	process_has_vforked = false;
	return false;
}

bool process_is_recorded(void)
{
	return hook_is_on(~0u) && sys_getpid() == init_pid;
}

void process_record(const void *caller, const struct process_call *call)
{
	uint64_t end = clock_after();
	struct hook_scope scope;
	uint32_t path;

	if (!hook_enter(&scope, LT_GROUP_system, caller))
		return;
	path = call->path ? file_path_given(call->path, call->path_error) : 0;
	HOOK_EMIT(&scope, process_call, call->name, end, hook_stack(&scope),
		  event->result = call->result;
		  event->duration_ns = call->begin ? end - call->begin : 0; event->path = path;
		  event->reserved = 0);
	hook_leave(&scope);
}

static void record_fork(const void *caller, pid_t child, uint64_t begin)
{
	const struct process_call call = { .name = LT_process_call_fork,
					   .begin = begin,
					   .result = child < 0 ? -(int64_t)errno : child };

	if (begin)
		process_record(caller, &call);
}

/* The child is off before its first instruction, and may turn itself on (child.c). */
LT_EXPORT pid_t fork(void)
{
	uint64_t begin;
	pid_t child;

	/* a signal handler that has interrupted another fork: the C library's locks may be held */
	if (!process_is_recorded() || hook_self.mark == HOOK_MARK_OWN || process_is_forking())
		return real_fork();
	begin = clock_now();
	child = real_fork();
	if (child == 0) {
		child_begin(true);
		return 0;
	}
	record_fork(HOOK_CALLER(), child, begin);
	return child;
}

/*
 * May be called in a signal handler that has interrupted anything: no lock is taken. Its child may
 * use no loader.
 */
LT_EXPORT pid_t _Fork(void)
{
	uint64_t begin = process_is_recorded() ? clock_now() : 0;
	pid_t child = real__Fork();

	if (begin && child == 0)
		child_begin(false);
	else
		record_fork(HOOK_CALLER(), child, begin);
	return child;
}

struct clone_start {
	int (*function)(void *);
	void *argument;
};

/* The first code of a child with memory of its own: start lies in its copy of our caller's stack. */
static int run_clone(void *argument)
{
	struct clone_start start = *(const struct clone_start *)argument;

	child_begin(false);
	return start.function(start.argument);
}

/*
 * A child that shares memory is like one of vfork. One that does not is not followed: another
 * thread may have held the locks of the C library. Threads are pthread_create's.
 */
LT_EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	struct clone_start start = { function, argument };
	bool is_shared = flags & CLONE_VM, is_process = !(flags & CLONE_THREAD);
	uint64_t begin = is_process && process_is_recorded() ? clock_now() : 0;
	void *more[3];
	va_list arguments;
	int child;

	va_start(arguments, argument);
	for (unsigned i = 0; i < 3; i++)
		more[i] = va_arg(arguments, void *); /* whether they were given or not */
	va_end(arguments);
	if (begin && is_shared)
		process_has_vforked = true;
	child = begin && !is_shared ? real_clone(run_clone, stack, flags, &start, more[0], more[1],
						 more[2])
				    : real_clone(function, stack, flags, argument, more[0], more[1],
						 more[2]);
	record_fork(HOOK_CALLER(), child, begin);
	return child;
}

/*
 * The process goes on as its child; the C library ends the parent in a way that no hook sees. So the
 * trace is ended before, as before an exec, and goes on when it fails. The writer stands still
 * meanwhile and holds no lock.
 */
LT_EXPORT int daemon(int is_folder_kept, int is_output_kept)
{
	struct process_call call = { .name = LT_process_call_daemon };
	int result;

	if (!process_is_recorded() || hook_self.mark == HOOK_MARK_OWN)
		return real_daemon(is_folder_kept, is_output_kept);
	process_record(HOOK_CALLER(), &call);
	writer_before_exec();
	result = real_daemon(is_folder_kept, is_output_kept);
	if (sys_getpid() != init_pid) {
		child_begin(true);
		return result;
	}
	call = (struct process_call){ .name = LT_process_call_exec_failed, .result = -(int64_t)errno };
	writer_after_exec();
	process_record(HOOK_CALLER(), &call);
	return result;
}

void lt_before_vfork(const void *caller)
{
	const struct process_call call = { .name = LT_process_call_vfork };
	int saved = errno;

	if (process_is_recorded()) {
		process_record(caller, &call);
		process_has_vforked = true;
	}
	errno = saved;
}

/* error: an error number. */
static void record_spawn(const void *caller, const char *path, const pid_t *pid, int error,
			 uint64_t begin)
{
	const struct process_call call = { .name = LT_process_call_posix_spawn,
					   .path = path,
					   .path_error = error,
					   .begin = begin,
					   .result = error ? -(int64_t)error
						     : pid ? *pid
							   : 0 };

	if (begin)
		process_record(caller, &call);
}

LT_EXPORT int posix_spawn(pid_t *ret_pid, const char *path,
			  const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			  char *const argv[], char *const envp[])
{
	uint64_t begin = process_is_recorded() ? clock_now() : 0;
	int error = real_posix_spawn(ret_pid, path, actions, attr, argv, envp);

	record_spawn(HOOK_CALLER(), path, ret_pid, error, begin);
	return error;
}

LT_EXPORT int posix_spawnp(pid_t *ret_pid, const char *file,
			   const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			   char *const argv[], char *const envp[])
{
	uint64_t begin = process_is_recorded() ? clock_now() : 0;
	int error = real_posix_spawnp(ret_pid, file, actions, attr, argv, envp);

	record_spawn(HOOK_CALLER(), file, ret_pid, error, begin);
	return error;
}

/* The status as a shell tells it. */
static int64_t exit_status(int status)
{
	if (status == -1)
		return -(int64_t)errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

LT_EXPORT int system(const char *command)
{
	struct process_call call = { .name = LT_process_call_system };
	int status;

	call.begin = process_is_recorded() ? clock_now() : 0;
	status = real_system(command);
	call.result = exit_status(status);
	if (call.begin)
		process_record(HOOK_CALLER(), &call);
	return status;
}

LT_EXPORT FILE *popen(const char *command, const char *mode)
{
	struct process_call call = { .name = LT_process_call_system };
	FILE *stream;

	call.begin = process_is_recorded() ? clock_now() : 0;
	stream = real_popen(command, mode);
	call.result = stream ? 0 : -(int64_t)errno;
	if (call.begin)
		process_record(HOOK_CALLER(), &call);
	return stream;
}

/* Before a call that ends the process without its destructors. */
static void before_end(const void *caller, unsigned name, int status)
{
	const struct process_call call = { .name = name, .result = status };

	if (!process_is_recorded()) {
		writer_wait_for_close();
		return;
	}
	process_record(caller, &call);
	writer_close(status & 0xff);
}

LT_EXPORT void _exit(int status)
{
	before_end(HOOK_CALLER(), LT_process_call__exit, status);
	real__exit(status);
	__builtin_unreachable();
}

LT_EXPORT void _Exit(int status)
{
	before_end(HOOK_CALLER(), LT_process_call__exit, status);
	real__Exit(status);
	__builtin_unreachable();
}

LT_EXPORT void quick_exit(int status)
{
	before_end(HOOK_CALLER(), LT_process_call_quick_exit, status);
	real_quick_exit(status);
	__builtin_unreachable();
}

/* A handler of SIGABRT may still go on with the program: the trace stays open. */
LT_EXPORT void abort(void)
{
	const struct process_call call = { .name = LT_process_call_abort };

	if (process_is_recorded()) {
		process_record(HOOK_CALLER(), &call);
		writer_flush();
	}
	real_abort();
	__builtin_unreachable();
}
