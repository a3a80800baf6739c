/* SPDX-License-Identifier: MIT */
/*
 * The hook on the program's start: after all constructors. Entered once, by the main thread, from
 * the program's _start; it leaves no frame on the stack below main.
 */
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>

#include "hook.h"
#include "hooked.h"
#include "init.h"
#include "privacy.h"
#include "real.h"

static void say(unsigned kind, void *found, const char *where)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_system, NULL))
		return;
	HOOK_EMIT(&scope, notice, kind, clock_after(), 0, event->value = (uintptr_t)found;
		  event->text = privacy_intern(where); event->reserved = 0);
	hook_leave(&scope);
}

/*
 * A malloc in the program itself, or in a library before us, takes all calls: say so. A program
 * that is loaded at a fixed address and takes malloc's address has a stub of that name, which leads
 * to us: it has an address, but no section.
 */
static void check_allocator(void)
{
	void *found = real_dlsym(RTLD_DEFAULT, "malloc");
	const ElfW(Sym) *symbol = NULL;
	Dl_info own, info;

	if (!dladdr((const void *)check_allocator, &own) ||
	    !dladdr1(found, &info, (void **)&symbol, RTLD_DL_SYMENT) || !info.dli_fname ||
	    info.dli_fbase == own.dli_fbase || (symbol && symbol->st_shndx == SHN_UNDEF))
		return;
	say(LT_notice_kind_allocator_replaced, found, info.dli_fname);
}

/*
 * An allocator that is linked in, such as jemalloc, has operators new of its own. Only then are
 * they looked for: a name that is missing makes the loader allocate.
 */
static void check_operators(void)
{
	struct hook_scope *outer;
	Dl_info libc, allocator, operators;
	void *found;

	if (!dladdr((const void *)gnu_get_libc_version, &libc) ||
	    !dladdr((const void *)real_malloc, &allocator) || allocator.dli_fbase == libc.dli_fbase)
		return;
	outer = hook_own_begin();
	found = real_dlsym(RTLD_DEFAULT, "_Znwm");
	dlerror();
	hook_own_end(outer);
	if (found && dladdr(found, &operators) && operators.dli_fbase == allocator.dli_fbase)
		say(LT_notice_kind_allocator_has_new, found, operators.dli_fname);
}

LT_EXPORT int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv,
				void (*init_function)(void), void (*fini_function)(void),
				void (*loader_fini)(void), void *stack_end)
{
	if (init_pid) {
		check_allocator();
		check_operators();
	}
	return real___libc_start_main(main_function, argc, argv, init_function, fini_function,
				      loader_fini, stack_end);
}
