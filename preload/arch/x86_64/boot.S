/* SPDX-License-Identifier: MIT */
/*
 * First targets of the real_<name> pointers. lt_boot_<name> keeps every argument register, has
 * real_resolve() find all real functions, and jumps on through real_<name>, which points to the real
 * function (or to its fallback) from then on. So no hook ever asks whether it is ready.
 */
	.text

#define LT_HOOK(need, result, name, params, group)	\
	.hidden real_##name;				\
	.globl lt_boot_##name;				\
	.hidden lt_boot_##name;				\
	.type lt_boot_##name, @function;		\
lt_boot_##name:						\
	leaq real_##name(%rip), %r11;			\
	jmp boot_common;				\
	.size lt_boot_##name, . - lt_boot_##name;
#include "../../hooks.def"
#undef LT_HOOK

	.hidden real_resolve
	.type boot_common, @function
boot_common:
	.cfi_startproc
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq $208, %rsp
	movq %rax, -8(%rbp)
	movq %rdi, -16(%rbp)
	movq %rsi, -24(%rbp)
	movq %rdx, -32(%rbp)
	movq %rcx, -40(%rbp)
	movq %r8, -48(%rbp)
	movq %r9, -56(%rbp)
	movq %r11, -64(%rbp)
	movups %xmm0, -80(%rbp)
	movups %xmm1, -96(%rbp)
	movups %xmm2, -112(%rbp)
	movups %xmm3, -128(%rbp)
	movups %xmm4, -144(%rbp)
	movups %xmm5, -160(%rbp)
	movups %xmm6, -176(%rbp)
	movups %xmm7, -192(%rbp)
	call real_resolve
	movups -192(%rbp), %xmm7
	movups -176(%rbp), %xmm6
	movups -160(%rbp), %xmm5
	movups -144(%rbp), %xmm4
	movups -128(%rbp), %xmm3
	movups -112(%rbp), %xmm2
	movups -96(%rbp), %xmm1
	movups -80(%rbp), %xmm0
	movq -64(%rbp), %r11
	movq -56(%rbp), %r9
	movq -48(%rbp), %r8
	movq -40(%rbp), %rcx
	movq -32(%rbp), %rdx
	movq -24(%rbp), %rsi
	movq -16(%rbp), %rdi
	movq -8(%rbp), %rax
	leave
	.cfi_def_cfa %rsp, 8
	jmp *(%r11)
	.cfi_endproc
	.size boot_common, . - boot_common

	.section .note.GNU-stack, "", @progbits
