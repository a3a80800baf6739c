/* SPDX-License-Identifier: MIT */
/* The shim's private memory: mapped, named, counted. Any thread; two system calls each, so never in a hot path. */
#include <sys/prctl.h>

#include "sys.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif

static uint64_t held_bytes;

void *sys_memory(size_t bytes)
{
	void *addr = sys_map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!addr)
		return NULL;
	SYS_CALL(prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, bytes, "llmtrace", 0);
	__atomic_add_fetch(&held_bytes, bytes, __ATOMIC_RELAXED);
	return addr;
}

void sys_memory_release(void *addr, size_t bytes)
{
	sys_unmap(addr, bytes);
	__atomic_sub_fetch(&held_bytes, bytes, __ATOMIC_RELAXED);
}

uint64_t sys_memory_bytes(void)
{
	return __atomic_load_n(&held_bytes, __ATOMIC_RELAXED);
}
