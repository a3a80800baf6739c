/* SPDX-License-Identifier: MIT */
/*
 * Evaluates DWARF expressions of call frame information; see cfi.h. Pure but for the reads that it
 * is given: any thread, signal handlers.
 */
#include "cfi.h"

/* DWARF 5, table 7.9. */
enum {
	EXPR_ADDR = 0x03,
	EXPR_DEREF = 0x06,
	EXPR_CONST1U = 0x08,
	EXPR_CONST8S = 0x0f,
	EXPR_CONSTU = 0x10,
	EXPR_CONSTS = 0x11,
	EXPR_DUP = 0x12,
	EXPR_DROP = 0x13,
	EXPR_OVER = 0x14,
	EXPR_PICK = 0x15,
	EXPR_SWAP = 0x16,
	EXPR_ROT = 0x17,
	EXPR_ABS = 0x19,
	EXPR_AND = 0x1a,
	EXPR_MINUS = 0x1c,
	EXPR_MUL = 0x1e,
	EXPR_NEG = 0x1f,
	EXPR_NOT = 0x20,
	EXPR_OR = 0x21,
	EXPR_PLUS = 0x22,
	EXPR_PLUS_UCONST = 0x23,
	EXPR_SHL = 0x24,
	EXPR_SHR = 0x25,
	EXPR_SHRA = 0x26,
	EXPR_XOR = 0x27,
	EXPR_BRA = 0x28,
	EXPR_EQ = 0x29,
	EXPR_GE = 0x2a,
	EXPR_GT = 0x2b,
	EXPR_LE = 0x2c,
	EXPR_LT = 0x2d,
	EXPR_NE = 0x2e,
	EXPR_SKIP = 0x2f,
	EXPR_LIT0 = 0x30,
	EXPR_BREG0 = 0x70,
	EXPR_BREG31 = 0x8f,
	EXPR_BREGX = 0x92,
	EXPR_NOP = 0x96,
};

#define STACK_MAX 16u
#define STEP_MAX 256u

struct evaluation {
	struct cfi_bytes bytes;
	const uint8_t *start;
	const struct cfi_registers *registers;
	cfi_read_fn *read;
	void *context;
	uint64_t stack[STACK_MAX];
	unsigned depth;
	bool is_bad;
};

static void push(struct evaluation *evaluation, uint64_t value)
{
	if (evaluation->depth == STACK_MAX)
		evaluation->is_bad = true;
	else
		evaluation->stack[evaluation->depth++] = value;
}

static uint64_t pop(struct evaluation *evaluation)
{
	if (!evaluation->depth) {
		evaluation->is_bad = true;
		return 0;
	}
	return evaluation->stack[--evaluation->depth];
}

/* The value that lies index places below the top. */
static uint64_t peek(struct evaluation *evaluation, uint64_t index)
{
	if (index >= evaluation->depth) {
		evaluation->is_bad = true;
		return 0;
	}
	return evaluation->stack[evaluation->depth - 1 - index];
}

static void push_register(struct evaluation *evaluation, uint64_t number, int64_t offset)
{
	const struct cfi_registers *registers = evaluation->registers;

	if (number >= ARCH_FRAME_REGISTERS || !(registers->known & 1u << number))
		evaluation->is_bad = true;
	else
		push(evaluation, registers->value[number] + (uint64_t)offset);
}

static void jump(struct evaluation *evaluation, bool is_taken)
{
	int64_t delta = cfi_signed(&evaluation->bytes, 2);
	int64_t target = evaluation->bytes.at - evaluation->start + delta;

	if (!is_taken)
		return;
	if (target < 0 || target > evaluation->bytes.end - evaluation->start)
		evaluation->is_bad = true;
	else
		evaluation->bytes.at = evaluation->start + target;
}

static void dereference(struct evaluation *evaluation)
{
	uint64_t value = 0;

	if (!evaluation->read(evaluation->context, pop(evaluation), &value))
		evaluation->is_bad = true;
	push(evaluation, value);
}

/* Operations that take two values and leave one. @return false when it is none of them. */
static bool run_binary(struct evaluation *evaluation, unsigned op)
{
	uint64_t right, left;
	int64_t order;

	switch (op) {
	case EXPR_AND:
	case EXPR_MINUS:
	case EXPR_MUL:
	case EXPR_OR:
	case EXPR_PLUS:
	case EXPR_SHL:
	case EXPR_SHR:
	case EXPR_SHRA:
	case EXPR_XOR:
	case EXPR_EQ:
	case EXPR_GE:
	case EXPR_GT:
	case EXPR_LE:
	case EXPR_LT:
	case EXPR_NE:
		break;
	default:
		return false;
	}
	right = pop(evaluation);
	left = pop(evaluation);
	order = ((int64_t)left > (int64_t)right) - ((int64_t)left < (int64_t)right);
	push(evaluation, op == EXPR_AND	    ? left & right
			 : op == EXPR_MINUS ? left - right
			 : op == EXPR_MUL   ? left * right
			 : op == EXPR_OR    ? left | right
			 : op == EXPR_PLUS  ? left + right
			 : op == EXPR_XOR   ? left ^ right
			 : op == EXPR_SHL   ? (right < 64 ? left << right : 0)
			 : op == EXPR_SHR   ? (right < 64 ? left >> right : 0)
			 : op == EXPR_SHRA  ? (uint64_t)((int64_t)left >> (right < 64 ? right : 63))
			 : op == EXPR_EQ    ? order == 0
			 : op == EXPR_GE    ? order >= 0
			 : op == EXPR_GT    ? order > 0
			 : op == EXPR_LE    ? order <= 0
			 : op == EXPR_LT    ? order < 0
					    : order != 0);
	return true;
}

static void swap(struct evaluation *evaluation)
{
	uint64_t top = pop(evaluation), below = pop(evaluation);

	push(evaluation, top);
	push(evaluation, below);
}

static void rotate(struct evaluation *evaluation)
{
	uint64_t first = pop(evaluation), second = pop(evaluation), third = pop(evaluation);

	push(evaluation, first);
	push(evaluation, third);
	push(evaluation, second);
}

static void push_constant(struct evaluation *evaluation, unsigned op)
{
	unsigned size = 1u << (op - EXPR_CONST1U) / 2;

	if ((op - EXPR_CONST1U) % 2)
		push(evaluation, (uint64_t)cfi_signed(&evaluation->bytes, size));
	else
		push(evaluation, cfi_unsigned(&evaluation->bytes, size));
}

static void run_stack(struct evaluation *evaluation, unsigned op)
{
	struct cfi_bytes *bytes = &evaluation->bytes;
	uint64_t value;

	switch (op) {
	case EXPR_ADDR:
		push(evaluation, cfi_unsigned(bytes, 8));
		return;
	case EXPR_DEREF:
		dereference(evaluation);
		return;
	case EXPR_CONSTU:
		push(evaluation, cfi_uleb(bytes));
		return;
	case EXPR_CONSTS:
		push(evaluation, (uint64_t)cfi_sleb(bytes));
		return;
	case EXPR_DUP:
		push(evaluation, peek(evaluation, 0));
		return;
	case EXPR_DROP:
		pop(evaluation);
		return;
	case EXPR_OVER:
		push(evaluation, peek(evaluation, 1));
		return;
	case EXPR_PICK:
		push(evaluation, peek(evaluation, cfi_unsigned(bytes, 1)));
		return;
	case EXPR_SWAP:
		swap(evaluation);
		return;
	case EXPR_ROT:
		rotate(evaluation);
		return;
	case EXPR_ABS:
		value = pop(evaluation);
		push(evaluation, (int64_t)value < 0 ? -value : value);
		return;
	case EXPR_NEG:
		push(evaluation, -pop(evaluation));
		return;
	case EXPR_NOT:
		push(evaluation, ~pop(evaluation));
		return;
	case EXPR_PLUS_UCONST:
		value = cfi_uleb(bytes);
		push(evaluation, pop(evaluation) + value);
		return;
	case EXPR_BRA:
		jump(evaluation, pop(evaluation) != 0);
		return;
	case EXPR_SKIP:
		jump(evaluation, true);
		return;
	case EXPR_BREGX:
		value = cfi_uleb(bytes);
		push_register(evaluation, value, cfi_sleb(bytes));
		return;
	case EXPR_NOP:
		return;
	default:
		evaluation->is_bad = true;
	}
}

static void run_one(struct evaluation *evaluation)
{
	unsigned op = (unsigned)cfi_unsigned(&evaluation->bytes, 1);

	if (op >= EXPR_CONST1U && op <= EXPR_CONST8S)
		push_constant(evaluation, op);
	else if (op >= EXPR_LIT0 && op < EXPR_LIT0 + 32)
		push(evaluation, op - EXPR_LIT0);
	else if (op >= EXPR_BREG0 && op <= EXPR_BREG31)
		push_register(evaluation, op - EXPR_BREG0, cfi_sleb(&evaluation->bytes));
	else if (!run_binary(evaluation, op))
		run_stack(evaluation, op);
}

bool cfi_evaluate(const struct cfi_value *expression, const struct cfi_registers *registers,
		  bool has_start, uint64_t start, cfi_read_fn *read, void *context,
		  uint64_t *ret_value)
{
	struct evaluation evaluation = {
		.bytes = {expression->expression,
			  expression->expression + expression->expression_bytes, false},
		.start = expression->expression,
		.registers = registers,
		.read = read,
		.context = context,
	};

	if (has_start)
		push(&evaluation, start);
	for (unsigned steps = 0; evaluation.bytes.at < evaluation.bytes.end; steps++) {
		if (steps == STEP_MAX || evaluation.is_bad || evaluation.bytes.is_bad)
			return false;
		run_one(&evaluation);
	}
	*ret_value = pop(&evaluation);
	return !evaluation.is_bad && !evaluation.bytes.is_bad;
}
