/* SPDX-License-Identifier: MIT */
/*
 * The hook on pipe2: libunwind makes a pipe in the first walk, to probe addresses with. A target
 * that counts on getting the lowest numbers must not find it there. Any thread; nothing is
 * recorded.
 */
#include <fcntl.h>
#include <unistd.h>

#include "hook.h"
#include "hooked.h"
#include "own_fds.h"
#include "real.h"

static bool move_away(int *fd)
{
	int handle = own_fd_adopt(*fd);

	if (handle < 0)
		return false;
	*fd = own_fd_number(handle);
	return true;
}

LT_EXPORT int pipe2(int ret_fds[2], int flags)
{
	int result = real_pipe2(ret_fds, flags);

	if (result == 0 && LT_UNLIKELY(stack_is_walker(HOOK_CALLER())))
		if (move_away(&ret_fds[0]))
			move_away(&ret_fds[1]);
	return result;
}
