/* SPDX-License-Identifier: MIT */
/*
 * The real functions behind the hooks; see real.h. The first caller of any hook resolves all of
 * them: in practice the loader's own allocation, or our constructor, while there is one thread.
 */
#include "real.h"

#include <dlfcn.h>
#include <link.h>

#include "boot_arena.h"
#include "fallbacks.h"
#include "hook.h"

#define LT_HOOK(need, result, name, params, group)                                                 \
	extern result lt_boot_##name params;                                                       \
	result(*real_##name) params = lt_boot_##name;
#include "hooks.def"
#undef LT_HOOK

void *(*real_dlsym)(void *handle, const char *name);

struct hook_row {
	const char *name;
	void **real;
	void *fallback; /* NULL for required functions */
};

#define FALLBACK_required(name) NULL
#define FALLBACK_optional(name) (void *)fallback_##name

static const struct hook_row rows[] = {
#define LT_HOOK(need, result, name, params, group)                                                 \
	{#name, (void **)&real_##name, FALLBACK_##need(name)},
#include "hooks.def"
#undef LT_HOOK
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static void use_boot_arena(void)
{
	real_malloc = boot_arena_malloc;
	real_calloc = boot_arena_calloc;
	real_realloc = boot_arena_realloc;
	real_memalign = boot_arena_memalign;
	real_aligned_alloc = boot_arena_memalign;
	real_free = boot_arena_free;
}

/*
 * dlvsym is not hooked; the version names are those of x86-64, of aarch64, and of both after libdl
 * moved into libc. The first one is there: a look-up that fails would allocate.
 */
static void find_real_dlsym(void)
{
	static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34"};

	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]) && !real_dlsym; i++)
		real_dlsym =
			(void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[i]);
}

static void *row_find(const struct hook_row *row)
{
	void *real = real_dlsym ? real_dlsym(RTLD_NEXT, row->name) : NULL;

	return real ? real : row->fallback;
}

/*
 * The required functions first: the loader allocates when a name is missing, and a malloc of the
 * program itself may then start up with calls of functions that are hooked.
 */
static void find_rows(bool is_required)
{
	void *found[ROW_COUNT];

	for (unsigned i = 0; i < ROW_COUNT; i++) {
		if (is_required == !rows[i].fallback)
			found[i] = row_find(&rows[i]);
		else
			found[i] = is_required ? rows[i].fallback : NULL;
	}
	for (unsigned i = 0; i < ROW_COUNT; i++)
		if (found[i])
			__atomic_store_n(rows[i].real, found[i], __ATOMIC_RELEASE);
}

enum { UNRESOLVED, RESOLVING, RESOLVED };

void real_resolve(void)
{
	static int state;
	struct hook_scope *outer;
	int expected = UNRESOLVED;

	if (!__atomic_compare_exchange_n(&state, &expected, RESOLVING, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_ACQUIRE))
		return;
	outer = hook_own_begin();
	use_boot_arena();
	find_real_dlsym();
	find_rows(true);
	find_rows(false);
	dlerror(); /* what a missing optional function has left behind is not the target's */
	hook_own_end(outer);
	__atomic_store_n(&state, RESOLVED, __ATOMIC_RELEASE);
}
