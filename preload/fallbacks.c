/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for functions that the C library lacks; see fallbacks.h. Each is entered by the
 * target's threads as the real function would be, signal handlers included. No cancellation points:
 * who calls a function that its C library does not have cannot know it as one.
 */
#include "fallbacks.h"

#include <errno.h>

#include "sys.h"

/* A result of the kernel as the C library gives it back. */
static long libc_result(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	errno = (int)-result;
	return -1;
}

/* ---- heap ---- */
void *fallback_reallocarray(void *addr, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return real_realloc(addr, bytes);
}

void fallback_cfree(void *addr)
{
	real_free(addr);
}

void fallback_free_sized(void *addr, size_t size)
{
	(void)size;
	real_free(addr);
}

void fallback_free_aligned_sized(void *addr, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	real_free(addr);
}

/* ---- maps ---- */
int fallback_mlock2(const void *addr, size_t length, unsigned int flags)
{
	return (int)libc_result(SYS_CALL(mlock2, addr, length, flags, 0, 0, 0));
}

/* ---- files ---- */
int fallback___open_2(const char *path, int flags)
{
	return real_open(path, flags);
}

int fallback___open64_2(const char *path, int flags)
{
	return real_open64(path, flags);
}

int fallback___openat_2(int dir_fd, const char *path, int flags)
{
	return real_openat(dir_fd, path, flags);
}

int fallback___openat64_2(int dir_fd, const char *path, int flags)
{
	return real_openat64(dir_fd, path, flags);
}

int fallback_memfd_create(const char *name, unsigned int flags)
{
	return (int)libc_result(SYS_CALL(memfd_create, name, flags, 0, 0, 0, 0));
}

int fallback_close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)libc_result(SYS_CALL(close_range, first, last, flags, 0, 0, 0));
}

void fallback_closefrom(int first)
{
	struct rlimit limit = {1024, 1024};
	unsigned from = first < 0 ? 0 : (unsigned)first;

	if (SYS_CALL(close_range, from, ~0u, 0, 0, 0, 0) >= 0)
		return;
	SYS_CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0);
	for (rlim_t fd = from; fd < limit.rlim_cur; fd++)
		sys_close((int)fd);
}

int fallback_fcntl64(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return real_fcntl(fd, command, argument);
}

/* ---- reads and writes ---- */
ssize_t fallback_preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	return libc_result(SYS_CALL(preadv2, fd, parts, count, offset, 0, flags));
}

ssize_t fallback_preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
	return libc_result(SYS_CALL(preadv2, fd, parts, count, offset, 0, flags));
}

ssize_t fallback_pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
	return libc_result(SYS_CALL(pwritev2, fd, parts, count, offset, 0, flags));
}

ssize_t fallback_pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset,
			     int flags)
{
	return libc_result(SYS_CALL(pwritev2, fd, parts, count, offset, 0, flags));
}

/* What the checked forms do when the buffer is too small. */
static void check_room(size_t bytes, size_t room)
{
	if (bytes > room)
		real_abort();
}

ssize_t fallback___read_chk(int fd, void *buffer, size_t bytes, size_t room)
{
	check_room(bytes, room);
	return real_read(fd, buffer, bytes);
}

ssize_t fallback___pread_chk(int fd, void *buffer, size_t bytes, off_t offset, size_t room)
{
	check_room(bytes, room);
	return real_pread(fd, buffer, bytes, offset);
}

ssize_t fallback___pread64_chk(int fd, void *buffer, size_t bytes, off64_t offset, size_t room)
{
	check_room(bytes, room);
	return real_pread64(fd, buffer, bytes, offset);
}

ssize_t fallback_copy_file_range(int fd, off64_t *offset, int to_fd, off64_t *to_offset,
				 size_t bytes, unsigned int flags)
{
	return libc_result(SYS_CALL(copy_file_range, fd, offset, to_fd, to_offset, bytes, flags));
}

/* ---- streams ---- */
size_t fallback___fread_chk(void *buffer, size_t room, size_t size, size_t count, FILE *stream)
{
	check_room(size * count, room);
	return real_fread(buffer, size, count, stream);
}

size_t fallback___fread_unlocked_chk(void *buffer, size_t room, size_t size, size_t count,
				     FILE *stream)
{
	check_room(size * count, room);
	return real_fread_unlocked(buffer, size, count, stream);
}

char *fallback___fgets_chk(char *buffer, size_t room, int bytes, FILE *stream)
{
	check_room(bytes > 0 ? (size_t)bytes : 0, room);
	return real_fgets(buffer, bytes, stream);
}

char *fallback___fgets_unlocked_chk(char *buffer, size_t room, int bytes, FILE *stream)
{
	check_room(bytes > 0 ? (size_t)bytes : 0, room);
	return real_fgets_unlocked(buffer, bytes, stream);
}

int fallback__IO_getc(FILE *stream)
{
	return real_getc(stream);
}

ssize_t fallback___getdelim(char **line, size_t *room, int delimiter, FILE *stream)
{
	return real_getdelim(line, room, delimiter, stream);
}

/* ---- metadata: on 64-bit machines the C library's struct stat is the kernel's ---- */
static int stat_path(int dir_fd, const char *path, void *ret_stat, int flags)
{
	return (int)libc_result(SYS_CALL(newfstatat, dir_fd, path, ret_stat, flags, 0, 0));
}

static int stat_fd(int fd, void *ret_stat)
{
	return (int)libc_result(SYS_CALL(fstat, fd, ret_stat, 0, 0, 0, 0));
}

int fallback_stat(const char *path, struct stat *ret_stat)
{
	return stat_path(AT_FDCWD, path, ret_stat, 0);
}

int fallback_stat64(const char *path, struct stat64 *ret_stat)
{
	return stat_path(AT_FDCWD, path, ret_stat, 0);
}

int fallback_fstat(int fd, struct stat *ret_stat)
{
	return stat_fd(fd, ret_stat);
}

int fallback_fstat64(int fd, struct stat64 *ret_stat)
{
	return stat_fd(fd, ret_stat);
}

int fallback_lstat(const char *path, struct stat *ret_stat)
{
	return stat_path(AT_FDCWD, path, ret_stat, AT_SYMLINK_NOFOLLOW);
}

int fallback_lstat64(const char *path, struct stat64 *ret_stat)
{
	return stat_path(AT_FDCWD, path, ret_stat, AT_SYMLINK_NOFOLLOW);
}

int fallback_fstatat(int dir_fd, const char *path, struct stat *ret_stat, int flags)
{
	return stat_path(dir_fd, path, ret_stat, flags);
}

int fallback_fstatat64(int dir_fd, const char *path, struct stat64 *ret_stat, int flags)
{
	return stat_path(dir_fd, path, ret_stat, flags);
}

int fallback___xstat(int version, const char *path, struct stat *ret_stat)
{
	(void)version;
	return stat_path(AT_FDCWD, path, ret_stat, 0);
}

int fallback___xstat64(int version, const char *path, struct stat64 *ret_stat)
{
	(void)version;
	return stat_path(AT_FDCWD, path, ret_stat, 0);
}

int fallback___fxstat(int version, int fd, struct stat *ret_stat)
{
	(void)version;
	return stat_fd(fd, ret_stat);
}

int fallback___fxstat64(int version, int fd, struct stat64 *ret_stat)
{
	(void)version;
	return stat_fd(fd, ret_stat);
}

int fallback___lxstat(int version, const char *path, struct stat *ret_stat)
{
	(void)version;
	return stat_path(AT_FDCWD, path, ret_stat, AT_SYMLINK_NOFOLLOW);
}

int fallback___lxstat64(int version, const char *path, struct stat64 *ret_stat)
{
	(void)version;
	return stat_path(AT_FDCWD, path, ret_stat, AT_SYMLINK_NOFOLLOW);
}

int fallback___fxstatat(int version, int dir_fd, const char *path, struct stat *ret_stat, int flags)
{
	(void)version;
	return stat_path(dir_fd, path, ret_stat, flags);
}

int fallback___fxstatat64(int version, int dir_fd, const char *path, struct stat64 *ret_stat,
			  int flags)
{
	(void)version;
	return stat_path(dir_fd, path, ret_stat, flags);
}

int fallback_statx(int dir_fd, const char *path, int flags, unsigned int mask,
		   struct statx *ret_stat)
{
	return (int)libc_result(SYS_CALL(statx, dir_fd, path, flags, mask, ret_stat, 0));
}

/* ---- threads and processes ---- */
int fallback_thrd_create(thrd_t *ret_thread, thrd_start_t start, void *argument)
{
	(void)ret_thread;
	(void)start;
	(void)argument;
	return thrd_error;
}

pid_t fallback__Fork(void)
{
	return real_fork();
}

int fallback_execveat(int dir_fd, const char *path, char *const argv[], char *const envp[],
		      int flags)
{
	return (int)libc_result(SYS_CALL(execveat, dir_fd, path, argv, envp, flags, 0));
}

void fallback___longjmp_chk(struct __jmp_buf_tag buffer[1], int value)
{
	real_longjmp(buffer, value);
}
