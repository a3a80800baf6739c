/* SPDX-License-Identifier: MIT */
/*
 * The hook on dlclose: what is about to go must be known before, and caches of its code must be
 * dropped after. Any thread, outside signal handlers. dlopen is never hooked: the loader searches
 * by the module of its caller.
 */
#include <dlfcn.h>

#include "hook_call.h"
#include "hooked.h"
#include "modules.h"
#include "phases.h"
#include "process_call.h"
#include "process_fork.h"
#include "real.h"

/* As work of our own: a signal handler that forks meanwhile must not wait for the list of modules.
 */
static void run_own(void (*work)(void))
{
	struct hook_scope *outer = hook_own_begin();

	work();
	hook_own_end(outer);
}

LT_EXPORT int dlclose(void *handle)
{
	bool is_recorded;
	int result;

	/* the shim's own look-ups */
	if (hook_self.mark == HOOK_MARK_OWN)
		return real_dlclose(handle);
	/* a signal handler that has interrupted fork comes with the list of modules locked */
	is_recorded = process_is_recorded() && !process_is_forking();
	if (is_recorded)
		run_own(modules_refresh);
	result = real_dlclose(handle);
	phases_forget_modules();
	if (is_recorded)
		run_own(modules_refresh);
	return result;
}
