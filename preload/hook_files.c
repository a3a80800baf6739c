/* SPDX-License-Identifier: MIT */
/*
 * Hooks on descriptors: opened, closed, duplicated. Any thread, signal handlers, children of vfork
 * (where nothing is recorded). The names of new descriptors are asked from the kernel by system
 * calls of our own, after the real call. The shim's own descriptors (own_fds.h) do not exist for
 * the target: closing one answers EBADF, closing a range leaves it out, and dup2 onto its number
 * moves it away first.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file_facts.h"
#include "hook_call.h"
#include "hooked.h"
#include "init.h"
#include "io_runs.h"
#include "own_fds.h"
#include "real.h"
#include "sys.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

/* path NULL: ask the kernel. */
static void record_open(const void *caller, unsigned call, const char *path, int flags, int fd,
			uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;
	struct file_facts facts;

	/* the number may have belonged to something that was closed where no hook saw it */
	if (begin && fd >= 0)
		io_runs_break(NULL, fd, caller);
	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	facts = fd >= 0 ? file_facts_of(fd, flags, path)
			: file_facts_of_failed(path, scope.saved_errno);
	HOOK_EMIT(&scope, open, call, end, hook_stack(&scope), event->stream = 0;
		  event->duration_ns = end - begin; event->file_bytes = facts.file_bytes;
		  event->device = facts.device; event->inode = facts.inode; event->fd = fd;
		  event->path = facts.path; event->flags = (uint32_t)flags;
		  event->file_mode = facts.file_mode; event->error = call_error(&scope, fd < 0);
		  event->block_bytes = facts.block_bytes);
	hook_leave(&scope);
}

/* The mode is there only when the flags make a file. */
#define OPEN_MODE(flags, mode)                                                                     \
	do {                                                                                       \
		if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {                     \
			va_list arguments;                                                         \
                                                                                                   \
			va_start(arguments, flags);                                                \
			mode = va_arg(arguments, mode_t);                                          \
			va_end(arguments);                                                         \
		}                                                                                  \
	} while (0)

LT_EXPORT int open(const char *path, int flags, ...)
{
	uint64_t begin;
	mode_t mode = 0;
	int fd;

	OPEN_MODE(flags, mode);
	begin = call_begin_files();
	fd = real_open(path, flags, mode);
	record_open(HOOK_CALLER(), LT_open_call_open, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int open64(const char *path, int flags, ...)
{
	uint64_t begin;
	mode_t mode = 0;
	int fd;

	OPEN_MODE(flags, mode);
	begin = call_begin_files();
	fd = real_open64(path, flags, mode);
	record_open(HOOK_CALLER(), LT_open_call_open64, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int openat(int dir_fd, const char *path, int flags, ...)
{
	uint64_t begin;
	mode_t mode = 0;
	int fd;

	OPEN_MODE(flags, mode);
	begin = call_begin_files();
	fd = real_openat(dir_fd, path, flags, mode);
	record_open(HOOK_CALLER(), LT_open_call_openat, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int openat64(int dir_fd, const char *path, int flags, ...)
{
	uint64_t begin;
	mode_t mode = 0;
	int fd;

	OPEN_MODE(flags, mode);
	begin = call_begin_files();
	fd = real_openat64(dir_fd, path, flags, mode);
	record_open(HOOK_CALLER(), LT_open_call_openat64, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int __open_2(const char *path, int flags)
{
	uint64_t begin = call_begin_files();
	int fd = real___open_2(path, flags);

	record_open(HOOK_CALLER(), LT_open_call_open, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int __open64_2(const char *path, int flags)
{
	uint64_t begin = call_begin_files();
	int fd = real___open64_2(path, flags);

	record_open(HOOK_CALLER(), LT_open_call_open64, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int __openat_2(int dir_fd, const char *path, int flags)
{
	uint64_t begin = call_begin_files();
	int fd = real___openat_2(dir_fd, path, flags);

	record_open(HOOK_CALLER(), LT_open_call_openat, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int __openat64_2(int dir_fd, const char *path, int flags)
{
	uint64_t begin = call_begin_files();
	int fd = real___openat64_2(dir_fd, path, flags);

	record_open(HOOK_CALLER(), LT_open_call_openat64, path, flags, fd, begin);
	return fd;
}

LT_EXPORT int creat(const char *path, mode_t mode)
{
	uint64_t begin = call_begin_files();
	int fd = real_creat(path, mode);

	record_open(HOOK_CALLER(), LT_open_call_creat, path, O_CREAT | O_WRONLY | O_TRUNC, fd,
		    begin);
	return fd;
}

LT_EXPORT int creat64(const char *path, mode_t mode)
{
	uint64_t begin = call_begin_files();
	int fd = real_creat64(path, mode);

	record_open(HOOK_CALLER(), LT_open_call_creat64, path, O_CREAT | O_WRONLY | O_TRUNC, fd,
		    begin);
	return fd;
}

/* A shared memory object is named "/name", which is no path: the kernel says where it lies. */
LT_EXPORT int shm_open(const char *name, int flags, mode_t mode)
{
	uint64_t begin = call_begin_files();
	int fd = real_shm_open(name, flags, mode);

	record_open(HOOK_CALLER(), LT_open_call_shm_open, fd >= 0 ? NULL : name, flags, fd, begin);
	return fd;
}

LT_EXPORT int memfd_create(const char *name, unsigned int flags)
{
	uint64_t begin = call_begin_files();
	int fd = real_memfd_create(name, flags);

	record_open(HOOK_CALLER(), LT_open_call_memfd_create, fd >= 0 ? NULL : name, O_RDWR, fd,
		    begin);
	return fd;
}

static void record_close(const void *caller, unsigned call, int first, int last, bool has_failed,
			 uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	HOOK_EMIT(&scope, close, call, begin, hook_stack(&scope), event->stream = 0;
		  event->duration_ns = end - begin; event->fd = first; event->last_fd = last;
		  event->error = call_error(&scope, has_failed); event->reserved = 0);
	hook_leave(&scope);
}

/* A forked child, or a child of vfork, does with its copies what it likes. */
static bool is_protected(int fd)
{
	return LT_UNLIKELY(own_fd_is(fd)) && sys_getpid() == init_pid;
}

LT_EXPORT int close(int fd)
{
	uint64_t begin;
	int result;

	if (is_protected(fd)) {
		errno = EBADF;
		return -1;
	}
	begin = call_begin_files();
	if (begin)
		io_runs_break(NULL, fd, HOOK_CALLER());
	result = real_close(fd);
	record_close(HOOK_CALLER(), LT_close_call_close, fd, fd, result < 0, begin);
	return result;
}

static int clamped(unsigned fd)
{
	return fd > INT32_MAX ? INT32_MAX : (int)fd;
}

static bool has_protected(unsigned first, unsigned last, unsigned *ret_lowest)
{
	return own_fd_in_range(first, last, ret_lowest) && sys_getpid() == init_pid;
}

/* Around our own descriptors, piece by piece. */
static int close_pieces(unsigned first, unsigned last, int flags)
{
	unsigned own;

	while (has_protected(first, last, &own)) {
		if (own > first && real_close_range(first, own - 1, flags) < 0)
			return -1;
		if (own == last)
			return 0;
		first = own + 1;
	}
	return real_close_range(first, last, flags);
}

LT_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	uint64_t begin = flags & CLOSE_RANGE_CLOEXEC ? 0 : call_begin_files();
	int result;

	if (begin)
		io_runs_break_range(first, last, HOOK_CALLER());
	result = close_pieces(first, last, flags);
	record_close(HOOK_CALLER(), LT_close_call_close_range, clamped(first), clamped(last),
		     result < 0, begin);
	return result;
}

/* close_range may be missing in the kernel; closefrom then walks through /proc, up to the end only.
 */
static void close_up_to(unsigned first, unsigned last)
{
	if (real_close_range(first, last, 0) >= 0)
		return;
	for (unsigned fd = first; fd <= last; fd++)
		sys_close((int)fd);
}

LT_EXPORT void closefrom(int first)
{
	unsigned from = first < 0 ? 0 : (unsigned)first;
	uint64_t begin = call_begin_files();
	int saved = errno;
	unsigned own;

	if (begin)
		io_runs_break_range(from, ~0u, HOOK_CALLER());
	while (has_protected(from, ~0u, &own)) {
		if (own > from)
			close_up_to(from, own - 1);
		from = own + 1;
	}
	errno = saved;
	real_closefrom((int)from);
	record_close(HOOK_CALLER(), LT_close_call_closefrom, first < 0 ? 0 : first, INT32_MAX,
		     false, begin);
}

static void record_dup(const void *caller, unsigned call, int old_fd, int new_fd, bool is_recorded)
{
	struct hook_scope scope;

	if (is_recorded && new_fd >= 0)
		io_runs_break(NULL, new_fd, caller);
	if (!is_recorded || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	HOOK_EMIT(&scope, dup, call, clock_after(), hook_stack(&scope), event->old_fd = old_fd;
		  event->new_fd = new_fd; event->error = call_error(&scope, new_fd < 0);
		  event->reserved = 0);
	hook_leave(&scope);
}

LT_EXPORT int dup(int fd)
{
	bool is_recorded = call_is_on_files();
	int new_fd = real_dup(fd);

	record_dup(HOOK_CALLER(), LT_dup_call_dup, fd, new_fd, is_recorded);
	return new_fd;
}

/*
 * Before dup2 and dup3: makes room at the number, whatever lies there. @return false: it is ours
 * and cannot move.
 */
static bool make_room(int fd, int new_fd, bool is_recorded, const void *caller)
{
	if (fd != new_fd && is_protected(new_fd) && !own_fd_yield(new_fd)) {
		errno = EBUSY;
		return false;
	}
	if (is_recorded && fd != new_fd)
		io_runs_break(NULL, new_fd, caller);
	return true;
}

LT_EXPORT int dup2(int fd, int new_fd)
{
	bool is_recorded = call_is_on_files();
	int result;

	if (!make_room(fd, new_fd, is_recorded, HOOK_CALLER()))
		return -1;
	result = real_dup2(fd, new_fd);
	record_dup(HOOK_CALLER(), LT_dup_call_dup2, fd, result, is_recorded);
	return result;
}

LT_EXPORT int dup3(int fd, int new_fd, int flags)
{
	bool is_recorded = call_is_on_files();
	int result;

	if (!make_room(fd, new_fd, is_recorded, HOOK_CALLER()))
		return -1;
	result = real_dup3(fd, new_fd, flags);
	record_dup(HOOK_CALLER(), LT_dup_call_dup3, fd, result, is_recorded);
	return result;
}

static bool is_duplication(int command)
{
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC;
}

/* The argument is an int, a pointer or missing: read as a long, and passed on unseen. */
LT_EXPORT int fcntl(int fd, int command, ...)
{
	bool is_recorded = is_duplication(command) && call_is_on_files();
	va_list arguments;
	long argument;
	int result;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	result = real_fcntl(fd, command, argument);
	record_dup(HOOK_CALLER(), LT_dup_call_fcntl, fd, result, is_recorded);
	return result;
}

LT_EXPORT int fcntl64(int fd, int command, ...)
{
	bool is_recorded = is_duplication(command) && call_is_on_files();
	va_list arguments;
	long argument;
	int result;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	result = real_fcntl64(fd, command, argument);
	record_dup(HOOK_CALLER(), LT_dup_call_fcntl, fd, result, is_recorded);
	return result;
}
