/* SPDX-License-Identifier: MIT */
/*
 * Hooks on waiting for children: the only way to learn how a child ended that is not traced, or was
 * killed. Any thread, signal handlers (wait is allowed in them); children of fork and vfork, where
 * nothing is recorded. The real calls may block and are cancellation points: nothing is held across
 * them.
 */
#include <sys/wait.h>

#include "hook_call.h"
#include "hooked.h"
#include "process_call.h"
#include "real.h"

static void record_end(const void *caller, pid_t child, int64_t status)
{
	struct hook_scope scope;

	if (!process_is_recorded() || !hook_enter(&scope, LT_GROUP_system, caller))
		return;
	HOOK_EMIT(&scope, child, LT_child_state_reaped, clock_after(), 0, event->status = status;
		  event->start_ns = 0; event->duration_ns = 0; event->pid = (uint32_t)child;
		  event->parent_pid = 0; event->program = 0; event->trace = 0);
	hook_leave(&scope);
}

/* A child that was stopped or goes on has not ended. */
static void record_status(const void *caller, pid_t child, int status)
{
	if (child <= 0)
		return;
	if (WIFEXITED(status))
		record_end(caller, child, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		record_end(caller, child, -WTERMSIG(status));
}

LT_EXPORT pid_t wait(int *ret_status)
{
	int own = 0, *status = ret_status ? ret_status : &own;
	pid_t child = real_wait(status);

	record_status(HOOK_CALLER(), child, child > 0 ? *status : 0);
	return child;
}

LT_EXPORT pid_t waitpid(pid_t wanted, int *ret_status, int options)
{
	int own = 0, *status = ret_status ? ret_status : &own;
	pid_t child = real_waitpid(wanted, status, options);

	record_status(HOOK_CALLER(), child, child > 0 ? *status : 0);
	return child;
}

LT_EXPORT pid_t wait3(int *ret_status, int options, struct rusage *ret_usage)
{
	int own = 0, *status = ret_status ? ret_status : &own;
	pid_t child = real_wait3(status, options, ret_usage);

	record_status(HOOK_CALLER(), child, child > 0 ? *status : 0);
	return child;
}

LT_EXPORT pid_t wait4(pid_t wanted, int *ret_status, int options, struct rusage *ret_usage)
{
	int own = 0, *status = ret_status ? ret_status : &own;
	pid_t child = real_wait4(wanted, status, options, ret_usage);

	record_status(HOOK_CALLER(), child, child > 0 ? *status : 0);
	return child;
}

/* Without room for an answer the kernel gives none; with WNOWAIT the child can be waited for again.
 */
LT_EXPORT int waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options)
{
	int result = real_waitid(type, id, ret_info, options);

	if (result || !ret_info || options & WNOWAIT || ret_info->si_pid <= 0)
		return result;
	if (ret_info->si_code == CLD_EXITED)
		record_end(HOOK_CALLER(), ret_info->si_pid, ret_info->si_status & 0xff);
	else if (ret_info->si_code == CLD_KILLED || ret_info->si_code == CLD_DUMPED)
		record_end(HOOK_CALLER(), ret_info->si_pid, -ret_info->si_status);
	return result;
}
