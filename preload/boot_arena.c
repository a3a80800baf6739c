/* SPDX-License-Identifier: MIT */
/* The bootstrap arena; see boot_arena.h. Entered by whichever thread allocates first. */
#include "boot_arena.h"

#include <string.h>

#include "real.h"

uint8_t boot_arena_bytes[BOOT_ARENA_BYTES] __attribute__((aligned(4096)));
static size_t used_bytes;

/* The size stands in the 16 bytes before a block. */
void *boot_arena_memalign(size_t alignment, size_t size)
{
	size_t start, end;

	if (alignment < 16)
		alignment = 16;
	if (size > BOOT_ARENA_BYTES || alignment > 4096 || alignment & (alignment - 1))
		return NULL;
	start = __atomic_load_n(&used_bytes, __ATOMIC_RELAXED);
	do {
		size_t block = (start + 16 + alignment - 1) & ~(alignment - 1);

		end = (block + size + 15) & ~(size_t)15;
		if (end > BOOT_ARENA_BYTES)
			return NULL;
	} while (!__atomic_compare_exchange_n(&used_bytes, &start, end, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	start = (start + 16 + alignment - 1) & ~(alignment - 1);
	memcpy(&boot_arena_bytes[start - 16], &size, sizeof(size));
	return &boot_arena_bytes[start];
}

void *boot_arena_malloc(size_t size)
{
	return boot_arena_memalign(16, size);
}

void *boot_arena_calloc(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? NULL : boot_arena_memalign(16, bytes);
}

void *boot_arena_realloc(void *addr, size_t size)
{
	void *result = boot_arena_malloc(size);

	if (addr && result)
		memcpy(result, addr, size < boot_arena_size(addr) ? size : boot_arena_size(addr));
	return result;
}

void boot_arena_free(void *addr)
{
	(void)addr;
}

size_t boot_arena_size(const void *addr)
{
	size_t size;

	memcpy(&size, (const uint8_t *)addr - 16, sizeof(size));
	return size;
}

void *boot_arena_move(void *addr, size_t size)
{
	void *result = real_malloc(size);

	if (result)
		memcpy(result, addr, size < boot_arena_size(addr) ? size : boot_arena_size(addr));
	return result;
}
