/* SPDX-License-Identifier: MIT */
/*
 * Call frame information (.eh_frame): what the compiler says about how to get from a function's
 * registers to its caller's. This reads the entry of one address and runs its program; nothing is
 * kept. frame_rules.h holds what was learned.
 *
 * Any thread, signal handlers too: no lock where the C library has _dl_find_object (2.35 and newer;
 * before, the loader's list is locked for a moment), no allocation, no system call. Every read is
 * checked against the segment that it lies in: a damaged section gives no answer, never a fault.
 *
 * Sources: DWARF 5 section 6.4; Linux Standard Base 5.0, "Exception Frames" (.eh_frame and
 * .eh_frame_hdr).
 */
#ifndef LLMTRACE_CFI_H
#define LLMTRACE_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch.h"

/* A place in mapped memory that must not be read past its end. */
struct cfi_bytes {
	const uint8_t *at;
	const uint8_t *end;
	bool is_bad; /* something was read past the end: all values since are 0 */
};

uint64_t cfi_uleb(struct cfi_bytes *bytes);
int64_t cfi_sleb(struct cfi_bytes *bytes);
uint64_t cfi_unsigned(struct cfi_bytes *bytes, unsigned size);
int64_t cfi_signed(struct cfi_bytes *bytes, unsigned size);
void cfi_skip(struct cfi_bytes *bytes, uint64_t count);

/* The program of one function. */
struct cfi_entry {
	uintptr_t start; /* first address of the function */
	uint64_t code_align;
	int64_t data_align;
	uint32_t return_register;
	bool is_signal; /* the frame of a signal handler's return: its caller was interrupted, it
			   made no call */
	struct cfi_bytes initial; /* instructions that all functions of its kind begin with */
	struct cfi_bytes program;
};

enum cfi_lookup { CFI_FOUND, CFI_NO_ENTRY, CFI_NO_MODULE };

/*
 * Call once, before threads exist. @return false: no lock-free way to find a module (glibc before
 * 2.35).
 */
bool cfi_init(void);

/* The entry of the function that holds addr. */
enum cfi_lookup cfi_find(uintptr_t addr, struct cfi_entry *ret_entry);

enum cfi_place {
	CFI_SAME = 0,	   /* has not changed */
	CFI_UNDEFINED,	   /* cannot be known */
	CFI_AT_CFA,	   /* stored at CFA + offset */
	CFI_IS_CFA,	   /* CFA + offset */
	CFI_REGISTER,	   /* in the register offset */
	CFI_AT_EXPRESSION, /* stored where the expression says */
	CFI_IS_EXPRESSION, /* the expression's value */
};

/* Kept small: the rows of one look-up lie on the stack of the target's thread. */
struct cfi_value {
	union {
		int64_t offset;
		const uint8_t *expression;
	};
	uint32_t expression_bytes;
	uint32_t place; /* enum cfi_place */
};

/* One row of the table that the program describes: what holds at one address. */
struct cfi_row {
	struct cfi_value cfa; /* CFI_REGISTER: cfa_register + offset; or CFI_IS_EXPRESSION */
	uint32_t cfa_register;
	struct cfi_value registers[ARCH_FRAME_REGISTERS];
};

/* @return false when the program is damaged or uses what is not understood. */
bool cfi_run(const struct cfi_entry *entry, uintptr_t addr, struct cfi_row *ret_row);

/* All registers of one frame, for the rare ones that need more than two. */
struct cfi_registers {
	uint64_t value[ARCH_FRAME_REGISTERS];
	uint32_t known; /* a bit each */
};

/* Reads 8 bytes of the target; false when they cannot be read. */
typedef bool cfi_read_fn(void *context, uintptr_t addr, uint64_t *ret_value);

/*
 * The value of a DWARF expression. has_start: start lies on the stack when it begins (the CFA).
 * @return false when it is damaged, reads what cannot be read, or takes too long.
 */
bool cfi_evaluate(const struct cfi_value *expression, const struct cfi_registers *registers,
		  bool has_start, uint64_t start, cfi_read_fn *read, void *context,
		  uint64_t *ret_value);

#endif
