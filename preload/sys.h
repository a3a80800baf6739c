/* SPDX-License-Identifier: MIT */
/*
 * System calls, made directly: no hook, no cancellation point, no errno. Each returns what the
 * kernel returns: a value, or minus the error number. Any thread, signal handlers too.
 */
#ifndef LLMTRACE_SYS_H
#define LLMTRACE_SYS_H

#include <fcntl.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#ifdef __clang_analyzer__
/* The analyzer does not see that the kernel writes where a number points. */
long sys_call_any(long number, ...);
#define SYS_CALL(name, ...) sys_call_any(SYS_##name, __VA_ARGS__)
#else
#define SYS_CALL(name, a, b, c, d, e, f)                                                           \
	sys_call6(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#endif

static inline long sys_open(const char *path, int flags, int mode)
{
	return SYS_CALL(openat, AT_FDCWD, path, flags, mode, 0, 0);
}

static inline long sys_close(int fd)
{
	return SYS_CALL(close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_read(int fd, void *buffer, size_t bytes)
{
	return SYS_CALL(read, fd, buffer, bytes, 0, 0, 0);
}

static inline long sys_pread(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	return SYS_CALL(pread64, fd, buffer, bytes, offset, 0, 0);
}

static inline long sys_write(int fd, const void *bytes, size_t count)
{
	return SYS_CALL(write, fd, bytes, count, 0, 0, 0);
}

static inline long sys_pwrite(int fd, const void *bytes, size_t count, uint64_t offset)
{
	return SYS_CALL(pwrite64, fd, bytes, count, offset, 0, 0);
}

static inline long sys_fstat(int fd, struct stat *ret_stat)
{
	return SYS_CALL(fstat, fd, ret_stat, 0, 0, 0, 0);
}

static inline long sys_lseek(int fd, int64_t offset, int whence)
{
	return SYS_CALL(lseek, fd, offset, whence, 0, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long argument)
{
	return SYS_CALL(fcntl, fd, command, argument, 0, 0, 0);
}

static inline long sys_readlink(const char *path, char *buffer, size_t bytes)
{
	return SYS_CALL(readlinkat, AT_FDCWD, path, buffer, bytes, 0, 0);
}

static inline long sys_rename(const char *from, const char *to)
{
	return SYS_CALL(renameat2, AT_FDCWD, from, AT_FDCWD, to, 0, 0);
}

static inline long sys_unlink(const char *path)
{
	return SYS_CALL(unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}

/* What sys_getdents fills a buffer with, each length bytes behind the one before. */
struct sys_dirent {
	uint64_t inode;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};

static inline long sys_getdents(int fd, void *buffer, size_t bytes)
{
	return SYS_CALL(getdents64, fd, buffer, bytes, 0, 0, 0);
}

/* @return the address, or NULL. */
static inline void *sys_map(size_t bytes, int prot, int flags, int fd, uint64_t offset)
{
	long addr = SYS_CALL(mmap, 0, bytes, prot, flags, fd, offset);

	return addr < 0 && addr > -4096 ? NULL : (void *)addr;
}

static inline long sys_unmap(void *addr, size_t bytes)
{
	return SYS_CALL(munmap, addr, bytes, 0, 0, 0, 0);
}

/*
 * Zeroed private memory of the shim, named "llmtrace" in /proc/self/maps where the kernel can, and
 * counted. Give it back with sys_memory_release. @return NULL when there is none. Lives in
 * sys_memory.c.
 */
void *sys_memory(size_t bytes);
void sys_memory_release(void *addr, size_t bytes);

/* Bytes that sys_memory has handed out and not got back. */
uint64_t sys_memory_bytes(void);

/*
 * The first piece of [start, end) that is the shim's: the kernel shows neighbours as one mapping.
 * @return false when there is none.
 */
bool sys_memory_in_range(uint64_t start, uint64_t end, uint64_t *ret_start, uint64_t *ret_end);

static inline long sys_madvise(void *addr, size_t bytes, int advice)
{
	return SYS_CALL(madvise, addr, bytes, advice, 0, 0, 0);
}

static inline long sys_ftruncate(int fd, uint64_t bytes)
{
	return SYS_CALL(ftruncate, fd, bytes, 0, 0, 0, 0);
}

static inline long sys_fallocate(int fd, uint64_t offset, uint64_t bytes)
{
	return SYS_CALL(fallocate, fd, 0, offset, bytes, 0, 0);
}

/* Largest size of a file that this process may write: past it the kernel sends SIGXFSZ. */
static inline uint64_t sys_file_limit(void)
{
	struct rlimit limit;

	return SYS_CALL(prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0) < 0 ? UINT64_MAX
									     : limit.rlim_cur;
}

static inline int sys_getpid(void)
{
	return (int)SYS_CALL(getpid, 0, 0, 0, 0, 0, 0);
}

static inline int sys_gettid(void)
{
	return (int)SYS_CALL(gettid, 0, 0, 0, 0, 0, 0);
}

/* @return 0 when the thread exists in this process. */
static inline long sys_tgkill(int pid, int tid, int signal)
{
	return SYS_CALL(tgkill, pid, tid, signal, 0, 0, 0);
}

static inline long sys_getrusage(int who, struct rusage *ret_usage)
{
	return SYS_CALL(getrusage, who, ret_usage, 0, 0, 0, 0);
}

/* Waits while *word is value, at most timeout_ns. */
static inline long sys_futex_wait(uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec timeout = {(time_t)(timeout_ns / 1000000000u),
				   (long)(timeout_ns % 1000000000u)};

	return SYS_CALL(futex, word, FUTEX_WAIT_PRIVATE, value, &timeout, 0, 0);
}

static inline long sys_futex_wake(uint32_t *word, int count)
{
	return SYS_CALL(futex, word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0);
}

#endif
