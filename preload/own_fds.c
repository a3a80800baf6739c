/* SPDX-License-Identifier: MIT */
/*
 * The shim's own descriptors; see own_fds.h. A table of a few numbers that any thread may read; it
 * changes at start, when the trace is closed, and when the target wants one of the numbers.
 */
#include "own_fds.h"

#include "sys.h"

#define OWN_FD_MAX 8u
#define TAKEN INT32_MIN /* a place that is being filled in */

static int fds[OWN_FD_MAX]; /* the number plus 1, 0: free */
static uint64_t devices[OWN_FD_MAX], inodes[OWN_FD_MAX];

/*
 * As high as the limit allows, in steps: programs walk up from 0, and few close past 1,000 one by
 * one.
 */
static long move_up(int fd)
{
	static const int floors[] = {65000, 4000, 1000, 500, 200, 100};
	long moved = -1;

	for (unsigned i = 0; i < sizeof(floors) / sizeof(floors[0]) && moved < 0; i++)
		moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, floors[i]);
	return moved;
}

/* Under this limit there are no such numbers: then the highest of those that it leaves. */
static long move_to_end(int fd)
{
	struct rlimit limit;
	long moved = -1;

	if (SYS_CALL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit, 0, 0) < 0)
		return -1;
	for (long low = (long)limit.rlim_cur - 1; low > fd && moved < 0; low--)
		moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, low);
	return moved;
}

static void remember_file(int handle, int fd)
{
	struct stat stat;

	if (sys_fstat(fd, &stat) < 0)
		return;
	devices[handle] = stat.st_dev;
	inodes[handle] = stat.st_ino;
}

int own_fd_adopt(int fd)
{
	long moved = move_up(fd);

	if (moved < 0)
		moved = move_to_end(fd);
	if (moved >= 0) {
		sys_close(fd);
		fd = (int)moved;
	}
	for (int handle = 0; handle < (int)OWN_FD_MAX; handle++) {
		int expected = 0;

		if (!__atomic_compare_exchange_n(&fds[handle], &expected, TAKEN, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		remember_file(handle, fd);
		__atomic_store_n(&fds[handle], fd + 1, __ATOMIC_RELEASE);
		return handle;
	}
	sys_close(fd);
	return -1;
}

int own_fd_number(int handle)
{
	int number = __atomic_load_n(&fds[handle], __ATOMIC_ACQUIRE);

	return number > 0 ? number - 1 : -1;
}

void own_fd_forget(int handle)
{
	__atomic_store_n(&fds[handle], 0, __ATOMIC_RELEASE);
}

/* In this thread's table: the target may have a file of its own at the number. */
static bool is_our_file(unsigned handle, int fd)
{
	struct stat stat;

	return sys_fstat(fd, &stat) == 0 && stat.st_dev == devices[handle] &&
	       stat.st_ino == inodes[handle];
}

void own_fd_close(int handle)
{
	int fd = __atomic_exchange_n(&fds[handle], 0, __ATOMIC_ACQ_REL) - 1;

	if (fd >= 0 && is_our_file((unsigned)handle, fd))
		sys_close(fd);
}

void own_fds_hide(void)
{
	for (unsigned i = 0; i < OWN_FD_MAX; i++) {
		int fd = own_fd_number((int)i);

		if (fd >= 0 && is_our_file(i, fd))
			sys_close(fd);
	}
}

bool own_fd_is(int fd)
{
	for (unsigned i = 0; i < OWN_FD_MAX; i++)
		if (__atomic_load_n(&fds[i], __ATOMIC_ACQUIRE) == fd + 1)
			return fd >= 0 && is_our_file(i, fd);
	return false;
}

bool own_fd_yield(int fd)
{
	long moved = sys_fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);

	if (moved < 0)
		moved = move_up(fd);
	if (moved < 0)
		return false;
	for (unsigned i = 0; i < OWN_FD_MAX; i++) {
		int expected = fd + 1;

		if (__atomic_compare_exchange_n(&fds[i], &expected, (int)moved + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return true;
	}
	sys_close((int)moved);
	return false;
}

bool own_fd_in_range(unsigned first, unsigned last, unsigned *ret_lowest)
{
	bool is_found = false;

	for (unsigned i = 0; i < OWN_FD_MAX; i++) {
		int fd = __atomic_load_n(&fds[i], __ATOMIC_ACQUIRE);

		if (fd-- <= 0 || (unsigned)fd < first || (unsigned)fd > last || !is_our_file(i, fd))
			continue;
		if (!is_found || (unsigned)fd < *ret_lowest)
			*ret_lowest = (unsigned)fd;
		is_found = true;
	}
	return is_found;
}
