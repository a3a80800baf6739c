/* SPDX-License-Identifier: MIT */
/*
 * The hook on the program's start: after all constructors. Entered once, by the main thread, from
 * the program's _start; it leaves no frame on the stack below main.
 */
#include <dlfcn.h>

#include "hook.h"
#include "hooked.h"
#include "init.h"
#include "privacy.h"
#include "real.h"

/* A malloc in the program itself, or in a library before us, takes all calls: say so. */
static void check_allocator(void)
{
	void *found = real_dlsym(RTLD_DEFAULT, "malloc");
	struct hook_scope scope;
	Dl_info own, info;

	if (!dladdr((const void *)check_allocator, &own) || !dladdr(found, &info) ||
	    !info.dli_fname || info.dli_fbase == own.dli_fbase)
		return;
	if (hook_enter(&scope, LT_GROUP_system, NULL)) {
		HOOK_EMIT(&scope, notice, LT_notice_kind_allocator_replaced, clock_after(), 0,
			  event->value = (uintptr_t)found;
			  event->text = privacy_intern(info.dli_fname); event->reserved = 0);
		hook_leave(&scope);
	}
}

LT_EXPORT int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv,
				void (*init_function)(void), void (*fini_function)(void),
				void (*loader_fini)(void), void *stack_end)
{
	if (init_pid)
		check_allocator();
	return real___libc_start_main(main_function, argc, argv, init_function, fini_function,
				      loader_fini, stack_end);
}
