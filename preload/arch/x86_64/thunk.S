/* SPDX-License-Identifier: MIT */
/*
 * Entry points that C cannot write, since they must not leave a frame on the stack, or do not know
 * a prototype. All have call frame information: unwinders, C++ exceptions and cancellation pass
 * through. Arguments in the upper halves of ymm registers are not kept: no engine function has any.
 *
 *   phase entries    exported engine functions and the slots of hook_phases.c: see call and return
 *   vfork            noted, then jumped to: its caller's frame must not be returned through twice
 *   dlsym            answered by hook_phases.c, or jumped to: the loader reads the return address
 *   lt_thread_entry  first code of a new thread: noted, then a jump to the thread's routine
 */
	.text

	.hidden lt_phase_enter
	.hidden lt_phase_exit
	.hidden lt_before_vfork
	.hidden lt_dlsym
	.hidden lt_thread_started
	.hidden real_vfork
	.hidden real_dlsym

/* ---- phases: each entry leaves its number in r11, which no call passes anything in ---- */
	.macro phase_entry
	movl $phase_number, %r11d
	jmp phase_common
	.set phase_number, phase_number + 1
	.endm

	.set phase_number, 0
	.cfi_startproc
#define LT_PHASE_CALL(name, tokens, result)	\
	.globl name;				\
	.type name, @function;			\
	.p2align 4;				\
name:						\
	phase_entry;				\
	.size name, . - name;
#include "../../phase_calls.def"
#undef LT_PHASE_CALL

	.globl lt_phase_slots
	.hidden lt_phase_slots
	.type lt_phase_slots, @function
	.p2align 4
lt_phase_slots:
	.rept 32
	.p2align 4
	phase_entry
	.endr
	.size lt_phase_slots, . - lt_phase_slots
	.cfi_endproc

/*
 * Below rbp: rdi rsi rdx rcx r8 r9 rax r10, the entry's number, the real function, xmm0-7, a word for
 * hook_phases.c (ARCH_PHASE_MARK). Below that the copy of the caller's stack arguments, at the same alignment to 64 bytes; the callee may
 * change it, as it may the original.
 */
#define SAVED_NUMBER	-72(%rbp)
#define SAVED_REAL	-80(%rbp)
#define SAVED_BYTES	224
#define COPY_BYTES	512

	.type phase_common, @function
	.p2align 4
phase_common:
	.cfi_startproc
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	subq $SAVED_BYTES, %rsp
	movq %rdi, -8(%rbp)
	movq %rsi, -16(%rbp)
	movq %rdx, -24(%rbp)
	movq %rcx, -32(%rbp)
	movq %r8, -40(%rbp)
	movq %r9, -48(%rbp)
	movq %rax, -56(%rbp)
	movq %r10, -64(%rbp)
	movq %r11, SAVED_NUMBER
	movups %xmm0, -96(%rbp)
	movups %xmm1, -112(%rbp)
	movups %xmm2, -128(%rbp)
	movups %xmm3, -144(%rbp)
	movups %xmm4, -160(%rbp)
	movups %xmm5, -176(%rbp)
	movups %xmm6, -192(%rbp)
	movups %xmm7, -208(%rbp)
	movl %r11d, %edi
	movq 8(%rbp), %rsi
	leaq 16(%rbp), %rdx
	call lt_phase_enter
	movq %rax, SAVED_REAL

	/* rdx: bytes of stack arguments */
	leaq 16(%rbp), %rsi
	movq %rsi, %rax
	andl $63, %eax
	leaq -(COPY_BYTES + 64)(%rsp), %rdi
	andq $-64, %rdi
	addq %rax, %rdi
	movq %rdi, %rsp
	movq %rdx, %rcx
	shrq $3, %rcx
	rep movsq

	movups -208(%rbp), %xmm7
	movups -192(%rbp), %xmm6
	movups -176(%rbp), %xmm5
	movups -160(%rbp), %xmm4
	movups -144(%rbp), %xmm3
	movups -128(%rbp), %xmm2
	movups -112(%rbp), %xmm1
	movups -96(%rbp), %xmm0
	movq -64(%rbp), %r10
	movq -56(%rbp), %rax
	movq -48(%rbp), %r9
	movq -40(%rbp), %r8
	movq -32(%rbp), %rcx
	movq -24(%rbp), %rdx
	movq -16(%rbp), %rsi
	movq -8(%rbp), %rdi
	call *SAVED_REAL

	/* results: rax and rdx, xmm0 and xmm1; those of the x87 stay where they are */
	leaq -SAVED_BYTES(%rbp), %rsp
	movq %rax, -8(%rbp)
	movq %rdx, -16(%rbp)
	movups %xmm0, -96(%rbp)
	movups %xmm1, -112(%rbp)
	movl SAVED_NUMBER, %edi
	movq %rax, %rsi
	leaq 16(%rbp), %rdx
	call lt_phase_exit
	movups -112(%rbp), %xmm1
	movups -96(%rbp), %xmm0
	movq -16(%rbp), %rdx
	movq -8(%rbp), %rax
	leave
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size phase_common, . - phase_common

/* ---- vfork: the child returns first, the parent once more through the same return address ---- */
	.globl vfork
	.type vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	movq 8(%rsp), %rdi
	call lt_before_vfork
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp *real_vfork(%rip)
	.cfi_endproc
	.size vfork, . - vfork

/* ---- dlsym ---- */
	.globl dlsym
	.type dlsym, @function
	.p2align 4
dlsym:
	.cfi_startproc
	pushq %rdi
	.cfi_adjust_cfa_offset 8
	pushq %rsi
	.cfi_adjust_cfa_offset 8
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	movq 24(%rsp), %rdx
	call lt_dlsym
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %rsi
	.cfi_adjust_cfa_offset -8
	popq %rdi
	.cfi_adjust_cfa_offset -8
	testq %rax, %rax
	jz 1f
	movq %rdx, %rax
	ret
1:	jmp *real_dlsym(%rip)
	.cfi_endproc
	.size dlsym, . - dlsym

/* ---- threads: rdi is the slot ---- */
	.globl lt_thread_entry
	.hidden lt_thread_entry
	.type lt_thread_entry, @function
	.p2align 4
lt_thread_entry:
	.cfi_startproc
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call lt_thread_started
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	movq %rdx, %rdi
	jmp *%rax
	.cfi_endproc
	.size lt_thread_entry, . - lt_thread_entry

	.section .note.GNU-stack, "", @progbits
