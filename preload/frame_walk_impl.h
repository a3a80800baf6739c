/* SPDX-License-Identifier: MIT */
/* What the two walkers share: which part of the stack can be read. Any thread, signal handlers. */
#ifndef LLMTRACE_FRAME_WALK_IMPL_H
#define LLMTRACE_FRAME_WALK_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "frame_walk.h"

struct frame_limits {
	uintptr_t low; /* where the walk of this stack began */
	uintptr_t high;
	bool is_foreign; /* high is only as far as was asked */
};

/* The limits of a walk that is at sp, on the thread's own stack or on any other. */
struct frame_limits frame_limits_of(const struct frame_stack *own, uintptr_t sp);

/* Moves high up to end, where that can be read. A system call for each page. */
bool frame_limits_reach(struct frame_limits *limits, uintptr_t end);

/* Asks the kernel whether the page can be read. */
bool frame_is_readable(uintptr_t addr);

#endif
