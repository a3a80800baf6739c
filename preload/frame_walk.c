/* SPDX-License-Identifier: MIT */
/*
 * The walk over the stack; see frame_walk.h. Any thread, inside hooks, in signal handlers too.
 *
 * Nothing is read that is not known to be mapped: between the stack pointer and the end of its
 * stack everything is; beyond a stack that is not known, each page is asked for first.
 */
#include "frame_walk.h"

#include <errno.h>

#include "frame_rules.h"
#include "frame_walk_impl.h"
#include "sys.h"

#define PAGE_BYTES 4096u
#define FOREIGN_PAGES_MAX 256u

bool frame_is_readable(uintptr_t addr)
{
	/* it reads the set first, and then refuses to do what is asked: nothing changes */
	return SYS_CALL(rt_sigprocmask, -1, addr & ~7ul, NULL, 8, 0, 0) == -EINVAL;
}

struct frame_limits frame_limits_of(const struct frame_stack *own, uintptr_t sp)
{
	if (sp - own->low < own->high - own->low)
		return (struct frame_limits){sp, own->high, false};
	return (struct frame_limits){sp, (sp | (PAGE_BYTES - 1)) + 1, true};
}

bool frame_limits_reach(struct frame_limits *limits, uintptr_t end)
{
	if (!limits->is_foreign || end < limits->low ||
	    end - limits->high > FOREIGN_PAGES_MAX * PAGE_BYTES)
		return false;
	while (limits->high < end) {
		if (!frame_is_readable(limits->high))
			return false;
		limits->high += PAGE_BYTES;
	}
	return true;
}

/* Whether the word at addr lies on the stack that is walked. */
static inline bool is_word_on(struct frame_limits *limits, uintptr_t addr)
{
	if (__builtin_expect(addr - limits->low <= limits->high - limits->low - 8, 1))
		return true;
	return addr >= limits->low && frame_limits_reach(limits, addr + 8);
}

static inline uintptr_t word_at(uintptr_t addr)
{
	return *(const uintptr_t *)addr;
}

struct walker {
	struct frame_state at;
	uintptr_t bp_from; /* where the frame pointer was read, or BP_... */
	bool is_exact;
	struct frame_limits limits;
};

static bool step_signal(struct walker *walker, const struct frame_stack *own)
{
	uintptr_t frame = walker->at.sp;

	if (!is_word_on(&walker->limits, frame) ||
	    !is_word_on(&walker->limits, frame + sizeof(ucontext_t) - 8))
		return false;
	walker->at.ip = word_at(frame + ARCH_SIGNAL_IP);
	walker->at.sp = word_at(frame + ARCH_SIGNAL_SP);
	walker->at.bp = word_at(frame + ARCH_SIGNAL_BP);
	walker->is_exact = true;
	walker->limits = frame_limits_of(own, walker->at.sp);
	return walker->at.ip != 0;
}

static bool step_guess(struct walker *walker)
{
	uintptr_t bp = walker->at.bp;

	if (bp < walker->at.sp || bp % sizeof(uintptr_t) || !is_word_on(&walker->limits, bp + 8))
		return false;
	walker->at.bp = word_at(bp);
	walker->at.ip = word_at(bp + 8);
	walker->at.sp = bp + 16;
	return arch_is_code(walker->at.ip);
}

/* A rule that knows the CFA. */
static bool step_to(struct walker *walker, frame_rule rule, uintptr_t cfa)
{
	uintptr_t bp_at = (rule_bp(rule) == RULE_BP_AT_BP ? walker->at.bp : cfa) +
			  (uintptr_t)(intptr_t)rule_bp_offset(rule);

	/* a caller's frame lies above, by its return address at least */
	if (cfa - walker->at.sp - 8 > INTPTR_MAX || !is_word_on(&walker->limits, cfa - 8))
		return false;
	if (rule_bp(rule) != RULE_BP_SAME) {
		if (!is_word_on(&walker->limits, bp_at))
			return false;
		walker->at.bp = word_at(bp_at);
	}
	walker->at.sp = cfa;
	walker->at.ip = word_at(cfa - 8);
	return walker->at.ip != 0;
}

enum step { STEP_GOES_ON, STEP_ENDS, STEP_IS_COMPLEX };

/* One frame of any kind, with all checks. */
static enum step __attribute__((noinline))
step(struct walker *walker, frame_rule rule, const struct frame_stack *own)
{
	uintptr_t offset = (uintptr_t)(intptr_t)rule_cfa_offset(rule);
	bool goes_on = false;

	switch (rule_kind(rule)) {
	case RULE_SP:
		goes_on = step_to(walker, rule, walker->at.sp + offset);
		break;
	case RULE_BP:
		goes_on = step_to(walker, rule, walker->at.bp + offset);
		break;
	case RULE_AT_BP:
		offset += walker->at.bp;
		goes_on = is_word_on(&walker->limits, offset) &&
			  step_to(walker, rule, word_at(offset));
		break;
	case RULE_SIGNAL:
		return step_signal(walker, own) ? STEP_GOES_ON : STEP_ENDS;
	case RULE_GUESS:
		goes_on = step_guess(walker);
		break;
	case RULE_COMPLEX:
		return STEP_IS_COMPLEX;
	default:
		break;
	}
	walker->is_exact = false;
	return goes_on ? STEP_GOES_ON : STEP_ENDS;
}

/* Places of a frame pointer that stand for no word of the stack. */
#define BP_OF_START 0u
#define BP_IS_NOTED 1u

/*
 * The frame pointer is used: its word is part of the trail. As offsets, since it points into the
 * same stack.
 */
static inline uintptr_t note_pointer(struct frame_trail *trail, uintptr_t sp, uintptr_t bp_at,
				     uintptr_t bp)
{
	uint32_t count = trail->pointer_count;

	if (bp_at == BP_OF_START)
		trail->uses_start_bp = true;
	else if (count < FRAME_TRAIL_POINTERS && (bp - sp) / 8 <= UINT16_MAX && bp % 8 == 0 &&
		 (bp_at - sp) / 8 <= UINT16_MAX) {
		trail->pointers[count] = (uint16_t)((bp_at - sp) / 8);
		trail->pointer_values[count] = (uint16_t)((bp - sp) / 8);
		trail->pointer_count = count + 1;
	} else
		trail->is_whole = false;
	return BP_IS_NOTED;
}

/*
 * Frames with the two usual rules, as far as they go: the loop that all the time is spent in. Stops
 * before a frame of another kind, and where the stack's known part ends.
 */
static inline unsigned walk_usual(struct frame_walk *walk, struct walker *walker, unsigned count)
{
	struct frame_state at = walker->at;
	const uintptr_t low = walker->limits.low, last_word = walker->limits.high - 8;
	const uint32_t generation = walk->generation;
	const unsigned max = walk->max;
	struct frame_trail *trail = walk->trail;
	uintptr_t *frames = walk->frames;
	uintptr_t bp_from = walker->bp_from;

	while (count < max) {
		frame_rule rule = frame_rule_find(at.ip, false, generation);
		uintptr_t cfa = (rule_kind(rule) == RULE_BP ? at.bp : at.sp) +
				(uintptr_t)(intptr_t)rule_cfa_offset(rule);
		uintptr_t bp_at = cfa + (uintptr_t)(intptr_t)rule_bp_offset(rule);

		if (__builtin_expect(rule_kind(rule) - RULE_SP > RULE_BP - RULE_SP ||
					     cfa - 8 - at.sp > last_word - at.sp ||
					     rule_bp(rule) > RULE_BP_AT_CFA,
				     0))
			break;
		if (rule_kind(rule) == RULE_BP && bp_from != BP_IS_NOTED)
			bp_from = note_pointer(trail, low, bp_from, at.bp);
		if (rule_bp(rule)) {
			if (__builtin_expect(bp_at - low > last_word - low, 0))
				break;
			at.bp = word_at(bp_at);
			bp_from = bp_at;
		}
		at.sp = cfa;
		at.ip = word_at(cfa - 8);
		if (__builtin_expect(!at.ip, 0))
			break;
		if (count < FRAME_TRAIL_FRAMES)
			trail->frames[count] = (uint16_t)((cfa - 8 - low) / 8);
		frames[count++] = at.ip;
	}
	walker->at = at;
	walker->bp_from = bp_from;
	return count;
}

static bool is_decided(const struct walker *walker, const struct frame_trail *trail,
		       uintptr_t start_sp, unsigned count)
{
	return trail->is_whole && !walker->limits.is_foreign && count <= FRAME_TRAIL_FRAMES &&
	       (walker->at.sp - start_sp) / 8 <= UINT16_MAX;
}

static unsigned walk_complete(struct frame_walk *walk)
{
	unsigned count = frame_walk_complete(&walk->own, walk->frames, walk->max);

	walk->trail->is_whole = false;
	return count;
}

unsigned frame_walk(struct frame_walk *walk, struct frame_state start)
{
	struct walker walker = {.at = start,
				.bp_from = BP_OF_START,
				.limits = frame_limits_of(&walk->own, start.sp)};
	unsigned count = 0;

	walk->trail->pointer_count = 0;
	walk->trail->uses_start_bp = false;
	walk->trail->is_whole = true;
	for (;;) {
		frame_rule rule;
		enum step result;

		if (!walker.is_exact)
			count = walk_usual(walk, &walker, count);
		if (count == walk->max)
			break;
		if (!walker.at.ip) {
			walk->trail->is_whole = false; /* the word that was 0 is not in it */
			break;
		}
		rule = frame_rule_find(walker.at.ip, walker.is_exact, walk->generation);
		if (rule_kind(rule) == RULE_END)
			break;
		walk->trail->is_whole = false;
		result = step(&walker, rule, &walk->own);
		if (result == STEP_IS_COMPLEX)
			return walk_complete(walk);
		if (result == STEP_ENDS)
			break;
		walk->frames[count++] = walker.at.ip;
	}
	walk->trail->frame_count = count;
	walk->trail->is_whole = is_decided(&walker, walk->trail, start.sp, count);
	return count;
}
