/* SPDX-License-Identifier: MIT */
/*
 * How to step from a frame to its caller, for every code address that a walk has met: a cache that
 * the whole process shares, filled from call frame information (cfi.h). Warm for one thread means
 * warm for all.
 *
 * Any thread, signal handlers: no lock, no allocation, and no system call but one for code that has
 * no information. An address belongs to the loader's generation that it was seen in (stack.h), so
 * code that replaced other code gets rules of its own.
 */
#ifndef LLMTRACE_FRAME_RULES_H
#define LLMTRACE_FRAME_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "cfi.h"

enum rule_kind {
	RULE_NONE = 0,
	RULE_SP,      /* CFA = stack pointer + offset */
	RULE_BP,      /* CFA = frame pointer + offset */
	RULE_AT_BP,   /* CFA is stored at frame pointer + offset: functions that realign their stack
		       */
	RULE_SIGNAL,  /* the kernel's frame of a signal */
	RULE_GUESS,   /* no information: taken for code that keeps frame pointers, as JIT compilers'
			 does */
	RULE_END,     /* the outermost frame */
	RULE_COMPLEX, /* needs more than two registers */
};

/* Where the caller's frame pointer is. */
enum rule_bp { RULE_BP_SAME = 0, RULE_BP_AT_CFA, RULE_BP_AT_BP };

/* One rule in one word: kind, bp and two offsets. */
typedef uint64_t frame_rule;

static inline frame_rule rule_pack(enum rule_kind kind, int32_t cfa_offset, enum rule_bp bp,
				   int32_t bp_offset)
{
	return (uint64_t)(uint32_t)cfa_offset << 32 | (uint64_t)((uint32_t)bp_offset << 8) |
	       (unsigned)bp << 4 | (unsigned)kind;
}

static inline enum rule_kind rule_kind(frame_rule rule)
{
	return (enum rule_kind)(rule & 15);
}

static inline enum rule_bp rule_bp(frame_rule rule)
{
	return (enum rule_bp)(rule >> 4 & 15);
}

static inline int32_t rule_cfa_offset(frame_rule rule)
{
	return (int32_t)(rule >> 32);
}

/* Fits in 24 bits. */
static inline int32_t rule_bp_offset(frame_rule rule)
{
	return (int32_t)(uint32_t)rule >> 8;
}

/* Four addresses and their rules: one cache line. */
struct rule_line {
	_Alignas(64) uint64_t keys[4];
	frame_rule rules[4];
};

#define RULE_LINE_BITS 13u

extern struct rule_line *rule_lines;

/* Call once, before threads exist; again in a forked child. @return false when there is no memory. */
bool frame_rules_init(void);

/*
 * is_exact: the code at ip was interrupted there; else ip is a return address, and the call before
 * it is meant.
 */
static inline uint64_t rule_key(uintptr_t ip, bool is_exact, uint32_t generation)
{
	return ip | (uint64_t)(generation & 0x7fff) << 48 | (uint64_t)is_exact << 63;
}

static inline struct rule_line *rule_line_of(uint64_t key)
{
	return &rule_lines[key * 0x9e3779b97f4a7c15u >> (64 - RULE_LINE_BITS)];
}

/* Looks the address up, and keeps the rule. */
frame_rule frame_rule_make(uintptr_t ip, bool is_exact, uint64_t key);

/*
 * A line's place is written key last and cleared key first; the rule of a key never changes. So the
 * same key before and after belongs to the rule between.
 */
static inline frame_rule frame_rule_find(uintptr_t ip, bool is_exact, uint32_t generation)
{
	uint64_t key = rule_key(ip, is_exact, generation);
	struct rule_line *line = rule_line_of(key);

	for (unsigned i = 0; i < 4; i++) {
		frame_rule rule;

		if (__atomic_load_n(&line->keys[i], __ATOMIC_ACQUIRE) != key)
			continue;
		rule = __atomic_load_n(&line->rules[i], __ATOMIC_ACQUIRE);
		if (__builtin_expect(__atomic_load_n(&line->keys[i], __ATOMIC_RELAXED) == key, 1))
			return rule;
	}
	return frame_rule_make(ip, is_exact, key);
}

#endif
