/* SPDX-License-Identifier: MIT */
/*
 * Call stacks and their ids; see stack.h. Entered by every thread inside hooks, in signal handlers
 * too. Where a thread's own stack ends is asked once a thread, when it starts.
 */
#include "stack.h"

#include <string.h>

#include "arch.h"
#include "frame_rules.h"
#include "hook.h"
#include "intern.h"
#include "stack_memo.h"

/* Frames of our own between the walker and the hook's caller. */
#define OWN_FRAMES_MAX 8u

/*
 * Linux leaves at least 128 MB below the main thread's stack for it alone (mmap_base in
 * arch/x86/mm/mmap.c), whatever its limit is.
 */
#define MAIN_STACK_BYTES (64u << 20)

/*
 * Above a thread's first frame lie its descriptor and thread-local data, which count in its size.
 */
#define THREAD_DATA_BYTES (128u << 10)

uint32_t stack_generation;

/* The loader's: the stack pointer that the kernel started the program with. */
extern void *__libc_stack_end;

static unsigned depth_max = 1;
static bool is_walking;
static size_t default_bytes;

void stack_init(unsigned depth)
{
	pthread_attr_t attr;

	depth_max = depth < LT_STACK_MAX_DEPTH ? depth : LT_STACK_MAX_DEPTH;
	is_walking = depth > 1 && frame_rules_init();
	/* a forked child has it from its parent, and its libc may be locked */
	if (default_bytes || pthread_getattr_default_np(&attr))
		return;
	default_bytes = stack_bytes_of(&attr);
	pthread_attr_destroy(&attr);
}

const char *stack_method(void)
{
	return is_walking      ? "call frame information"
	       : depth_max > 1 ? "caller only: no memory for frame rules"
			       : "caller only: call stacks were switched off";
}

struct frame_stack stack_of_main_thread(void)
{
	uintptr_t high = (uintptr_t)__libc_stack_end;

	return (struct frame_stack){high - MAIN_STACK_BYTES, high};
}

size_t stack_bytes_of(const pthread_attr_t *attr)
{
	size_t bytes, guard_bytes;

	if (!attr)
		return default_bytes;
	if (pthread_attr_getstacksize(attr, &bytes) ||
	    pthread_attr_getguardsize(attr, &guard_bytes) ||
	    bytes <= guard_bytes + THREAD_DATA_BYTES)
		return 0;
	return bytes - guard_bytes - THREAD_DATA_BYTES;
}

/* The thread pointer lies above all frames of a thread that the C library has made. */
struct frame_stack stack_of_new_thread(size_t bytes)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t high = (uintptr_t)__builtin_thread_pointer();

	if (!bytes || high <= here || high - here > THREAD_DATA_BYTES / 2)
		return (struct frame_stack){0, 0};
	return (struct frame_stack){here - bytes, high};
}

/* The place of caller; count when the walk did not come past it. */
static unsigned index_of(const uintptr_t *frames, unsigned count, const void *caller)
{
	for (unsigned i = 0; i < count && i < OWN_FRAMES_MAX; i++)
		if (frames[i] == (uintptr_t)caller)
			return i;
	return count;
}

static uint64_t hash_of(const uintptr_t *frames, unsigned count, uint64_t hash)
{
	for (unsigned i = 0; i < count; i++)
		hash = frame_hash(hash, frames[i]);
	return hash;
}

static uint32_t find_id(struct lt_ring *ring, const uintptr_t *frames, uint32_t length,
			uint32_t generation, uint64_t hash)
{
	struct lt_stack_cache_entry *cached = &ring->stack_cache[hash % LT_STACK_CACHE_ENTRIES];
	uint32_t id = 0;

	if (cached->hash == hash && cached->id) {
		const struct lt_intern_entry *entry = intern_entry(cached->id);

		if (entry->length == length && entry->generation == generation &&
		    !memcmp(entry->data, frames, length))
			id = cached->id;
	}
	if (!id)
		id = intern_bytes(LT_INTERN_STACK, frames, length, generation, hash);
	if (!id) {
		ring->lost_stack_count++;
		return 0;
	}
	cached->hash = hash;
	cached->id = id;
	return id;
}

/* A hook that has interrupted another one of its thread leaves that one's caches alone. */
static uint32_t find_id_nested(struct lt_ring *ring, const uintptr_t *frames, uint32_t length,
			       uint32_t generation, uint64_t hash)
{
	uint32_t id = intern_bytes(LT_INTERN_STACK, frames, length, generation, hash);

	ring->lost_stack_count += !id;
	return id;
}

/* What a walk has found, from the hook's caller on. */
struct found_stack {
	const uintptr_t *frames;
	unsigned own_count; /* frames before it */
	unsigned count;
	uint32_t generation; /* with LT_STACK_IS_TRUNCATED */
};

static struct found_stack cut(uintptr_t *frames, unsigned count, const void *caller,
			      uint32_t generation)
{
	unsigned own_count = index_of(frames, count, caller);
	struct found_stack found = {frames + own_count, own_count, count - own_count, generation};

	if (own_count == count) {
		frames[0] = (uintptr_t)caller;
		return (struct found_stack){frames, OWN_FRAMES_MAX, 1, generation};
	}
	if (found.count > depth_max) {
		found.count = depth_max;
		found.generation |= LT_STACK_IS_TRUNCATED;
	}
	return found;
}

static uint32_t capture_walking(struct lt_ring *ring, struct lt_stack_memo *memo,
				struct frame_stack own, struct frame_state start,
				const void *caller, uint32_t generation)
{
	uintptr_t frames[LT_STACK_MAX_DEPTH + OWN_FRAMES_MAX];
	struct frame_trail trail;
	struct frame_walk walk = {own, generation, depth_max + OWN_FRAMES_MAX, frames, &trail};
	struct found_stack found;
	struct stack_walked walked;
	uint32_t length, id;
	uint64_t hash, memo_trail;

	trail.is_whole = false;
	trail.frame_count = 0;
	found = cut(frames, is_walking ? frame_walk(&walk, start) : 0, caller, generation);
	length = found.count * (uint32_t)sizeof(*frames);
	hash = frame_hash(hash_of(found.frames, found.count, 0), found.generation);
	if (!memo)
		return find_id_nested(ring, found.frames, length, found.generation, hash);
	walked = (struct stack_walked){&trail, frames, found.own_count, found.count};
	memo_trail = stack_memo_keep(ring, memo, start, generation, &walked);
	id = find_id(ring, found.frames, length, found.generation, hash);
	if (memo_trail && id) {
		__atomic_store_n(&intern_entry(id)->trail, memo_trail, __ATOMIC_RELAXED);
		memo->last_id = id;
	}
	return id;
}

uint32_t stack_capture(struct lt_ring *ring, struct frame_stack own, const void *caller,
		       bool is_nested)
{
	struct frame_state start = FRAME_STATE_OF_CALLER();
	uint32_t generation = __atomic_load_n(&stack_generation, __ATOMIC_RELAXED);
	struct lt_stack_memo *memo = is_nested ? NULL : stack_memo_place(ring, start);
	uint32_t id = memo ? stack_memo_find(ring, memo, start, generation) : 0;

	return LT_LIKELY(id) ? id : capture_walking(ring, memo, own, start, caller, generation);
}
