/* SPDX-License-Identifier: MIT */
/*
 * Marks for programs that want their own phases and numbers in a trace of llmtrace. Header only,
 * for C and C++ with gcc or clang; nothing to link. Without the preloaded library every function does
 * nothing and costs one load and one jump. Any thread; not in signal handlers. Names are copied;
 * equal names mean the same thing.
 *
 *	llmtrace_begin("generate", 1);		a phase of this thread begins, with its tokens;
 *						-1 if it has none
 *	...
 *	llmtrace_end("generate");		the phase of that name ends
 *	llmtrace_instant("model ready");	a point in time
 *	llmtrace_counter("queue", 17);		a value at a point in time
 */
#ifndef LLMTRACE_MARK_H
#define LLMTRACE_MARK_H

#include <stdint.h>

#ifndef __GNUC__
#error "llmtrace/mark.h needs gcc or clang"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library has it. kind: 1 begin, 2 end, 3 instant, 4 counter. */
extern void llmtrace_mark(int kind, const char *name, int64_t value) __attribute__((weak));

#ifdef __cplusplus
}
#endif

static __inline__ __attribute__((__unused__))
void llmtrace_mark_if_there(int kind, const char *name, int64_t value)
{
	void (*mark)(int, const char *, int64_t);

#if defined(__x86_64__) && !defined(__ILP32__)
	/*
	 * through the global offset table: code that is not position independent would take the
	 * address at link time, as 0
	 */
	__asm__(".weak llmtrace_mark\n\tmovq llmtrace_mark@GOTPCREL(%%rip), %0" : "=r"(mark));
#else
	mark = llmtrace_mark;
#endif
	if (mark)
		mark(kind, name, value);
}

static __inline__ __attribute__((__unused__))
void llmtrace_begin(const char *name, int64_t token_count)
{
	llmtrace_mark_if_there(1, name, token_count);
}

static __inline__ __attribute__((__unused__)) void llmtrace_end(const char *name)
{
	llmtrace_mark_if_there(2, name, -1);
}

static __inline__ __attribute__((__unused__)) void llmtrace_instant(const char *name)
{
	llmtrace_mark_if_there(3, name, 0);
}

static __inline__ __attribute__((__unused__)) void llmtrace_counter(const char *name, int64_t value)
{
	llmtrace_mark_if_there(4, name, value);
}

#endif
