/* SPDX-License-Identifier: MIT */
/*
 * Call stacks by libunwind's unw_backtrace; see stack.h. Entered by every thread inside hooks.
 * libunwind's first walk in a thread allocates and blocks signals for a moment; the mark of the
 * hook keeps its calls out of the record.
 */
#include "stack.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"
#include "intern.h"
#include "loader_trust.h"
#include "modules.h"
#include "real.h"
#include "sys.h"

/* Frames of our own between the walker and the hook's caller. */
#define OWN_FRAMES_MAX 8u

uint32_t stack_generation;
struct code_range stack_walker_code;

typedef int backtrace_fn(void **addrs, int count);

static backtrace_fn *walk;
static void (*flush_cache)(void *space, uintptr_t low, uintptr_t high);
static void **local_space;
static unsigned depth_max = 1;

static const char *method;
static bool is_pending; /* the walker is still to be opened */
static struct code_range loader_code;

struct range_search {
	uintptr_t wanted;
	struct code_range found;
};

static int find_range(struct dl_phdr_info *info, size_t size, void *context)
{
	struct range_search *search = context;
	struct code_range range = {UINTPTR_MAX, 0};

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD)
			continue;
		if (info->dlpi_addr + segment->p_vaddr < range.start)
			range.start = info->dlpi_addr + segment->p_vaddr;
		if (info->dlpi_addr + segment->p_vaddr + segment->p_memsz > range.end)
			range.end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
	}
	if (search->wanted < range.start || search->wanted >= range.end)
		return 0;
	search->found = range;
	return 1;
}

static struct code_range range_of(uintptr_t addr)
{
	struct range_search search = {addr, {0, 0}};

	dl_iterate_phdr(find_range, &search);
	return search.found;
}

static bool is_inside(const struct code_range *range, const void *addr)
{
	return (uintptr_t)addr - range->start < range->end - range->start;
}

void stack_init(unsigned depth)
{
	depth_max = depth < LT_STACK_MAX_DEPTH ? depth : LT_STACK_MAX_DEPTH;
	is_pending = depth > 1;
	if (!is_pending)
		method = "caller only: call stacks were switched off";
	else
		/* not AT_BASE: that is 0 when the loader was started by hand */
		loader_code = range_of((uintptr_t)_r_debug.r_ldbase);
}

static const char *open_walker(void)
{
	int (*set_policy)(void *space, int policy);
	void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	backtrace_fn *found;

	if (!library)
		return "caller only: libunwind.so.8 is not installed";
	found = (backtrace_fn *)real_dlsym(library, "unw_backtrace");
	local_space = real_dlsym(library, "_ULx86_64_local_addr_space");
	set_policy = (int (*)(void *, int))real_dlsym(library, "_ULx86_64_set_caching_policy");
	flush_cache =
		(void (*)(void *, uintptr_t, uintptr_t))real_dlsym(library, "_Ux86_64_flush_cache");
	if (!found)
		return "caller only: libunwind.so.8 has no unw_backtrace";
	stack_walker_code = range_of((uintptr_t)found); /* known before its first call, which makes a pipe */
	if (set_policy && local_space)
		set_policy(*local_space, 2); /* UNW_CACHE_PER_THREAD: no lock between threads */
	__atomic_store_n(&walk, found, __ATOMIC_RELEASE);
	return "libunwind";
}

/*
 * A thread that waited for the loader's lock here could be one that a constructor waits for; and a
 * call from inside the loader must not enter it again.
 */
static bool is_right_moment(const void *caller)
{
	return environ && sys_gettid() == sys_getpid() && !is_inside(&loader_code, caller);
}

void stack_open_walker(const void *caller)
{
	struct hook_scope *outer;
	const char *result;
	int saved_errno = errno;

	if (!is_pending || !loader_is_usable() || !is_right_moment(caller))
		return;
	is_pending = false;
	outer = hook_own_begin();
	result = open_walker();
	dlerror();
	modules_refresh();
	hook_own_end(outer);
	__atomic_store_n(&method, result, __ATOMIC_RELEASE);
	errno = saved_errno;
}

const char *stack_method(void)
{
	return __atomic_load_n(&method, __ATOMIC_ACQUIRE);
}

bool stack_is_own_code(const void *addr)
{
	/* the loader allocates for the walker: its thread-local memory */
	return stack_is_walker(addr) || is_inside(&loader_code, addr);
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
	unsigned count;
	int found;

	if (LT_UNLIKELY(!walk))
		stack_open_walker(caller);
	found = walk && loader_is_usable() ? walk(frames, (int)(depth_max + OWN_FRAMES_MAX)) : 0;
	count = trim(frames, frames_from(frames, found, caller, &first));
	if (count > depth_max) {
		count = depth_max;
		generation |= LT_STACK_IS_TRUNCATED;
	}
	return find_id(ring, first, count * (uint32_t)sizeof(*first), generation);
}
