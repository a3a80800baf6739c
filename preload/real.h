/* SPDX-License-Identifier: MIT */
/*
 * Pointers to the real functions behind the hooks: real_malloc and so on, never NULL. They start at
 * lt_boot_<name> (arch boot.S), which resolves all of them on the first call of any.
 *
 * Any thread, any time; a call through them is the target's own call and costs nothing extra.
 */
#ifndef LLMTRACE_REAL_H
#define LLMTRACE_REAL_H

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

#define LT_HOOK(need, result, name, params, group) extern result(*real_##name) params;
#include "hooks.def"
#undef LT_HOOK

/*
 * Finds every real function; the second and later calls return at once. Uses dlsym, which may
 * allocate: until it is done the heap pointers lead to the bootstrap arena (boot_arena.h). Leaves
 * no dlerror behind.
 */
void real_resolve(void);

/* The real dlsym, found without calling dlsym. Valid after real_resolve. */
extern void *(*real_dlsym)(void *handle, const char *name);

#endif
