/* SPDX-License-Identifier: MIT */
/*
 * Hooks on streams: opened, closed, positioned. Any thread. Each of them ends the runs of folded
 * calls on its stream (io_runs.h) before the real call, since the stream's place, or what its
 * address means, changes.
 */
#include <errno.h>
#include <fcntl.h>

#include "file_facts.h"
#include "hook_call.h"
#include "hooked.h"
#include "io_runs.h"
#include "real.h"

/* O_ bits of a mode string, as the C library reads it: up to a comma. */
static int mode_flags(const char *mode)
{
	int flags = mode[0] == 'r'   ? O_RDONLY
		    : mode[0] == 'w' ? O_WRONLY | O_CREAT | O_TRUNC
				     : O_WRONLY | O_CREAT | O_APPEND;

	for (mode++; *mode && *mode != ','; mode++) {
		if (*mode == '+')
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		else if (*mode == 'x')
			flags |= O_EXCL;
		else if (*mode == 'e')
			flags |= O_CLOEXEC;
	}
	return flags;
}

/* path NULL: ask the kernel. */
static void record_open(const void *caller, unsigned call, const char *path, const char *mode,
			FILE *stream, uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;
	struct file_facts facts;
	int fd = -1;

	/* its memory may have been that of a stream which was closed where no hook saw it */
	if (begin && stream)
		io_runs_break(stream, -1, caller);
	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	if (stream)
		fd = fileno(stream);
	facts = fd >= 0 ? file_facts_of(fd, mode_flags(mode), path)
			: file_facts_of_failed(path, (int)call_error(&scope, !stream));
	HOOK_EMIT(&scope, open, call, end, hook_stack(&scope), event->stream = (uintptr_t)stream;
		  event->duration_ns = end - begin; event->file_bytes = facts.file_bytes;
		  event->device = facts.device; event->inode = facts.inode; event->fd = fd;
		  event->path = facts.path; event->flags = (uint32_t)mode_flags(mode);
		  event->file_mode = facts.file_mode; event->error = call_error(&scope, !stream);
		  event->block_bytes = facts.block_bytes);
	hook_leave(&scope);
}

LT_EXPORT FILE *fopen(const char *path, const char *mode)
{
	uint64_t begin = call_begin_files();
	FILE *stream = real_fopen(path, mode);

	record_open(HOOK_CALLER(), LT_open_call_fopen, path, mode, stream, begin);
	return stream;
}

LT_EXPORT FILE *fopen64(const char *path, const char *mode)
{
	uint64_t begin = call_begin_files();
	FILE *stream = real_fopen64(path, mode);

	record_open(HOOK_CALLER(), LT_open_call_fopen64, path, mode, stream, begin);
	return stream;
}

LT_EXPORT FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	uint64_t begin = call_begin_files();
	FILE *result;

	if (begin)
		io_runs_break(stream, -1, HOOK_CALLER());
	result = real_freopen(path, mode, stream);
	record_open(HOOK_CALLER(), LT_open_call_freopen, path, mode, result, begin);
	return result;
}

LT_EXPORT FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
	uint64_t begin = call_begin_files();
	FILE *result;

	if (begin)
		io_runs_break(stream, -1, HOOK_CALLER());
	result = real_freopen64(path, mode, stream);
	record_open(HOOK_CALLER(), LT_open_call_freopen64, path, mode, result, begin);
	return result;
}

LT_EXPORT FILE *fdopen(int fd, const char *mode)
{
	uint64_t begin = call_begin_files();
	FILE *stream = real_fdopen(fd, mode);

	record_open(HOOK_CALLER(), LT_open_call_fdopen, NULL, mode, stream, begin);
	return stream;
}

/* The descriptor behind a stream, -1 for none; errno stays. */
static int stream_fd(FILE *stream)
{
	int saved = errno;
	int fd = fileno(stream);

	errno = saved;
	return fd;
}

LT_EXPORT int fclose(FILE *stream)
{
	uint64_t begin = call_begin_files();
	struct hook_scope scope;
	uint64_t end;
	int fd = -1;
	int result;

	if (begin) {
		fd = stream_fd(stream);
		io_runs_break(stream, -1, HOOK_CALLER());
		io_runs_break(NULL, fd, HOOK_CALLER());
		begin = clock_now();
	}
	result = real_fclose(stream);
	end = call_end(begin);
	if (begin && hook_enter(&scope, LT_GROUP_files, HOOK_CALLER())) {
		HOOK_EMIT(&scope, close, LT_close_call_fclose, begin, hook_stack(&scope),
			  event->stream = (uintptr_t)stream;
			  event->duration_ns = end - begin; event->fd = fd; event->last_fd = fd;
			  event->error = call_error(&scope, result != 0); event->reserved = 0);
		hook_leave(&scope);
	}
	return result;
}

/* A seek that runs. */
struct seek_call {
	uint64_t begin;
	FILE *stream;
	int64_t offset_bytes;
	int whence;
};

static struct seek_call seek_begin(const void *caller, FILE *stream, int64_t offset, int whence)
{
	struct seek_call call = { 0, stream, offset, whence };

	if (!call_is_on_files())
		return call;
	io_runs_break(stream, -1, caller);
	call.begin = clock_now();
	return call;
}

static void record_seek(const void *caller, unsigned name, const struct seek_call *call,
			bool has_failed)
{
	uint64_t end = call_end(call->begin);
	struct hook_scope scope;
	int64_t result;

	if (!call->begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	/* rewind does not tell whether it has failed */
	if (has_failed)
		result = -(int64_t)scope.saved_errno;
	else if (call->whence == SEEK_SET && name != LT_seek_call_rewind)
		result = call->offset_bytes;
	else
		result = io_stream_position(call->stream);
	HOOK_EMIT(&scope, seek, name, end, hook_stack(&scope),
		  event->stream = (uintptr_t)call->stream;
		  event->offset_bytes = call->offset_bytes; event->result_bytes = result;
		  event->duration_ns = end - call->begin; event->fd = -1;
		  event->whence = call->whence);
	hook_leave(&scope);
}

LT_EXPORT int fseek(FILE *stream, long offset, int whence)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, offset, whence);
	int result = real_fseek(stream, offset, whence);

	record_seek(HOOK_CALLER(), LT_seek_call_fseek, &call, result != 0);
	return result;
}

LT_EXPORT int fseeko(FILE *stream, off_t offset, int whence)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, offset, whence);
	int result = real_fseeko(stream, offset, whence);

	record_seek(HOOK_CALLER(), LT_seek_call_fseeko, &call, result != 0);
	return result;
}

LT_EXPORT int fseeko64(FILE *stream, off64_t offset, int whence)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, offset, whence);
	int result = real_fseeko64(stream, offset, whence);

	record_seek(HOOK_CALLER(), LT_seek_call_fseeko64, &call, result != 0);
	return result;
}

LT_EXPORT void rewind(FILE *stream)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, 0, SEEK_SET);

	real_rewind(stream);
	record_seek(HOOK_CALLER(), LT_seek_call_rewind, &call, false);
}

LT_EXPORT int fsetpos(FILE *stream, const fpos_t *position)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, 0, SEEK_SET);
	int result = real_fsetpos(stream, position);

	call.offset_bytes = position->__pos;
	record_seek(HOOK_CALLER(), LT_seek_call_fsetpos, &call, result != 0);
	return result;
}

LT_EXPORT int fsetpos64(FILE *stream, const fpos64_t *position)
{
	struct seek_call call = seek_begin(HOOK_CALLER(), stream, 0, SEEK_SET);
	int result = real_fsetpos64(stream, position);

	call.offset_bytes = position->__pos;
	record_seek(HOOK_CALLER(), LT_seek_call_fsetpos64, &call, result != 0);
	return result;
}
