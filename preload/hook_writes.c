/* SPDX-License-Identifier: MIT */
/*
 * Hooks on writes, as counters: all calls of a thread on one descriptor or stream are folded
 * (io_runs.h), whatever their size and position. Any thread, signal handlers, children of vfork.
 * fputc, putc, puts and the printf family are left out: they are hot or large in number of forms,
 * and their bytes go to the kernel in writes of stdio's own.
 */
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "io_runs.h"
#include "real.h"

static void record_write(const void *caller, const struct io_key *key, uint64_t bytes,
			 bool has_failed, uint64_t begin)
{
	struct io_call call = { .key = *key,
				.offset_bytes = -1,
				.begin = begin,
				.end = call_end(begin),
				.bytes = bytes,
				.has_failed = has_failed };
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	call.state = io_state(key);
	io_run_add(&scope, &call);
	hook_leave(&scope);
}

static void record_fd_write(const void *caller, int fd, ssize_t result, uint64_t begin)
{
	const struct io_key key = { NULL, fd, LT_run_kind_fd_write };

	record_write(caller, &key, result < 0 ? 0 : (uint64_t)result, result < 0, begin);
}

static void record_stream_write(const void *caller, const FILE *stream, uint64_t bytes,
				bool has_failed, uint64_t begin)
{
	const struct io_key key = { stream, -1, LT_run_kind_stream_write };

	record_write(caller, &key, bytes, has_failed, begin);
}

LT_EXPORT ssize_t write(int fd, const void *bytes, size_t count)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_write(fd, bytes, count);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwrite(fd, bytes, count, offset);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwrite64(fd, bytes, count, offset);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_writev(fd, parts, count);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwritev(fd, parts, count, offset);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwritev64(fd, parts, count, offset);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwritev2(fd, parts, count, offset, flags);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset,
			      int flags)
{
	uint64_t begin = call_begin_files();
	ssize_t result = real_pwritev64v2(fd, parts, count, offset, flags);

	record_fd_write(HOOK_CALLER(), fd, result, begin);
	return result;
}

LT_EXPORT size_t fwrite(const void *bytes, size_t size, size_t count, FILE *stream)
{
	uint64_t begin = call_begin_files();
	size_t put = real_fwrite(bytes, size, count, stream);

	record_stream_write(HOOK_CALLER(), stream, (uint64_t)put * size, size && put < count,
			    begin);
	return put;
}

LT_EXPORT size_t fwrite_unlocked(const void *bytes, size_t size, size_t count, FILE *stream)
{
	uint64_t begin = call_begin_files();
	size_t put = real_fwrite_unlocked(bytes, size, count, stream);

	record_stream_write(HOOK_CALLER(), stream, (uint64_t)put * size, size && put < count,
			    begin);
	return put;
}

LT_EXPORT int fputs(const char *text, FILE *stream)
{
	uint64_t begin = call_begin_files();
	int result = real_fputs(text, stream);

	record_stream_write(HOOK_CALLER(), stream, begin && result >= 0 ? strlen(text) : 0,
			    result < 0, begin);
	return result;
}

LT_EXPORT int fputs_unlocked(const char *text, FILE *stream)
{
	uint64_t begin = call_begin_files();
	int result = real_fputs_unlocked(text, stream);

	record_stream_write(HOOK_CALLER(), stream, begin && result >= 0 ? strlen(text) : 0,
			    result < 0, begin);
	return result;
}
