/* SPDX-License-Identifier: MIT */
/*
 * The walk that evaluates every frame's information with all registers; see frame_walk.h. About a
 * microsecond a frame: only stacks with a frame that no rule fits come here. Any thread, inside
 * hooks, in signal handlers.
 */
#include <string.h>

#include "cfi.h"
#include "frame_walk.h"
#include "frame_walk_impl.h"

struct complete_walk {
	struct cfi_registers registers;
	bool is_exact;
	const struct frame_stack *own;
	struct frame_limits limits;
};

/* Expressions may read outside the stack: the kernel is asked. */
static bool read_word(void *context, uintptr_t addr, uint64_t *ret_value)
{
	struct complete_walk *walk = context;

	if (addr - walk->limits.low > walk->limits.high - walk->limits.low - 8 &&
	    (!frame_is_readable(addr) || !frame_is_readable(addr + 7)))
		return false;
	memcpy(ret_value, (const void *)addr, sizeof(*ret_value));
	return true;
}

static bool is_known(const struct complete_walk *walk, uint64_t number)
{
	return number < ARCH_FRAME_REGISTERS && walk->registers.known >> number & 1;
}

static bool find_cfa(struct complete_walk *walk, const struct cfi_row *row, uint64_t *ret_cfa)
{
	if (row->cfa.place == CFI_IS_EXPRESSION)
		return cfi_evaluate(&row->cfa, &walk->registers, false, 0, read_word, walk,
				    ret_cfa);
	if (!is_known(walk, row->cfa_register))
		return false;
	*ret_cfa = walk->registers.value[row->cfa_register] + (uint64_t)row->cfa.offset;
	return true;
}

/* The caller's value of one register. @return false when it is not known. */
static bool find_value(struct complete_walk *walk, const struct cfi_row *row, unsigned number,
		       uint64_t cfa, uint64_t *ret_value)
{
	const struct cfi_value *value = &row->registers[number];
	uint64_t at = cfa + (uint64_t)value->offset;

	switch (value->place) {
	case CFI_SAME:
		*ret_value = walk->registers.value[number];
		/* what a function may change without a word is lost at the call */
		return is_known(walk, number) &&
		       (walk->is_exact || ARCH_KEPT_REGISTERS >> number & 1);
	case CFI_AT_CFA:
		return read_word(walk, at, ret_value);
	case CFI_IS_CFA:
		*ret_value = at;
		return true;
	case CFI_REGISTER:
		if (!is_known(walk, (uint64_t)value->offset))
			return false;
		*ret_value = walk->registers.value[value->offset];
		return true;
	case CFI_AT_EXPRESSION:
		return cfi_evaluate(value, &walk->registers, true, cfa, read_word, walk, &at) &&
		       read_word(walk, at, ret_value);
	case CFI_IS_EXPRESSION:
		return cfi_evaluate(value, &walk->registers, true, cfa, read_word, walk, ret_value);
	default:
		return false;
	}
}

static bool step_entry(struct complete_walk *walk, const struct cfi_entry *entry, uintptr_t addr)
{
	struct cfi_registers caller = {{0}, 0};
	struct cfi_row row;
	uint64_t cfa;

	if (!cfi_run(entry, addr, &row) || !find_cfa(walk, &row, &cfa) ||
	    entry->return_register >= ARCH_FRAME_REGISTERS)
		return false;
	for (unsigned i = 0; i < ARCH_FRAME_REGISTERS; i++)
		if (find_value(walk, &row, i, cfa, &caller.value[i]))
			caller.known |= 1u << i;
	if (!(caller.known >> entry->return_register & 1))
		return false;
	if (row.registers[ARCH_STACK_POINTER].place == CFI_SAME)
		caller.value[ARCH_STACK_POINTER] = cfa;
	caller.value[ARCH_RETURN_ADDRESS] = caller.value[entry->return_register];
	caller.known |= 1u << ARCH_STACK_POINTER | 1u << ARCH_RETURN_ADDRESS;
	if (caller.value[ARCH_STACK_POINTER] <= walk->registers.value[ARCH_STACK_POINTER])
		return false;
	walk->registers = caller;
	walk->is_exact = false;
	return caller.value[ARCH_RETURN_ADDRESS] != 0;
}

static bool step_signal(struct complete_walk *walk)
{
	uintptr_t frame = walk->registers.value[ARCH_STACK_POINTER];

	for (unsigned i = 0; i < ARCH_FRAME_REGISTERS; i++)
		if (!read_word(walk,
			       frame + offsetof(ucontext_t, uc_mcontext.gregs) +
				       8u * arch_signal_registers[i],
			       &walk->registers.value[i]))
			return false;
	walk->registers.known = (1u << ARCH_FRAME_REGISTERS) - 1;
	walk->is_exact = true;
	walk->limits = frame_limits_of(walk->own, walk->registers.value[ARCH_STACK_POINTER]);
	return walk->registers.value[ARCH_RETURN_ADDRESS] != 0;
}

static bool step_guess(struct complete_walk *walk)
{
	uint64_t *value = walk->registers.value;
	uintptr_t bp = value[ARCH_FRAME_POINTER];
	uint64_t next_bp, next_ip;

	if (!is_known(walk, ARCH_FRAME_POINTER) || bp < value[ARCH_STACK_POINTER] || bp % 8 ||
	    bp + 16 > walk->limits.high || !read_word(walk, bp, &next_bp) ||
	    !read_word(walk, bp + 8, &next_ip) || !arch_is_code(next_ip))
		return false;
	value[ARCH_FRAME_POINTER] = next_bp;
	value[ARCH_RETURN_ADDRESS] = next_ip;
	value[ARCH_STACK_POINTER] = bp + 16;
	walk->registers.known =
		1u << ARCH_FRAME_POINTER | 1u << ARCH_RETURN_ADDRESS | 1u << ARCH_STACK_POINTER;
	walk->is_exact = false;
	return true;
}

static bool step(struct complete_walk *walk)
{
	uintptr_t ip = walk->registers.value[ARCH_RETURN_ADDRESS];
	struct cfi_entry entry;

	if (!arch_is_code(ip))
		return false;
	ip -= !walk->is_exact;
	if (cfi_find(ip, &entry) != CFI_FOUND)
		return step_guess(walk);
	return entry.is_signal ? step_signal(walk) : step_entry(walk, &entry, ip);
}

unsigned __attribute__((noinline))
frame_walk_complete(const struct frame_stack *own, uintptr_t *frames, unsigned max)
{
	struct complete_walk walk = {.own = own, .is_exact = true};
	unsigned count = 0;

	ARCH_REGISTERS_HERE(walk.registers.value);
	walk.registers.known = ARCH_KEPT_REGISTERS;
	walk.limits = frame_limits_of(own, walk.registers.value[ARCH_STACK_POINTER]);
	while (count < max && step(&walk))
		frames[count++] = walk.registers.value[ARCH_RETURN_ADDRESS];
	return count;
}
