/* SPDX-License-Identifier: MIT */
/*
 * Call stacks by libunwind's unw_backtrace; see stack.h. Entered by every thread inside hooks. libunwind's first walk in a
 * thread allocates and blocks signals for a moment; the mark of the hook keeps its calls out of the record.
 */
#include "stack.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "hook.h"
#include "intern.h"
#include "real.h"

/* Frames of our own between the walker and the hook's caller. */
#define OWN_FRAMES_MAX 8u

uint32_t stack_generation;

typedef int backtrace_fn(void **addrs, int count);

static backtrace_fn *walk;
static void (*flush_cache)(void *space, uintptr_t low, uintptr_t high);
static void **local_space;
static uintptr_t own_start, own_end;
static unsigned depth_max = 1;

static int find_range(struct dl_phdr_info *info, size_t size, void *context)
{
	uintptr_t wanted = (uintptr_t)context;
	uintptr_t start = UINTPTR_MAX, end = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD)
			continue;
		if (info->dlpi_addr + segment->p_vaddr < start)
			start = info->dlpi_addr + segment->p_vaddr;
		if (info->dlpi_addr + segment->p_vaddr + segment->p_memsz > end)
			end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
	}
	if (wanted < start || wanted >= end)
		return 0;
	own_start = start;
	own_end = end;
	return 1;
}

const char *stack_init(unsigned depth)
{
	int (*set_policy)(void *space, int policy);
	void *library;

	if (depth <= 1)
		return "call stacks were switched off";
	library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return "libunwind.so.8 is not installed";
	walk = (backtrace_fn *)real_dlsym(library, "unw_backtrace");
	local_space = real_dlsym(library, "_ULx86_64_local_addr_space");
	set_policy = (int (*)(void *, int))real_dlsym(library, "_ULx86_64_set_caching_policy");
	flush_cache = (void (*)(void *, uintptr_t, uintptr_t))real_dlsym(library, "_Ux86_64_flush_cache");
	if (!walk)
		return "libunwind.so.8 has no unw_backtrace";
	if (set_policy && local_space)
		set_policy(*local_space, 2);	/* UNW_CACHE_PER_THREAD: no lock between threads */
	dl_iterate_phdr(find_range, (void *)(uintptr_t)walk);
	depth_max = depth < LT_STACK_MAX_DEPTH ? depth : LT_STACK_MAX_DEPTH;
	return NULL;
}

bool stack_is_own_code(const void *addr)
{
	return (uintptr_t)addr >= own_start && (uintptr_t)addr < own_end;
}

void stack_forget_modules(void)
{
	if (flush_cache && local_space)
		flush_cache(*local_space, 0, 0);
}

/* The frames from caller on; the caller alone when the walk did not come past it. */
static unsigned frames_from(void **frames, int count, const void *caller, void ***ret_first)
{
	for (int i = 0; i < count && i < (int)OWN_FRAMES_MAX; i++) {
		if (frames[i] != caller)
			continue;
		*ret_first = &frames[i];
		return (unsigned)(count - i);
	}
	frames[0] = (void *)(uintptr_t)caller;
	*ret_first = frames;
	return 1;
}

/* The outermost frames of a thread (start code) end in a 0 on some systems. */
static unsigned trim(void **frames, unsigned count)
{
	while (count > 1 && !frames[count - 1])
		count--;
	return count;
}

static uint32_t find_id(struct lt_ring *ring, void **frames, uint32_t length, uint32_t generation)
{
	uint64_t hash = intern_hash(frames, length, generation);
	struct lt_stack_cache_entry *cached = &ring->stack_cache[hash % LT_STACK_CACHE_ENTRIES];
	uint32_t id;

	if (LT_LIKELY(cached->hash == hash && cached->id)) {
		const struct lt_intern_entry *entry = intern_entry(cached->id);

		if (entry->length == length && entry->generation == generation &&
		    !memcmp(entry->data, frames, length))
			return cached->id;
	}
	id = intern_bytes(LT_INTERN_STACK, frames, length, generation, hash);
	if (!id) {
		ring->lost_stack_count++;
		return 0;
	}
	cached->hash = hash;
	cached->id = id;
	return id;
}

uint32_t stack_capture(struct lt_ring *ring, const void *caller)
{
	void *frames[LT_STACK_MAX_DEPTH + OWN_FRAMES_MAX], **first;
	uint32_t generation = __atomic_load_n(&stack_generation, __ATOMIC_RELAXED);
	int found = walk ? walk(frames, (int)(depth_max + OWN_FRAMES_MAX)) : 0;
	unsigned count = trim(frames, frames_from(frames, found, caller, &first));

	if (count > depth_max) {
		count = depth_max;
		generation |= LT_STACK_IS_TRUNCATED;
	}
	return find_id(ring, first, count * (uint32_t)sizeof(*first), generation);
}
