/* SPDX-License-Identifier: MIT */
/*
 * The first steps of a forked child. It is off (the kernel has wiped its switch) and has one
 * thread, but the rings, their file and the trace file are still its parent's. Whatever another
 * thread of the parent held or was about to change at the moment of the fork is here for good: no
 * lock of the shim is waited for, and nothing of the parent's recording is used again.
 */
#include "child.h"

#include <errno.h>
#include <string.h>

#include "follow.h"
#include "hook.h"
#include "hook_call.h"
#include "init.h"
#include "modules.h"
#include "options.h"
#include "pool.h"
#include "text.h"
#include "trace_file.h"

static bool is_followed(void)
{
	return !strcmp(options_get()->follow, "1");
}

/*
 * A fork in a signal handler may have interrupted a hook, which goes on after it, with memory in
 * place of the parent's ring. Such a child is not followed.
 */
void child_begin(bool may_follow)
{
	int saved_errno = errno;
	struct hook_scope *outer = hook_own_begin();
	bool is_between_hooks = !outer;
	char parent_pool[LT_POOL_PATH_BYTES];

	text_copy(parent_pool, sizeof(parent_pool), pool_path());
	pool_leave();
	trace_file_close();
	modules_after_fork();
	if (is_between_hooks)
		hook_self.ring = NULL;
	process_has_vforked = false;
	if (may_follow && is_between_hooks && is_followed()) {
		follow_set_parent(parent_pool);
		init_forked_child();
	}
	hook_own_end(outer);
	errno = saved_errno;
}
