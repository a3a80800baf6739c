/* SPDX-License-Identifier: MIT */
/*
 * Hooks on descriptors: read, positioned, advised. Any thread, signal handlers, children of vfork.
 * Every read is an event; from 64 KiB asked on the faults inside it are measured as well. What the
 * kernel may refuse to read (vectors, offsets) is looked at only after it has accepted them.
 */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "hook_call.h"
#include "hooked.h"
#include "real.h"

#define FAULTS_FROM_BYTES (64u << 10)

struct read_call {
	uint64_t begin;
	bool has_faults;
	struct hook_faults before;
	int64_t offset_bytes; /* -1: at the descriptor's position */
	const void *buffer;
	uint64_t asked_bytes;
	int fd;
	int to_fd;
};

/* Starts the clock last. asked_bytes: UINT64_MAX when only the kernel knows yet. */
static inline struct read_call read_begin(int fd, const void *buffer, uint64_t asked_bytes,
					  int64_t offset)
{
	struct read_call call = { .offset_bytes = offset,
				  .buffer = buffer,
				  .asked_bytes = asked_bytes,
				  .fd = fd,
				  .to_fd = -1 };

	if (!call_is_on_files())
		return call;
	call.has_faults = asked_bytes >= FAULTS_FROM_BYTES;
	call.before = call_faults(call.has_faults);
	call.begin = clock_now();
	return call;
}

static void record_read(const void *caller, unsigned name, const struct read_call *call,
			ssize_t result)
{
	uint64_t end = call_end(call->begin);
	struct hook_faults inside;
	struct hook_scope scope;

	if (!call->begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	inside = call_faults_since(call->has_faults, call->before);
	HOOK_EMIT(&scope, read, name, end, hook_stack(&scope),
		  event->offset_bytes = call->offset_bytes;
		  event->buffer = (uintptr_t)call->buffer; event->asked_bytes = call->asked_bytes;
		  event->got_bytes = result < 0 ? -(int64_t)scope.saved_errno : result;
		  event->duration_ns = end - call->begin; event->fd = call->fd;
		  event->to_fd = call->to_fd; event->minor_fault_count = inside.minor_count;
		  event->major_fault_count = inside.major_count);
	hook_leave(&scope);
}

LT_EXPORT ssize_t read(int fd, void *buffer, size_t bytes)
{
	struct read_call call = read_begin(fd, buffer, bytes, -1);
	ssize_t result = real_read(fd, buffer, bytes);

	record_read(HOOK_CALLER(), LT_read_call_read, &call, result);
	return result;
}

LT_EXPORT ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room)
{
	struct read_call call = read_begin(fd, buffer, bytes, -1);
	ssize_t result = real___read_chk(fd, buffer, bytes, room);

	record_read(HOOK_CALLER(), LT_read_call_read, &call, result);
	return result;
}

LT_EXPORT ssize_t pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	struct read_call call = read_begin(fd, buffer, bytes, offset);
	ssize_t result = real_pread(fd, buffer, bytes, offset);

	record_read(HOOK_CALLER(), LT_read_call_pread, &call, result);
	return result;
}

LT_EXPORT ssize_t pread64(int fd, void *buffer, size_t bytes, off64_t offset)
{
	struct read_call call = read_begin(fd, buffer, bytes, offset);
	ssize_t result = real_pread64(fd, buffer, bytes, offset);

	record_read(HOOK_CALLER(), LT_read_call_pread64, &call, result);
	return result;
}

LT_EXPORT ssize_t __pread_chk(int fd, void *buffer, size_t bytes, off_t offset, size_t room)
{
	struct read_call call = read_begin(fd, buffer, bytes, offset);
	ssize_t result = real___pread_chk(fd, buffer, bytes, offset, room);

	record_read(HOOK_CALLER(), LT_read_call_pread, &call, result);
	return result;
}

LT_EXPORT ssize_t __pread64_chk(int fd, void *buffer, size_t bytes, off64_t offset, size_t room)
{
	struct read_call call = read_begin(fd, buffer, bytes, offset);
	ssize_t result = real___pread64_chk(fd, buffer, bytes, offset, room);

	record_read(HOOK_CALLER(), LT_read_call_pread64, &call, result);
	return result;
}

/* The vector of a call that failed may not be readable: such a call has no size and no buffer. */
static void record_vector(const void *caller, unsigned name, struct read_call *call,
			  const struct iovec *parts, int count, ssize_t result)
{
	if (!call->begin)
		return;
	call->asked_bytes = 0;
	for (int i = 0; result >= 0 && i < count; i++)
		call->asked_bytes += parts[i].iov_len;
	if (result >= 0 && count > 0)
		call->buffer = parts[0].iov_base;
	if (call->asked_bytes < FAULTS_FROM_BYTES)
		call->has_faults = false;
	record_read(caller, name, call, result);
}

LT_EXPORT ssize_t readv(int fd, const struct iovec *parts, int count)
{
	struct read_call call = read_begin(fd, NULL, UINT64_MAX, -1);
	ssize_t result = real_readv(fd, parts, count);

	record_vector(HOOK_CALLER(), LT_read_call_readv, &call, parts, count, result);
	return result;
}

LT_EXPORT ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
	struct read_call call = read_begin(fd, NULL, UINT64_MAX, offset);
	ssize_t result = real_preadv(fd, parts, count, offset);

	record_vector(HOOK_CALLER(), LT_read_call_preadv, &call, parts, count, result);
	return result;
}

LT_EXPORT ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset)
{
	struct read_call call = read_begin(fd, NULL, UINT64_MAX, offset);
	ssize_t result = real_preadv64(fd, parts, count, offset);

	record_vector(HOOK_CALLER(), LT_read_call_preadv64, &call, parts, count, result);
	return result;
}

LT_EXPORT ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	struct read_call call = read_begin(fd, NULL, UINT64_MAX, offset);
	ssize_t result = real_preadv2(fd, parts, count, offset, flags);

	record_vector(HOOK_CALLER(), LT_read_call_preadv2, &call, parts, count, result);
	return result;
}

LT_EXPORT ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset,
			     int flags)
{
	struct read_call call = read_begin(fd, NULL, UINT64_MAX, offset);
	ssize_t result = real_preadv64v2(fd, parts, count, offset, flags);

	record_vector(HOOK_CALLER(), LT_read_call_preadv64v2, &call, parts, count, result);
	return result;
}

/* The kernel has advanced *offset by what it moved. */
static void record_copy(const void *caller, unsigned name, struct read_call *call,
			const off64_t *offset, ssize_t result)
{
	if (call->begin && offset && result >= 0)
		call->offset_bytes = *offset - result;
	record_read(caller, name, call, result);
}

LT_EXPORT ssize_t sendfile(int to_fd, int fd, off_t *offset, size_t bytes)
{
	struct read_call call = read_begin(fd, NULL, bytes, -1);
	ssize_t result;

	call.to_fd = to_fd;
	result = real_sendfile(to_fd, fd, offset, bytes);
	record_copy(HOOK_CALLER(), LT_read_call_sendfile, &call, offset, result);
	return result;
}

LT_EXPORT ssize_t sendfile64(int to_fd, int fd, off64_t *offset, size_t bytes)
{
	struct read_call call = read_begin(fd, NULL, bytes, -1);
	ssize_t result;

	call.to_fd = to_fd;
	result = real_sendfile64(to_fd, fd, offset, bytes);
	record_copy(HOOK_CALLER(), LT_read_call_sendfile64, &call, offset, result);
	return result;
}

LT_EXPORT ssize_t copy_file_range(int fd, off64_t *offset, int to_fd, off64_t *to_offset,
				  size_t bytes, unsigned int flags)
{
	struct read_call call = read_begin(fd, NULL, bytes, -1);
	ssize_t result;

	call.to_fd = to_fd;
	result = real_copy_file_range(fd, offset, to_fd, to_offset, bytes, flags);
	record_copy(HOOK_CALLER(), LT_read_call_copy_file_range, &call, offset, result);
	return result;
}

static void record_seek(const void *caller, unsigned name, int fd, int64_t offset, int whence,
			int64_t result, uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	HOOK_EMIT(&scope, seek, name, end, hook_stack(&scope), event->stream = 0;
		  event->offset_bytes = offset;
		  event->result_bytes = result < 0 ? -(int64_t)scope.saved_errno : result;
		  event->duration_ns = end - begin; event->fd = fd; event->whence = whence);
	hook_leave(&scope);
}

LT_EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	uint64_t begin = call_begin_files();
	off_t result = real_lseek(fd, offset, whence);

	record_seek(HOOK_CALLER(), LT_seek_call_lseek, fd, offset, whence, result, begin);
	return result;
}

LT_EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	uint64_t begin = call_begin_files();
	off64_t result = real_lseek64(fd, offset, whence);

	record_seek(HOOK_CALLER(), LT_seek_call_lseek64, fd, offset, whence, result, begin);
	return result;
}

struct advice {
	int64_t offset_bytes;
	int64_t length_bytes;
	int fd;
	int advice;
};

/* error: an error number, or -1: the call has set errno. */
static void record_advice(const void *caller, unsigned name, const struct advice *advice, int error,
			  uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;

	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	HOOK_EMIT(&scope, file_advise, name, end, hook_stack(&scope),
		  event->offset_bytes = advice->offset_bytes;
		  event->length_bytes = advice->length_bytes; event->duration_ns = end - begin;
		  event->fd = advice->fd; event->advice = (uint32_t)advice->advice;
		  event->error = error < 0 ? (uint32_t)scope.saved_errno : (uint32_t)error;
		  event->reserved = 0);
	hook_leave(&scope);
}

LT_EXPORT int posix_fadvise(int fd, off_t offset, off_t length, int advice)
{
	const struct advice given = { offset, length, fd, advice };
	uint64_t begin = call_begin_files();
	int error = real_posix_fadvise(fd, offset, length, advice);

	record_advice(HOOK_CALLER(), LT_file_advise_call_posix_fadvise, &given, error, begin);
	return error;
}

LT_EXPORT int posix_fadvise64(int fd, off64_t offset, off64_t length, int advice)
{
	const struct advice given = { offset, length, fd, advice };
	uint64_t begin = call_begin_files();
	int error = real_posix_fadvise64(fd, offset, length, advice);

	record_advice(HOOK_CALLER(), LT_file_advise_call_posix_fadvise64, &given, error, begin);
	return error;
}

LT_EXPORT ssize_t readahead(int fd, off64_t offset, size_t length)
{
	const struct advice given = { offset, (int64_t)length, fd, POSIX_FADV_WILLNEED };
	uint64_t begin = call_begin_files();
	ssize_t result = real_readahead(fd, offset, length);

	record_advice(HOOK_CALLER(), LT_file_advise_call_readahead, &given, (int)result, begin);
	return result;
}
