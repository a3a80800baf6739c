/* SPDX-License-Identifier: MIT */
/*
 * The shim's private memory: mapped, counted, and remembered, so that it can be told apart from the
 * target's. Any thread; a system call each, so never in a hot path.
 */
#include "sys.h"

#define RANGE_MAX 1024u

struct range {
	uint64_t start; /* 0: free */
	uint64_t bytes;
};

static struct range ranges[RANGE_MAX];
static uint32_t range_count; /* places that were ever used */
static uint64_t held_bytes;

static void remember(uint64_t start, uint64_t bytes)
{
	for (uint32_t i = 0; i < RANGE_MAX; i++) {
		uint64_t expected = 0;

		if (!__atomic_compare_exchange_n(&ranges[i].start, &expected, start, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		ranges[i].bytes = bytes;
		if (i >= __atomic_load_n(&range_count, __ATOMIC_RELAXED))
			__atomic_store_n(&range_count, i + 1, __ATOMIC_RELEASE);
		return;
	}
}

void *sys_memory(size_t bytes)
{
	void *addr = sys_map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!addr)
		return NULL;
	remember((uintptr_t)addr, (bytes + 4095) & ~(size_t)4095);
	__atomic_add_fetch(&held_bytes, bytes, __ATOMIC_RELAXED);
	return addr;
}

void sys_memory_release(void *addr, size_t bytes)
{
	for (uint32_t i = 0; i < RANGE_MAX; i++)
		if (__atomic_load_n(&ranges[i].start, __ATOMIC_RELAXED) == (uintptr_t)addr)
			__atomic_store_n(&ranges[i].start, 0, __ATOMIC_RELEASE);
	sys_unmap(addr, bytes);
	__atomic_sub_fetch(&held_bytes, bytes, __ATOMIC_RELAXED);
}

uint64_t sys_memory_bytes(void)
{
	return __atomic_load_n(&held_bytes, __ATOMIC_RELAXED);
}

bool sys_memory_in_range(uint64_t start, uint64_t end, uint64_t *ret_start, uint64_t *ret_end)
{
	uint32_t count = __atomic_load_n(&range_count, __ATOMIC_ACQUIRE);
	bool is_found = false;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t first = __atomic_load_n(&ranges[i].start, __ATOMIC_ACQUIRE);

		if (!first || first >= end || first + ranges[i].bytes <= start ||
		    (is_found && first >= *ret_start))
			continue;
		is_found = true;
		*ret_start = first < start ? start : first;
		*   ret_end = first + ranges[i].bytes > end ? end : first + ranges[i].bytes;
	}
	return is_found;
}
