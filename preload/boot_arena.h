/* SPDX-License-Identifier: MIT */
/*
 * Memory for the calls that arrive while the real allocator is not known yet: dlsym may allocate
 * while it looks for malloc. A static buffer, handed out once and never taken back; blocks are
 * 16-aligned and know their size. Any thread, no lock. Never aborts: an exhausted arena answers
 * NULL, as malloc may.
 */
#ifndef LLMTRACE_BOOT_ARENA_H
#define LLMTRACE_BOOT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_ARENA_BYTES (128u << 10)

extern uint8_t boot_arena_bytes[BOOT_ARENA_BYTES];

/* Whether a block came from here: true for as long as the process lives. */
static inline bool boot_arena_owns(const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)boot_arena_bytes < BOOT_ARENA_BYTES;
}

/* Stand-ins for the allocator until it is resolved. Memory is zeroed. */
void *boot_arena_malloc(size_t size);
void *boot_arena_calloc(size_t count, size_t size);
void *boot_arena_realloc(void *addr, size_t size);
void *boot_arena_memalign(size_t alignment, size_t size);
void boot_arena_free(void *addr);

/* Bytes of a block. */
size_t boot_arena_size(const void *addr);

/*
 * realloc of a block into the real allocator; the old block stays as it is. NULL when there is no
 * memory.
 */
void *boot_arena_move(void *addr, size_t size);

#endif
