/* SPDX-License-Identifier: MIT */
/*
 * Hooks on stat and its kin. Any thread, signal handlers, children of vfork. The path is kept as
 * the target gave it, and looked at only when the kernel could read it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "file_facts.h"
#include "hook_call.h"
#include "hooked.h"
#include "real.h"

/* fd: -1 when a path was given; path: NULL when a descriptor was. */
static void record_metadata(const void *caller, unsigned call, int fd, const char *path, int result,
			    uint64_t begin)
{
	uint64_t end = call_end(begin);
	struct hook_scope scope;
	uint32_t error, name;

	if (!begin || !hook_enter(&scope, LT_GROUP_files, caller))
		return;
	error = call_error(&scope, result < 0);
	name = file_path_given(path, (int)error);
	HOOK_EMIT(&scope, metadata, call, end, hook_stack(&scope), event->duration_ns = end - begin;
		  event->fd = fd; event->path = name; event->error = error; event->reserved = 0);
	hook_leave(&scope);
}

/*
 * For calls on a path below a directory: AT_EMPTY_PATH with no path asks for the descriptor itself.
 * noipa: headers promise that path is not NULL, newer kernels accept it.
 */
__attribute__((noipa)) static void record_at(const void *caller, unsigned call, int dir_fd,
					     const char *path, int flags, int result,
					     uint64_t begin)
{
	if (result == 0 && flags & AT_EMPTY_PATH && (!path || !path[0]))
		record_metadata(caller, call, dir_fd, NULL, result, begin);
	else
		record_metadata(caller, call, -1, path, result, begin);
}

LT_EXPORT int stat(const char *path, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_stat(path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_stat, -1, path, result, begin);
	return result;
}

LT_EXPORT int stat64(const char *path, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_stat64(path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_stat, -1, path, result, begin);
	return result;
}

LT_EXPORT int __xstat(int version, const char *path, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___xstat(version, path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_stat, -1, path, result, begin);
	return result;
}

LT_EXPORT int __xstat64(int version, const char *path, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___xstat64(version, path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_stat, -1, path, result, begin);
	return result;
}

LT_EXPORT int fstat(int fd, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_fstat(fd, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_fstat, fd, NULL, result, begin);
	return result;
}

LT_EXPORT int fstat64(int fd, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_fstat64(fd, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_fstat, fd, NULL, result, begin);
	return result;
}

LT_EXPORT int __fxstat(int version, int fd, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___fxstat(version, fd, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_fstat, fd, NULL, result, begin);
	return result;
}

LT_EXPORT int __fxstat64(int version, int fd, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___fxstat64(version, fd, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_fstat, fd, NULL, result, begin);
	return result;
}

LT_EXPORT int lstat(const char *path, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_lstat(path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_lstat, -1, path, result, begin);
	return result;
}

LT_EXPORT int lstat64(const char *path, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_lstat64(path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_lstat, -1, path, result, begin);
	return result;
}

LT_EXPORT int __lxstat(int version, const char *path, struct stat *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___lxstat(version, path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_lstat, -1, path, result, begin);
	return result;
}

LT_EXPORT int __lxstat64(int version, const char *path, struct stat64 *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real___lxstat64(version, path, ret_stat);

	record_metadata(HOOK_CALLER(), LT_metadata_call_lstat, -1, path, result, begin);
	return result;
}

LT_EXPORT int fstatat(int dir_fd, const char *path, struct stat *ret_stat, int flags)
{
	uint64_t begin = call_begin_files();
	int result = real_fstatat(dir_fd, path, ret_stat, flags);

	record_at(HOOK_CALLER(), LT_metadata_call_fstatat, dir_fd, path, flags, result, begin);
	return result;
}

LT_EXPORT int fstatat64(int dir_fd, const char *path, struct stat64 *ret_stat, int flags)
{
	uint64_t begin = call_begin_files();
	int result = real_fstatat64(dir_fd, path, ret_stat, flags);

	record_at(HOOK_CALLER(), LT_metadata_call_fstatat, dir_fd, path, flags, result, begin);
	return result;
}

LT_EXPORT int __fxstatat(int version, int dir_fd, const char *path, struct stat *ret_stat,
			 int flags)
{
	uint64_t begin = call_begin_files();
	int result = real___fxstatat(version, dir_fd, path, ret_stat, flags);

	record_at(HOOK_CALLER(), LT_metadata_call_fstatat, dir_fd, path, flags, result, begin);
	return result;
}

LT_EXPORT int __fxstatat64(int version, int dir_fd, const char *path, struct stat64 *ret_stat,
			   int flags)
{
	uint64_t begin = call_begin_files();
	int result = real___fxstatat64(version, dir_fd, path, ret_stat, flags);

	record_at(HOOK_CALLER(), LT_metadata_call_fstatat, dir_fd, path, flags, result, begin);
	return result;
}

LT_EXPORT int statx(int dir_fd, const char *path, int flags, unsigned int mask,
		    struct statx *ret_stat)
{
	uint64_t begin = call_begin_files();
	int result = real_statx(dir_fd, path, flags, mask, ret_stat);

	record_at(HOOK_CALLER(), LT_metadata_call_statx, dir_fd, path, flags, result, begin);
	return result;
}

LT_EXPORT int access(const char *path, int mode)
{
	uint64_t begin = call_begin_files();
	int result = real_access(path, mode);

	record_metadata(HOOK_CALLER(), LT_metadata_call_access, -1, path, result, begin);
	return result;
}

LT_EXPORT int faccessat(int dir_fd, const char *path, int mode, int flags)
{
	uint64_t begin = call_begin_files();
	int result = real_faccessat(dir_fd, path, mode, flags);

	record_at(HOOK_CALLER(), LT_metadata_call_faccessat, dir_fd, path, flags, result, begin);
	return result;
}
