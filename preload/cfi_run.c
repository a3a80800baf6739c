/* SPDX-License-Identifier: MIT */
/*
 * Runs the program of a function's call frame information up to one address; see cfi.h. Pure: any
 * thread, signal handlers.
 */
#include "cfi.h"

#include <string.h>

/* DWARF 5, table 7.29; the first three keep an operand in their low six bits. */
enum {
	OP_ADVANCE = 0x40,
	OP_OFFSET = 0x80,
	OP_RESTORE = 0xc0,
	OP_NOP = 0x00,
	OP_ADVANCE1 = 0x02,
	OP_ADVANCE2 = 0x03,
	OP_ADVANCE4 = 0x04,
	OP_OFFSET_EXTENDED = 0x05,
	OP_RESTORE_EXTENDED = 0x06,
	OP_UNDEFINED = 0x07,
	OP_SAME_VALUE = 0x08,
	OP_REGISTER = 0x09,
	OP_REMEMBER = 0x0a,
	OP_RECALL = 0x0b,
	OP_DEF_CFA = 0x0c,
	OP_DEF_CFA_REGISTER = 0x0d,
	OP_DEF_CFA_OFFSET = 0x0e,
	OP_DEF_CFA_EXPRESSION = 0x0f,
	OP_EXPRESSION = 0x10,
	OP_OFFSET_EXTENDED_SF = 0x11,
	OP_DEF_CFA_SF = 0x12,
	OP_DEF_CFA_OFFSET_SF = 0x13,
	OP_VAL_OFFSET = 0x14,
	OP_VAL_OFFSET_SF = 0x15,
	OP_VAL_EXPRESSION = 0x16,
	OP_GNU_ARGS_SIZE = 0x2e,
	OP_GNU_NEGATIVE_OFFSET = 0x2f,
};

/* Compilers nest them one deep. */
#define REMEMBERED_MAX 2u

struct machine {
	const struct cfi_entry *entry;
	struct cfi_bytes bytes;
	uintptr_t wanted;
	uintptr_t at;
	struct cfi_row *row;
	const struct cfi_row *initial; /* NULL while it is being made */
	struct cfi_row remembered[REMEMBERED_MAX];
	unsigned remembered_count;
};

static void advance(struct machine *machine, uint64_t delta)
{
	machine->at += delta * machine->entry->code_align;
}

/* Registers that are not tracked (vectors) are read and forgotten. */
static void set_value(struct machine *machine, uint64_t number, enum cfi_place place,
		      int64_t offset)
{
	if (number < ARCH_FRAME_REGISTERS)
		machine->row->registers[number] = (struct cfi_value){{.offset = offset}, 0, place};
}

static struct cfi_value read_block(struct machine *machine, enum cfi_place place)
{
	uint64_t length = cfi_uleb(&machine->bytes);
	struct cfi_value value = {{.expression = machine->bytes.at}, (uint32_t)length, place};

	cfi_skip(&machine->bytes, length);
	return value;
}

static void set_expression(struct machine *machine, enum cfi_place place)
{
	uint64_t number = cfi_uleb(&machine->bytes);
	struct cfi_value value = read_block(machine, place);

	if (number < ARCH_FRAME_REGISTERS)
		machine->row->registers[number] = value;
}

static void restore(struct machine *machine, uint64_t number)
{
	if (!machine->initial)
		machine->bytes.is_bad = true;
	else if (number < ARCH_FRAME_REGISTERS)
		machine->row->registers[number] = machine->initial->registers[number];
}

static void set_cfa(struct machine *machine, uint64_t number, int64_t offset)
{
	machine->row->cfa = (struct cfi_value){{.offset = offset}, 0, CFI_REGISTER};
	machine->row->cfa_register = (uint32_t)number;
}

static int64_t scaled(struct machine *machine, int64_t factor)
{
	return (int64_t)((uint64_t)factor * (uint64_t)machine->entry->data_align);
}

static void remember(struct machine *machine)
{
	if (machine->remembered_count == REMEMBERED_MAX)
		machine->bytes.is_bad = true;
	else
		machine->remembered[machine->remembered_count++] = *machine->row;
}

static void recall(struct machine *machine)
{
	if (!machine->remembered_count)
		machine->bytes.is_bad = true;
	else
		*machine->row = machine->remembered[--machine->remembered_count];
}

/* Instructions about the CFA. @return false when it is none of them. */
static bool run_cfa(struct machine *machine, unsigned op)
{
	struct cfi_bytes *bytes = &machine->bytes;
	struct cfi_row *row = machine->row;
	uint64_t number;

	switch (op) {
	case OP_DEF_CFA:
		number = cfi_uleb(bytes);
		set_cfa(machine, number, (int64_t)cfi_uleb(bytes));
		return true;
	case OP_DEF_CFA_SF:
		number = cfi_uleb(bytes);
		set_cfa(machine, number, scaled(machine, cfi_sleb(bytes)));
		return true;
	case OP_DEF_CFA_REGISTER:
		set_cfa(machine, cfi_uleb(bytes), row->cfa.offset);
		return true;
	case OP_DEF_CFA_OFFSET:
		set_cfa(machine, row->cfa_register, (int64_t)cfi_uleb(bytes));
		return true;
	case OP_DEF_CFA_OFFSET_SF:
		set_cfa(machine, row->cfa_register, scaled(machine, cfi_sleb(bytes)));
		return true;
	case OP_DEF_CFA_EXPRESSION:
		row->cfa = read_block(machine, CFI_IS_EXPRESSION);
		return true;
	default:
		return false;
	}
}

/* Instructions about one register. @return false when it is none of them. */
static bool run_register(struct machine *machine, unsigned op)
{
	struct cfi_bytes *bytes = &machine->bytes;
	uint64_t number;

	if (op == OP_EXPRESSION || op == OP_VAL_EXPRESSION) {
		set_expression(machine,
			       op == OP_EXPRESSION ? CFI_AT_EXPRESSION : CFI_IS_EXPRESSION);
		return true;
	}
	if (op < OP_OFFSET_EXTENDED || (op > OP_REGISTER && op < OP_OFFSET_EXTENDED_SF))
		return false;
	number = cfi_uleb(bytes);
	switch (op) {
	case OP_OFFSET_EXTENDED:
		set_value(machine, number, CFI_AT_CFA, scaled(machine, (int64_t)cfi_uleb(bytes)));
		return true;
	case OP_OFFSET_EXTENDED_SF:
		set_value(machine, number, CFI_AT_CFA, scaled(machine, cfi_sleb(bytes)));
		return true;
	case OP_GNU_NEGATIVE_OFFSET:
		set_value(machine, number, CFI_AT_CFA, -scaled(machine, (int64_t)cfi_uleb(bytes)));
		return true;
	case OP_VAL_OFFSET:
		set_value(machine, number, CFI_IS_CFA, scaled(machine, (int64_t)cfi_uleb(bytes)));
		return true;
	case OP_VAL_OFFSET_SF:
		set_value(machine, number, CFI_IS_CFA, scaled(machine, cfi_sleb(bytes)));
		return true;
	case OP_RESTORE_EXTENDED:
		restore(machine, number);
		return true;
	case OP_UNDEFINED:
		set_value(machine, number, CFI_UNDEFINED, 0);
		return true;
	case OP_SAME_VALUE:
		set_value(machine, number, CFI_SAME, 0);
		return true;
	case OP_REGISTER:
		set_value(machine, number, CFI_REGISTER, (int64_t)cfi_uleb(bytes));
		return true;
	default:
		return false;
	}
}

static void run_other(struct machine *machine, unsigned op)
{
	switch (op) {
	case OP_NOP:
		return;
	case OP_ADVANCE1:
		advance(machine, cfi_unsigned(&machine->bytes, 1));
		return;
	case OP_ADVANCE2:
		advance(machine, cfi_unsigned(&machine->bytes, 2));
		return;
	case OP_ADVANCE4:
		advance(machine, cfi_unsigned(&machine->bytes, 4));
		return;
	case OP_REMEMBER:
		remember(machine);
		return;
	case OP_RECALL:
		recall(machine);
		return;
	case OP_GNU_ARGS_SIZE:
		cfi_uleb(&machine->bytes);
		return;
	default:
		machine->bytes.is_bad = true;
	}
}

static void run_one(struct machine *machine)
{
	unsigned op = (unsigned)cfi_unsigned(&machine->bytes, 1);
	unsigned operand = op & 0x3f;

	switch (op & 0xc0) {
	case OP_ADVANCE:
		advance(machine, operand);
		return;
	case OP_OFFSET:
		set_value(machine, operand, CFI_AT_CFA,
			  scaled(machine, (int64_t)cfi_uleb(&machine->bytes)));
		return;
	case OP_RESTORE:
		restore(machine, operand);
		return;
	default:
		if (!run_cfa(machine, op) && (op == OP_GNU_ARGS_SIZE || !run_register(machine, op)))
			run_other(machine, op);
	}
}

static bool run_all(struct machine *machine, struct cfi_bytes program)
{
	machine->bytes = program;
	while (!machine->bytes.is_bad && machine->bytes.at < machine->bytes.end &&
	       machine->at <= machine->wanted)
		run_one(machine);
	return !machine->bytes.is_bad;
}

bool cfi_run(const struct cfi_entry *entry, uintptr_t addr, struct cfi_row *ret_row)
{
	struct machine machine = {
		.entry = entry, .wanted = addr, .at = entry->start, .row = ret_row};
	struct cfi_row initial;

	memset(ret_row, 0, sizeof(*ret_row));
	if (!run_all(&machine, entry->initial))
		return false;
	initial = *ret_row;
	machine.initial = &initial;
	/* a row holds until the first advance past the address */
	return run_all(&machine, entry->program);
}
