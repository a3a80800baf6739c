/* SPDX-License-Identifier: MIT */
/*
 * Walks the call stack of the calling thread by frame rules (frame_rules.h). Any thread, signal
 * handlers, any stack: no lock, no allocation, and no system call on a stack whose bounds are
 * known. On others (coroutines, alternate signal stacks) each page that the walk comes to costs one
 * system call, which asks whether it can be read.
 */
#ifndef LLMTRACE_FRAME_WALK_H
#define LLMTRACE_FRAME_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* A thread's own stack: all between its stack pointer and high can be read. 0, 0: not known. */
struct frame_stack {
	uintptr_t low;
	uintptr_t high;
};

/*
 * Which words of the stack a walk has read: given the same state at its start, the same loader's
 * generation, and the same values in these words, it finds the same frames. Offsets count words
 * from the stack pointer at the start.
 */
#define FRAME_TRAIL_FRAMES 133u
#define FRAME_TRAIL_POINTERS 64u
struct frame_trail {
	uint32_t frame_count;
	uint32_t pointer_count;
	bool is_whole;	    /* false: the walk met something that these words do not decide */
	bool uses_start_bp; /* the frame pointer at the start counts as well */
	uint16_t frames[FRAME_TRAIL_FRAMES];	 /* where each return address is */
	uint16_t pointers[FRAME_TRAIL_POINTERS]; /* where frame pointers are that were used... */
	uint16_t pointer_values[FRAME_TRAIL_POINTERS]; /* ...and where they point to */
};

/* Registers of a frame: where its code is, and its stack and frame pointers. */
struct frame_state {
	uintptr_t ip; /* a return address */
	uintptr_t sp;
	uintptr_t bp;
};

/* The state of the function that called the one where this stands. */
#define FRAME_STATE_OF_CALLER()                                                                    \
	((struct frame_state){(uintptr_t)__builtin_return_address(0),                              \
			      (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t),       \
			      *(const uintptr_t *)__builtin_frame_address(0)})

/* What a walk needs to know and to fill. */
struct frame_walk {
	struct frame_stack own; /* the calling thread's stack */
	uint32_t generation;	/* the loader's count of removed objects */
	unsigned max;		/* places of frames */
	uintptr_t *frames;
	struct frame_trail *trail;
};

static inline uint64_t frame_hash(uint64_t hash, uintptr_t frame)
{
	hash = (hash ^ frame) * 0x9fb21c651e98df25u;
	return hash ^ hash >> 32;
}

/*
 * Return addresses from the caller of the function that start describes outwards. A frame that was
 * interrupted by a signal stands with the address where it was.
 *
 * @return how many places of frames were filled.
 */
unsigned frame_walk(struct frame_walk *walk, struct frame_state start);

/*
 * The same by complete evaluation of every frame's information, without rules or cache: for the
 * frames that no rule fits, and to compare with. Frames of the walker itself come first.
 */
unsigned frame_walk_complete(const struct frame_stack *own, uintptr_t *frames, unsigned max);

#endif
