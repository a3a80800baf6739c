/* SPDX-License-Identifier: MIT */
/* See loader_trust.h. A forked child's first thread, and its heir (writer.c). */
#include "loader_trust.h"

#include <limits.h>
#include <link.h>

#include "sys.h"

#define PATIENCE_NS 50000000u

uint32_t loader_is_distrusted; /* futex */

static int look_once(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)info;
	(void)size;
	(void)context;
	return 1;
}

void loader_distrust(void)
{
	__atomic_store_n(&loader_is_distrusted, 1, __ATOMIC_RELEASE);
}

void loader_try(void)
{
	dl_iterate_phdr(look_once, NULL);
	__atomic_store_n(&loader_is_distrusted, 0, __ATOMIC_RELEASE);
	sys_futex_wake(&loader_is_distrusted, INT_MAX);
}

void loader_wait(void)
{
	sys_futex_wait(&loader_is_distrusted, 1, PATIENCE_NS);
}
