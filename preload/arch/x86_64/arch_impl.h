/* SPDX-License-Identifier: MIT */
/* x86-64: see arch.h for what each function promises. */
#ifndef LLMTRACE_ARCH_IMPL_H
#define LLMTRACE_ARCH_IMPL_H

#include <cpuid.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define ARCH_ELF_MACHINE 62

/* Where the thunk of phases keeps a word for us, below the caller's stack arguments (thunk.S). */
#define ARCH_PHASE_MARK (16 + 216)

static inline uint64_t arch_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* rdtscp waits until every earlier load is done; plain rdtsc may run before them. */
static inline uint64_t arch_ticks_after(void)
{
	uint32_t low, high, cpu;

	__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* CPUID 0x80000007, EDX bit 8 (invariant TSC) and 0x80000001, EDX bit 27 (rdtscp). */
static inline bool arch_has_steady_ticks(void)
{
	uint32_t a, b, c, d;

	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 1u << 8))
		return false;
	return __get_cpuid(0x80000001, &a, &b, &c, &d) && (d & 1u << 27);
}

static inline uint64_t arch_local_add(uint64_t *word, uint64_t value)
{
	__asm__ volatile("xaddq %0, %1" : "+r"(value), "+m"(*word) : : "memory", "cc");
	return value;
}

/*
 * The stack pointer that longjmp will set. glibc keeps it in word 6 of the buffer, mangled: exclusive-or with the word at fs:0x30,
 * then rotated left by 17 (sysdeps/x86_64: PTR_MANGLE).
 */
static inline uintptr_t arch_jump_target(const struct __jmp_buf_tag *buffer)
{
	uintptr_t target = (uintptr_t)buffer->__jmpbuf[6];

	__asm__("rorq $17, %0\n\txorq %%fs:0x30, %0" : "+r"(target) : : "cc");
	return target;
}

static inline void arch_pause(void)
{
	__asm__ volatile("pause");
}

#endif
