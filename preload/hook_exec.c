/* SPDX-License-Identifier: MIT */
/*
 * Hooks on exec in all its forms. Any thread, signal handlers, children of fork and vfork (where
 * nothing is done). What is recorded is written out first, since the rings are gone when the call
 * works; when it fails, recording just goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "io_runs.h"
#include "process_call.h"
#include "real.h"
#include "text.h"
#include "writer.h"

extern char **environ;

/* Room for "/proc/self/fd/" and a number. */
#define FD_PATH_BYTES 32

/* @return whether the call is recorded. */
static bool before_exec(const void *caller, const char *path)
{
	const struct process_call call = { .name = LT_process_call_exec,
					   .path = path,
					   .path_error = EINVAL };
	struct hook_scope scope;
	int saved = errno;

	if (!process_is_recorded())
		return false;
	process_record(caller, &call);
	if (hook_enter(&scope, LT_GROUP_files, caller)) {
		io_runs_end_all(&scope);
		hook_leave(&scope);
	}
	writer_before_exec();
	errno = saved;
	return true;
}

static void after_exec(const void *caller, const char *path, bool is_recorded)
{
	const struct process_call call = { .name = LT_process_call_exec_failed,
					   .path = path,
					   .path_error = errno,
					   .result = -(int64_t)errno };

	if (!is_recorded)
		return;
	writer_after_exec();
	process_record(caller, &call);
}

LT_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	bool is_recorded = before_exec(HOOK_CALLER(), path);
	int result = real_execve(path, argv, envp);

	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}

LT_EXPORT int execv(const char *path, char *const argv[])
{
	bool is_recorded = before_exec(HOOK_CALLER(), path);
	int result = real_execv(path, argv);

	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}

LT_EXPORT int execvp(const char *file, char *const argv[])
{
	bool is_recorded = before_exec(HOOK_CALLER(), file);
	int result = real_execvp(file, argv);

	after_exec(HOOK_CALLER(), file, is_recorded);
	return result;
}

LT_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	bool is_recorded = before_exec(HOOK_CALLER(), file);
	int result = real_execvpe(file, argv, envp);

	after_exec(HOOK_CALLER(), file, is_recorded);
	return result;
}

LT_EXPORT int execveat(int dir_fd, const char *path, char *const argv[], char *const envp[],
		       int flags)
{
	bool is_recorded = before_exec(HOOK_CALLER(), path);
	int result = real_execveat(dir_fd, path, argv, envp, flags);

	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}

LT_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	char path[FD_PATH_BYTES];
	bool is_recorded;
	int result;

	text_format(path, sizeof(path), "/proc/self/fd/%u", (uint64_t)(unsigned)fd);
	is_recorded = before_exec(HOOK_CALLER(), path);
	result = real_fexecve(fd, argv, envp);
	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}

/* How many arguments there are from first on, the NULL at their end left out. */
static size_t count_arguments(const char *first, va_list arguments)
{
	size_t count = 0;

	for (const char *argument = first; argument; argument = va_arg(arguments, const char *))
		count++;
	return count;
}

/* Fills argv with count arguments and a NULL. The list is left behind the NULL. */
static void collect_arguments(char **argv, size_t count, const char *first, va_list *arguments)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i <= count; i++)
		argv[i] = va_arg(*arguments, char *);
}

/*
 * The list is walked twice: the array lies on the stack, as in a child of vfork nothing else may be
 * used.
 */
#define COLLECT(argv, first, arguments)                                                            \
	do {                                                                                       \
		va_list counted_;                                                                  \
		size_t count_;                                                                     \
                                                                                                   \
		va_copy(counted_, arguments);                                                      \
		count_ = count_arguments(first, counted_);                                         \
		va_end(counted_);                                                                  \
		argv = __builtin_alloca((count_ + 1) * sizeof(*argv));                             \
		collect_arguments(argv, count_, first, &arguments);                                \
	} while (0)

LT_EXPORT int execl(const char *path, const char *argument, ...)
{
	va_list arguments;
	bool is_recorded;
	char **argv;
	int result;

	va_start(arguments, argument);
	COLLECT(argv, argument, arguments);
	va_end(arguments);
	is_recorded = before_exec(HOOK_CALLER(), path);
	result = real_execve(path, argv, environ);
	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}

LT_EXPORT int execlp(const char *file, const char *argument, ...)
{
	va_list arguments;
	bool is_recorded;
	char **argv;
	int result;

	va_start(arguments, argument);
	COLLECT(argv, argument, arguments);
	va_end(arguments);
	is_recorded = before_exec(HOOK_CALLER(), file);
	result = real_execvp(file, argv);
	after_exec(HOOK_CALLER(), file, is_recorded);
	return result;
}

LT_EXPORT int execle(const char *path, const char *argument, ...)
{
	va_list arguments;
	bool is_recorded;
	char **argv, **envp;
	int result;

	va_start(arguments, argument);
	COLLECT(argv, argument, arguments);
	envp = va_arg(arguments, char **);
	va_end(arguments);
	is_recorded = before_exec(HOOK_CALLER(), path);
	result = real_execve(path, argv, envp);
	after_exec(HOOK_CALLER(), path, is_recorded);
	return result;
}
