/* SPDX-License-Identifier: MIT */
/*
 * The cache of frame rules; see frame_rules.h. Any thread, signal handlers; a thread that is
 * interrupted or killed while it fills a place leaves it unused, nothing more.
 */
#include "frame_rules.h"

#include <string.h>

#include "frame_walk_impl.h"
#include "sys.h"

#define KEY_BUSY 1u /* no code has this address */

struct rule_line *rule_lines;

bool frame_rules_init(void)
{
	if (rule_lines)
		return true; /* a forked child: code is where it was */
	cfi_init();
	rule_lines = sys_memory(sizeof(struct rule_line) << RULE_LINE_BITS);
	return rule_lines;
}

/* The place of a key that is not in its line: a free one, else any. */
static void keep(uint64_t key, frame_rule rule)
{
	struct rule_line *line = rule_line_of(key);
	unsigned victim = (unsigned)(key * 0xd6e8feb86659fd93u >> 62);
	uint64_t old;

	for (unsigned i = 0; i < 4; i++)
		if (!__atomic_load_n(&line->keys[i], __ATOMIC_RELAXED)) {
			victim = i;
			break;
		}
	old = __atomic_load_n(&line->keys[victim], __ATOMIC_RELAXED);
	if (old == KEY_BUSY ||
	    !__atomic_compare_exchange_n(&line->keys[victim], &old, KEY_BUSY, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&line->rules[victim], rule, __ATOMIC_RELEASE);
	__atomic_store_n(&line->keys[victim], key, __ATOMIC_RELEASE);
}

static bool fits_24_bits(int64_t offset)
{
	return offset >= -(1 << 23) && offset < 1 << 23;
}

/*
 * The one form of expression that compilers use at calls: what lies at register + offset, or that
 * address itself.
 */
static bool is_at_bp(const struct cfi_value *value, bool is_stored, int64_t *ret_offset)
{
	struct cfi_bytes bytes = {value->expression, value->expression + value->expression_bytes,
				  false};

	if (cfi_unsigned(&bytes, 1) != 0x70 + ARCH_FRAME_POINTER) /* DW_OP_breg */
		return false;
	*ret_offset = cfi_sleb(&bytes);
	if (is_stored && cfi_unsigned(&bytes, 1) != 0x06) /* DW_OP_deref */
		return false;
	return !bytes.is_bad && bytes.at == bytes.end && fits_24_bits(*ret_offset);
}

static frame_rule pack_bp(enum rule_kind kind, int64_t cfa_offset, const struct cfi_value *bp)
{
	int64_t offset = 0;

	switch (bp->place) {
	case CFI_SAME:
	case CFI_UNDEFINED:
		return rule_pack(kind, (int32_t)cfa_offset, RULE_BP_SAME, 0);
	case CFI_AT_CFA:
		if (fits_24_bits(bp->offset))
			return rule_pack(kind, (int32_t)cfa_offset, RULE_BP_AT_CFA,
					 (int32_t)bp->offset);
		break;
	case CFI_AT_EXPRESSION:
		if (is_at_bp(bp, false, &offset))
			return rule_pack(kind, (int32_t)cfa_offset, RULE_BP_AT_BP, (int32_t)offset);
		break;
	default:
		break;
	}
	return rule_pack(RULE_COMPLEX, 0, 0, 0);
}

static frame_rule pack(const struct cfi_row *row, uint32_t return_register)
{
	const struct cfi_value *bp = &row->registers[ARCH_FRAME_POINTER];
	const struct cfi_value *back;
	int64_t offset;

	if (return_register >= ARCH_FRAME_REGISTERS)
		return rule_pack(RULE_COMPLEX, 0, 0, 0);
	back = &row->registers[return_register];
	if (back->place == CFI_UNDEFINED)
		return rule_pack(RULE_END, 0, 0, 0);
	if (back->place != CFI_AT_CFA || back->offset != -8)
		return rule_pack(RULE_COMPLEX, 0, 0, 0);
	if (row->cfa.place == CFI_IS_EXPRESSION)
		return is_at_bp(&row->cfa, true, &offset) ? pack_bp(RULE_AT_BP, offset, bp)
							  : rule_pack(RULE_COMPLEX, 0, 0, 0);
	if (row->cfa.offset != (int32_t)row->cfa.offset)
		return rule_pack(RULE_COMPLEX, 0, 0, 0);
	if (row->cfa_register == ARCH_STACK_POINTER)
		return pack_bp(RULE_SP, row->cfa.offset, bp);
	if (row->cfa_register == ARCH_FRAME_POINTER)
		return pack_bp(RULE_BP, row->cfa.offset, bp);
	return rule_pack(RULE_COMPLEX, 0, 0, 0);
}

/* The address may come from a guess: the kernel is asked before it is looked at. */
static bool is_signal_return(uintptr_t ip)
{
	return ip % 4096 <= 4096 - sizeof(ARCH_SIGNAL_CODE) && frame_is_readable(ip) &&
	       !memcmp((const void *)ip, ARCH_SIGNAL_CODE, sizeof(ARCH_SIGNAL_CODE) - 1);
}

frame_rule frame_rule_make(uintptr_t ip, bool is_exact, uint64_t key)
{
	struct cfi_entry entry;
	struct cfi_row row;
	frame_rule rule = rule_pack(RULE_GUESS, 0, 0, 0);

	if (!arch_is_code(ip))
		return rule_pack(RULE_END, 0, 0, 0);
	switch (cfi_find(is_exact ? ip : ip - 1, &entry)) {
	case CFI_NO_MODULE:
		return rule; /* not kept: a module may be loaded here later */
	case CFI_NO_ENTRY:
		if (is_signal_return(ip))
			rule = rule_pack(RULE_SIGNAL, 0, 0, 0);
		break;
	case CFI_FOUND:
		if (entry.is_signal)
			rule = rule_pack(RULE_SIGNAL, 0, 0, 0);
		else if (cfi_run(&entry, is_exact ? ip : ip - 1, &row))
			rule = pack(&row, entry.return_register);
	}
	keep(key, rule);
	return rule;
}
