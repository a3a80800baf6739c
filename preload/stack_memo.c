/* SPDX-License-Identifier: MIT */
/*
 * Call stacks without a walk; see stack_memo.h. Entered by one thread for its own ring, inside
 * hooks. Reads words of the thread's own stack only, above its stack pointer: they are mapped.
 */
#include "stack_memo.h"

#include <string.h>

#include "hook.h"
#include "intern.h"

_Static_assert(LT_MEMO_FRAMES + LT_MEMO_OWN == FRAME_TRAIL_FRAMES &&
		       LT_MEMO_POINTERS == FRAME_TRAIL_POINTERS,
	       "a trail fits into a memo");

struct lt_stack_memo *stack_memo_place(struct lt_ring *ring, struct frame_state start)
{
	uintptr_t caller = *(const uintptr_t *)(start.sp - 8);
	uint64_t hash = (start.sp ^ caller << 20 ^ start.ip << 7) * 0x9e3779b97f4a7c15u;

	return &ring->memos[hash >> 32 & (LT_MEMO_COUNT - 1)];
}

static bool is_same_start(const struct lt_stack_memo *memo, uint32_t stream,
			  struct frame_state start, uint32_t generation)
{
	return memo->sp == start.sp && memo->ip == start.ip && memo->stream == stream &&
	       memo->generation == generation && memo->trail &&
	       (!memo->uses_start_bp || memo->bp == start.bp);
}

/* The words of the trail that are not frames of the stack. */
static bool is_trail_same(const struct lt_stack_memo *memo, const uintptr_t *words)
{
	for (uint32_t i = 0; i < memo->own_count; i++)
		if (words[memo->own_at[i]] != memo->own[i])
			return false;
	for (uint32_t i = 0; i < memo->pointer_count; i++)
		if (words[memo->pointers[i]] != (uintptr_t)(words + memo->pointer_values[i]))
			return false;
	/* the frame behind the last one that is kept: is there still one? */
	return !memo->is_truncated || words[memo->frames[memo->frame_count]];
}

/* Whether the words are the frames of the stack that was found last. */
static bool is_last(const struct lt_stack_memo *memo, const uintptr_t *words)
{
	const struct lt_intern_entry *entry;
	const uintptr_t *frames;

	if (!memo->last_id)
		return false;
	entry = intern_entry(memo->last_id);
	frames = (const uintptr_t *)entry->data;
	for (uint32_t i = 0; i < memo->frame_count; i++)
		if (words[memo->frames[i]] != frames[i])
			return false;
	return true;
}

static bool is_entry(const struct lt_intern_entry *entry, const uintptr_t *frames, uint32_t length,
		     uint32_t generation)
{
	return entry->length == length && entry->generation == generation &&
	       !memcmp(entry->data, frames, length);
}

/* Any other stack that was found along this trail. */
static uint32_t find_cached(struct lt_ring *ring, const struct lt_stack_memo *memo,
			    const uintptr_t *words, uint32_t generation)
{
	uintptr_t frames[LT_MEMO_FRAMES];
	struct lt_stack_cache_entry *cached;
	uint32_t length = memo->frame_count * (uint32_t)sizeof(*frames), id;
	uint64_t hash = 0;

	for (uint32_t i = 0; i < memo->frame_count; i++) {
		frames[i] = words[memo->frames[i]];
		hash = frame_hash(hash, frames[i]);
	}
	if (memo->is_truncated)
		generation |= LT_STACK_IS_TRUNCATED;
	hash = frame_hash(hash, generation);
	cached = &ring->stack_cache[hash % LT_STACK_CACHE_ENTRIES];
	id = cached->hash == hash ? cached->id : 0;
	if (!id || !is_entry(intern_entry(id), frames, length, generation))
		id = intern_find(LT_INTERN_STACK, frames, length, generation, hash);
	if (!id || __atomic_load_n(&intern_entry(id)->trail, __ATOMIC_RELAXED) != memo->trail)
		return 0;
	cached->hash = hash;
	cached->id = id;
	return id;
}

uint32_t stack_memo_find(struct lt_ring *ring, struct lt_stack_memo *memo, struct frame_state start,
			 uint32_t generation)
{
	const uintptr_t *words = (const uintptr_t *)start.sp;
	uint32_t id;

	if (!is_same_start(memo, ring->stream, start, generation) || !is_trail_same(memo, words))
		return 0;
	if (LT_LIKELY(is_last(memo, words)))
		return memo->last_id;
	id = find_cached(ring, memo, words, generation);
	if (id)
		memo->last_id = id;
	return id;
}

/* Whether the memo has this trail already; its pointers' values and its own frames, too. */
static bool has_trail(const struct lt_stack_memo *memo, const struct stack_walked *walked,
		      bool is_truncated)
{
	const struct frame_trail *trail = walked->trail;
	size_t pointer_bytes = trail->pointer_count * sizeof(trail->pointers[0]);

	return memo->frame_count == walked->frame_count && memo->own_count == walked->own_count &&
	       memo->is_truncated == is_truncated && memo->pointer_count == trail->pointer_count &&
	       memo->uses_start_bp == trail->uses_start_bp &&
	       !memcmp(memo->own, walked->frames, walked->own_count * sizeof(memo->own[0])) &&
	       !memcmp(memo->own_at, trail->frames, walked->own_count * sizeof(memo->own_at[0])) &&
	       !memcmp(memo->frames, trail->frames + walked->own_count,
		       (walked->frame_count + is_truncated) * sizeof(memo->frames[0])) &&
	       !memcmp(memo->pointers, trail->pointers, pointer_bytes) &&
	       !memcmp(memo->pointer_values, trail->pointer_values, pointer_bytes);
}

static void set_trail(struct lt_stack_memo *memo, const struct stack_walked *walked,
		      bool is_truncated)
{
	const struct frame_trail *trail = walked->trail;
	size_t pointer_bytes = trail->pointer_count * sizeof(trail->pointers[0]);

	memo->frame_count = (uint16_t)walked->frame_count;
	memo->own_count = (uint8_t)walked->own_count;
	memo->is_truncated = is_truncated;
	memo->pointer_count = (uint16_t)trail->pointer_count;
	memo->uses_start_bp = trail->uses_start_bp;
	memcpy(memo->own, walked->frames, walked->own_count * sizeof(memo->own[0]));
	memcpy(memo->own_at, trail->frames, walked->own_count * sizeof(memo->own_at[0]));
	memcpy(memo->frames, trail->frames + walked->own_count,
	       (walked->frame_count + is_truncated) * sizeof(memo->frames[0]));
	memcpy(memo->pointers, trail->pointers, pointer_bytes);
	memcpy(memo->pointer_values, trail->pointer_values, pointer_bytes);
}

/*
 * The same for walks of other threads that read their stacks in the same way: so one thread finds
 * the stacks of another.
 */
static uint64_t hash_trail(const struct lt_stack_memo *memo)
{
	uint64_t start[] = {memo->ip, memo->uses_start_bp ? memo->bp - memo->sp : 1,
			    memo->frame_count, memo->is_truncated};
	size_t pointer_bytes = memo->pointer_count * sizeof(memo->pointers[0]);
	uint64_t hash = intern_hash(start, sizeof(start), 0);

	hash = intern_hash(memo->own, memo->own_count * sizeof(memo->own[0]), hash);
	hash = intern_hash(memo->own_at, memo->own_count * sizeof(memo->own_at[0]), hash);
	hash = intern_hash(memo->frames,
			   (memo->frame_count + memo->is_truncated) * sizeof(memo->frames[0]),
			   hash);
	hash = intern_hash(memo->pointers, pointer_bytes, hash);
	return intern_hash(memo->pointer_values, pointer_bytes, hash) | 1;
}

uint64_t stack_memo_keep(struct lt_ring *ring, struct lt_stack_memo *memo, struct frame_state start,
			 uint32_t generation, const struct stack_walked *walked)
{
	bool is_truncated = walked->trail->frame_count > walked->own_count + walked->frame_count;
	bool is_same = is_same_start(memo, ring->stream, start, generation) &&
		       has_trail(memo, walked, is_truncated);

	if (is_same)
		return memo->trail;
	memo->trail = 0;
	if (!walked->trail->is_whole || walked->own_count > LT_MEMO_OWN)
		return 0;
	memo->sp = start.sp;
	memo->ip = start.ip;
	memo->bp = start.bp;
	memo->stream = ring->stream;
	memo->generation = generation;
	memo->last_id = 0;
	set_trail(memo, walked, is_truncated);
	memo->trail = hash_trail(memo);
	return memo->trail;
}
