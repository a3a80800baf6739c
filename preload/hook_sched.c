/* SPDX-License-Identifier: MIT */
/*
 * Hooks on the names, affinity, policy and priority of threads. Any thread, signal handlers for the
 * plain system calls. Names are recorded when they were set, the others with their error.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "real.h"

/* What a thread_sched event says; what a call does not set is -1 for the policy, else 0. */
struct sched_facts {
	uint64_t handle;
	uint32_t tid;
	int policy;
	int priority;
	const cpu_set_t *cpus;
	size_t cpu_bytes;
};

static void count_cpus(const struct sched_facts *facts, int error, uint64_t *ret_mask,
		       uint32_t *ret_count)
{
	const uint8_t *bytes = (const uint8_t *)facts->cpus;
	size_t count = facts->cpu_bytes < sizeof(cpu_set_t) ? facts->cpu_bytes : sizeof(cpu_set_t);

	*ret_mask = 0;
	*ret_count = 0;
	if (!bytes || error == EFAULT)
		return;
	memcpy(ret_mask, bytes, count < sizeof(*ret_mask) ? count : sizeof(*ret_mask));
	for (size_t i = 0; i < count; i++)
		*ret_count += (uint32_t)__builtin_popcount(bytes[i]);
}

/* error: an error number, or -1: the call has set errno. */
static void record_sched(const void *caller, unsigned call, const struct sched_facts *facts,
			 int error)
{
	struct hook_scope scope;
	uint64_t mask;
	uint32_t cpu_count;

	if (!hook_enter(&scope, LT_GROUP_threads, caller))
		return;
	if (error < 0)
		error = scope.saved_errno;
	count_cpus(facts, error, &mask, &cpu_count);
	HOOK_EMIT(&scope, thread_sched, call, clock_after(), hook_stack(&scope),
		  event->handle = facts->handle;
		  event->cpu_mask = mask; event->tid = facts->tid; event->cpu_count = cpu_count;
		  event->policy = facts->policy; event->priority = facts->priority;
		  event->error = (uint32_t)error; event->reserved = 0);
	hook_leave(&scope);
}

static void record_name(const void *caller, unsigned source, uint64_t handle, const char *name,
			bool is_own)
{
	struct hook_scope scope;
	uint32_t text;

	if (!hook_enter(&scope, LT_GROUP_threads, caller))
		return;
	text = intern_text(name, strnlen(name, 15));
	HOOK_EMIT(&scope, thread_name, source, clock_after(), hook_stack(&scope),
		  event->tid = is_own ? hook_self.ring->tid : 0;
		  event->name = text; event->handle = handle);
	hook_leave(&scope);
}

LT_EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	int error = real_pthread_setname_np(thread, name);

	if (!error)
		record_name(HOOK_CALLER(), LT_name_source_pthread_setname_np, thread, name,
			    thread == pthread_self());
	return error;
}

/* All arguments are words; which of them count is for the kernel to say. */
LT_EXPORT int prctl(int option, ...)
{
	unsigned long arguments[4];
	va_list list;
	int result;

	va_start(list, option);
	for (unsigned i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	result = real_prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
	if (option == PR_SET_NAME && result == 0)
		record_name(HOOK_CALLER(), LT_name_source_prctl, 0, (const char *)arguments[0],
			    true);
	return result;
}

LT_EXPORT int pthread_setaffinity_np(pthread_t thread, size_t bytes, const cpu_set_t *cpus)
{
	const struct sched_facts facts = {
		.handle = thread, .policy = -1, .cpus = cpus, .cpu_bytes = bytes
	};
	int error = real_pthread_setaffinity_np(thread, bytes, cpus);

	record_sched(HOOK_CALLER(), LT_sched_call_pthread_setaffinity_np, &facts, error);
	return error;
}

LT_EXPORT int sched_setaffinity(pid_t tid, size_t bytes, const cpu_set_t *cpus)
{
	const struct sched_facts facts = {
		.tid = (uint32_t)tid, .policy = -1, .cpus = cpus, .cpu_bytes = bytes
	};
	int result = real_sched_setaffinity(tid, bytes, cpus);

	record_sched(HOOK_CALLER(), LT_sched_call_sched_setaffinity, &facts, result);
	return result;
}

LT_EXPORT int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
	struct sched_facts facts = { .tid = (uint32_t)tid, .policy = policy };
	int result = real_sched_setscheduler(tid, policy, param);

	if (result == 0)
		facts.priority = param->sched_priority;
	record_sched(HOOK_CALLER(), LT_sched_call_sched_setscheduler, &facts, result);
	return result;
}

LT_EXPORT int sched_setparam(pid_t tid, const struct sched_param *param)
{
	struct sched_facts facts = { .tid = (uint32_t)tid, .policy = -1 };
	int result = real_sched_setparam(tid, param);

	if (result == 0)
		facts.priority = param->sched_priority;
	record_sched(HOOK_CALLER(), LT_sched_call_sched_setparam, &facts, result);
	return result;
}

/* The kernel says EINVAL for NULL, too. noipa: headers promise that there is none. */
__attribute__((noipa)) static int priority_of(const struct sched_param *param, int error)
{
	return param && error != EFAULT && error != ESRCH ? param->sched_priority : 0;
}

LT_EXPORT int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	struct sched_facts facts = { .handle = thread, .policy = policy };
	int error = real_pthread_setschedparam(thread, policy, param);

	facts.priority = priority_of(param, error);
	record_sched(HOOK_CALLER(), LT_sched_call_pthread_setschedparam, &facts, error);
	return error;
}

LT_EXPORT int pthread_setschedprio(pthread_t thread, int priority)
{
	const struct sched_facts facts = { .handle = thread, .policy = -1, .priority = priority };
	int error = real_pthread_setschedprio(thread, priority);

	record_sched(HOOK_CALLER(), LT_sched_call_pthread_setschedprio, &facts, error);
	return error;
}

LT_EXPORT int setpriority(__priority_which_t which, id_t who, int value)
{
	const struct sched_facts facts = { .tid = who, .policy = -1, .priority = value };
	int result = real_setpriority(which, who, value);

	record_sched(HOOK_CALLER(), LT_sched_call_setpriority, &facts, result);
	return result;
}

/*
 * -1 may be the new nice value: errno alone tells, so it is cleared before the call and put back
 * when it stayed so.
 */
LT_EXPORT int nice(int increment)
{
	int before = errno;
	int result, error;

	errno = 0;
	result = real_nice(increment);
	error = result == -1 ? errno : 0;
	if (!error)
		errno = before;
	record_sched(HOOK_CALLER(), LT_sched_call_nice,
		     &(struct sched_facts){ .policy = -1, .priority = error ? increment : result },
		     error);
	return result;
}
