/* SPDX-License-Identifier: MIT */
/*
 * The hook on the program's start: the last moment with one thread where libraries can be opened.
 * Entered once, by the main thread, from the program's _start; it leaves no frame on the stack
 * below main.
 */
#include "hook.h"
#include "hooked.h"
#include "init.h"
#include "real.h"
#include "stack.h"

LT_EXPORT int __libc_start_main(int (*main_function)(int, char **, char **), int argc, char **argv,
				void (*init_function)(void), void (*fini_function)(void),
				void (*loader_fini)(void), void *stack_end)
{
	if (init_pid)
		stack_open_walker(NULL);
	return real___libc_start_main(main_function, argc, argv, init_function, fini_function,
				      loader_fini, stack_end);
}
