/* SPDX-License-Identifier: MIT */
/*
 * See process_fork.h. Entered by any thread in fork, between the target's own handlers of
 * pthread_atfork and the system call.
 */
#include "process_fork.h"

#include <stddef.h>
#include <stdint.h>

#include "hook.h"
#include "modules.h"
#include "pool.h"

/* Forks that are inside each other: one more for each signal handler that has interrupted one. */
static __thread uint8_t depth __attribute__((tls_model("initial-exec")));
static __thread bool has_lock __attribute__((tls_model("initial-exec")));
static __thread bool has_pool __attribute__((tls_model("initial-exec")));

/* What pthread_atfork calls. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			     void *library);

/*
 * A handler that forks may have interrupted this thread while it has a lock: inside a hook or work of
 * our own, or inside another fork, which counts before it locks and after it unlocks.
 */
static void before_fork(void)
{
	if (hook_self.mark)
		return;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (depth++ > 0)
		return;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	has_lock = modules_lock();
	has_pool = pool_hold();
}

/* In the child of such a handler's fork the count has begun anew. */
static void after_fork_in_parent(void)
{
	if (hook_self.mark || !depth)
		return;
	if (depth == 1) {
		if (has_pool)
			pool_release();
		if (has_lock)
			modules_unlock();
		has_pool = has_lock = false;
	}
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	depth--;
}

static void after_fork_in_child(void)
{
	depth = 0;
	has_pool = has_lock = false;
	pool_release();
	modules_after_fork();
}

/* Of no library: the end of ours must not take the second half from a fork that is under way. */
void process_fork_init(void)
{
	__register_atfork(before_fork, after_fork_in_parent, after_fork_in_child, NULL);
}

bool process_is_forking(void)
{
	return depth;
}
