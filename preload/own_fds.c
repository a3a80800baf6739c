/* SPDX-License-Identifier: MIT */
/*
 * The shim's own descriptors; see own_fds.h. A table of a few numbers that any thread may read; it
 * changes at start, when the trace is closed, and when the target wants one of the numbers.
 */
#include "own_fds.h"

#include "sys.h"

#define OWN_FD_MAX 8u

static int fds[OWN_FD_MAX]; /* the number plus 1, 0: free */

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

int own_fd_adopt(int fd)
{
	long moved = move_up(fd);

	if (moved >= 0) {
		sys_close(fd);
		fd = (int)moved;
	}
	for (int handle = 0; handle < (int)OWN_FD_MAX; handle++) {
		int expected = 0;

		if (__atomic_compare_exchange_n(&fds[handle], &expected, fd + 1, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return handle;
	}
	sys_close(fd);
	return -1;
}

int own_fd_number(int handle)
{
	return __atomic_load_n(&fds[handle], __ATOMIC_ACQUIRE) - 1;
}

void own_fd_forget(int handle)
{
	__atomic_store_n(&fds[handle], 0, __ATOMIC_RELEASE);
}

void own_fd_close(int handle)
{
	int fd = __atomic_exchange_n(&fds[handle], 0, __ATOMIC_ACQ_REL) - 1;

	if (fd >= 0)
		sys_close(fd);
}

bool own_fd_is(int fd)
{
	for (unsigned i = 0; i < OWN_FD_MAX; i++)
		if (__atomic_load_n(&fds[i], __ATOMIC_RELAXED) == fd + 1)
			return fd >= 0;
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
		int fd = __atomic_load_n(&fds[i], __ATOMIC_RELAXED) - 1;

		if (fd < 0 || (unsigned)fd < first || (unsigned)fd > last)
			continue;
		if (!is_found || (unsigned)fd < *ret_lowest)
			*ret_lowest = (unsigned)fd;
		is_found = true;
	}
	return is_found;
}
