/* SPDX-License-Identifier: MIT */
/*
 * Hooks of the malloc family: the hottest path. Any thread, signal handlers, before main. Blocks of
 * the bootstrap arena (boot_arena.h) arrive here too, for as long as the process lives.
 *
 * A failed realloc leaves the old block alive, realloc(p, 0) frees it: the report tells them apart
 * by the size in realloc_end. C++ new and delete, strdup, getline and all others arrive through
 * these entry points.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "boot_arena.h"
#include "hook.h"
#include "hooked.h"
#include "real.h"

static inline void record_alloc(const void *caller, unsigned call, const void *addr, size_t size)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, alloc, call, clock_after(), hook_stack(&scope),
		  event->addr = (uintptr_t)addr;
		  event->size_bytes = size);
	hook_leave(&scope);
}

static inline void record_aligned(const void *caller, unsigned call, const void *addr,
				  size_t alignment, size_t size)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, alloc_aligned, call, clock_after(), hook_stack(&scope),
		  event->addr = (uintptr_t)addr;
		  event->size_bytes = size; event->alignment_bytes = alignment);
	hook_leave(&scope);
}

/*
 * Before the real call: from then on another thread may get the same address. Nothing happens to
 * NULL; the C library frees it 18 times at the end of a thread.
 */
static inline void record_free(const void *caller, unsigned call, const void *addr)
{
	struct hook_scope scope;

	if (!addr || !hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, free, call, clock_now(), 0, event->addr = (uintptr_t)addr);
	hook_leave(&scope);
}

static void record_realloc_begin(const void *caller, unsigned call, const void *addr)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, realloc_begin, call, clock_now(), 0, event->addr = (uintptr_t)addr);
	hook_leave(&scope);
}

static void record_realloc_end(const void *caller, unsigned call, const void *addr, size_t size)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, realloc_end, call, clock_after(), hook_stack(&scope),
		  event->addr = (uintptr_t)addr;
		  event->size_bytes = size);
	hook_leave(&scope);
}

static void record_heap_call(const void *caller, unsigned call, uint64_t argument, int64_t result)
{
	struct hook_scope scope;

	if (!hook_enter(&scope, LT_GROUP_heap, caller))
		return;
	HOOK_EMIT(&scope, heap_call, call, clock_after(), hook_stack(&scope),
		  event->argument = argument;
		  event->result = result);
	hook_leave(&scope);
}

LT_EXPORT void *malloc(size_t size)
{
	void *addr = real_malloc(size);

	record_alloc(HOOK_CALLER(), LT_alloc_call_malloc, addr, size);
	return addr;
}

/*
 * The size is the product: when it overflows the call fails, and the record holds the largest size.
 */
static size_t product_bytes(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

LT_EXPORT void *calloc(size_t count, size_t size)
{
	void *addr = real_calloc(count, size);

	record_alloc(HOOK_CALLER(), LT_alloc_call_calloc, addr, product_bytes(count, size));
	return addr;
}

static void *refuse(void)
{
	errno = ENOMEM;
	return NULL;
}

/*
 * reallocarray is built on realloc here as it is in the C library: the real one would come back
 * through our realloc.
 */
static void *reallocate(const void *caller, unsigned call, void *addr, size_t count, size_t size)
{
	size_t bytes = product_bytes(count, size);
	void *result;

	if (boot_arena_owns(addr)) {
		result = call == LT_alloc_call_realloc && bytes == 0 ? NULL
								     : boot_arena_move(addr, bytes);
		record_alloc(caller, call, result, bytes);
		return result;
	}
	if (addr)
		record_realloc_begin(caller, call, addr);
	result = bytes == SIZE_MAX ? refuse() : real_realloc(addr, bytes);
	if (addr)
		record_realloc_end(caller, call, result, bytes);
	else
		record_alloc(caller, call, result, bytes);
	return result;
}

LT_EXPORT void *realloc(void *addr, size_t size)
{
	return reallocate(HOOK_CALLER(), LT_alloc_call_realloc, addr, 1, size);
}

LT_EXPORT void *reallocarray(void *addr, size_t count, size_t size)
{
	return reallocate(HOOK_CALLER(), LT_alloc_call_reallocarray, addr, count, size);
}

LT_EXPORT void free(void *addr)
{
	if (LT_UNLIKELY(boot_arena_owns(addr)))
		return;
	record_free(HOOK_CALLER(), LT_alloc_call_free, addr);
	real_free(addr);
}

LT_EXPORT void cfree(void *addr)
{
	if (boot_arena_owns(addr))
		return;
	record_free(HOOK_CALLER(), LT_alloc_call_cfree, addr);
	real_cfree(addr);
}

LT_EXPORT void free_sized(void *addr, size_t size)
{
	if (boot_arena_owns(addr))
		return;
	record_free(HOOK_CALLER(), LT_alloc_call_free_sized, addr);
	real_free_sized(addr, size);
}

LT_EXPORT void free_aligned_sized(void *addr, size_t alignment, size_t size)
{
	if (boot_arena_owns(addr))
		return;
	record_free(HOOK_CALLER(), LT_alloc_call_free_aligned_sized, addr);
	real_free_aligned_sized(addr, alignment, size);
}

LT_EXPORT void *memalign(size_t alignment, size_t size)
{
	void *addr = real_memalign(alignment, size);

	record_aligned(HOOK_CALLER(), LT_alloc_call_memalign, addr, alignment, size);
	return addr;
}

LT_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	void *addr = real_aligned_alloc(alignment, size);

	record_aligned(HOOK_CALLER(), LT_alloc_call_aligned_alloc, addr, alignment, size);
	return addr;
}

LT_EXPORT int posix_memalign(void **ret_addr, size_t alignment, size_t size)
{
	int error = real_posix_memalign(ret_addr, alignment, size);

	/* *ret_addr is not set by a call that failed */
	record_aligned(HOOK_CALLER(), LT_alloc_call_posix_memalign, error ? NULL : *ret_addr,
		       alignment, size);
	return error;
}

LT_EXPORT void *valloc(size_t size)
{
	void *addr = real_valloc(size);

	record_aligned(HOOK_CALLER(), LT_alloc_call_valloc, addr, 4096, size);
	return addr;
}

LT_EXPORT void *pvalloc(size_t size)
{
	void *addr = real_pvalloc(size);

	record_aligned(HOOK_CALLER(), LT_alloc_call_pvalloc, addr, 4096, size);
	return addr;
}

LT_EXPORT size_t malloc_usable_size(void *addr)
{
	size_t size = boot_arena_owns(addr) ? boot_arena_size(addr) : real_malloc_usable_size(addr);

	record_heap_call(HOOK_CALLER(), LT_heap_call_malloc_usable_size, (uintptr_t)addr,
			 (int64_t)size);
	return size;
}

LT_EXPORT int malloc_trim(size_t pad)
{
	int result = real_malloc_trim(pad);

	record_heap_call(HOOK_CALLER(), LT_heap_call_malloc_trim, pad, result);
	return result;
}

LT_EXPORT int mallopt(int parameter, int value)
{
	int result = real_mallopt(parameter, value);

	record_heap_call(HOOK_CALLER(), LT_heap_call_mallopt, (uint64_t)(int64_t)value, parameter);
	return result;
}
