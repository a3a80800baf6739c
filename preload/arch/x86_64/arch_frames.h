/* SPDX-License-Identifier: MIT */
/*
 * x86-64: registers of call frames; see arch.h. Numbers are those of DWARF (System V ABI for
 * AMD64, figure 3.36).
 */
#ifndef LLMTRACE_ARCH_FRAMES_H
#define LLMTRACE_ARCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#define ARCH_FRAME_REGISTERS 17u
#define ARCH_FRAME_POINTER 6u
#define ARCH_STACK_POINTER 7u
#define ARCH_RETURN_ADDRESS 16u

/* rbx, rbp, rsp, r12 to r15, rip: what a function keeps for its caller. */
#define ARCH_KEPT_REGISTERS 0x1f0c8u

/* Where this code runs: address, stack pointer, frame pointer. */
#define ARCH_FRAME_HERE(ip, sp, bp)                                                                \
	__asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"                   \
			 : "=r"(ip), "=r"(sp), "=r"(bp))

/* All kept registers into value[ARCH_FRAME_REGISTERS]. */
#define ARCH_REGISTERS_HERE(value)                                                                 \
	__asm__ volatile("movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"      \
			 "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\t"    \
			 "movq %%r15, 120(%0)\n\tleaq 0(%%rip), %%rax\n\tmovq %%rax, 128(%0)"      \
			 :                                                                         \
			 : "r"(value)                                                              \
			 : "rax", "memory")

/* An address that code of a process can have. */
static inline bool arch_is_code(uintptr_t addr)
{
	return addr - 4096 < ((uintptr_t)1 << 47) - 4096;
}

/*
 * The kernel puts a ucontext_t where the stack pointer of a handler's return points to
 * (arch/x86/kernel/signal_64.c, struct rt_sigframe). Offsets in it of: rip, rsp, rbp.
 */
#define ARCH_SIGNAL_IP (offsetof(ucontext_t, uc_mcontext.gregs) + 8u * REG_RIP)
#define ARCH_SIGNAL_SP (offsetof(ucontext_t, uc_mcontext.gregs) + 8u * REG_RSP)
#define ARCH_SIGNAL_BP (offsetof(ucontext_t, uc_mcontext.gregs) + 8u * REG_RBP)

/* The register of each DWARF number in gregs. */
static const uint8_t arch_signal_registers[ARCH_FRAME_REGISTERS] = {
	REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
	REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

/* "mov $15, %rax; syscall": the return from a handler, where it has no call frame information. */
#define ARCH_SIGNAL_CODE "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"

#endif
