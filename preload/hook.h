/* SPDX-License-Identifier: MIT */
/*
 * Everything that a hook file needs: the switch, the re-entry mark, time stamps, call stacks, and
 * the record that is reserved and committed in this thread's ring. The shape of a hook:
 *
 *	LT_EXPORT void *malloc(size_t size)
 *	{
 *		void *addr = real_malloc(size);
 *		struct hook_scope scope;
 *
 *		if (hook_enter(&scope, LT_GROUP_heap, HOOK_CALLER())) {
 *			HOOK_EMIT(&scope, alloc, LT_alloc_call_malloc, clock_after(),
 *				  hook_stack(&scope), event->addr = (uintptr_t)addr;
 *				  event->size_bytes = size);
 *			hook_leave(&scope);
 *		}
 *		return addr;
 *	}
 *
 * Rules for hooks:
 * - Acquires (malloc, mmap, open) call the real function first and enter after it; releases (free,
 *   munmap, close) stamp before it. The mark is never held across a real call.
 * - hook_leave restores errno as hook_enter found it: enter after the real call, so that its errno
 *   stays. For a release that records before the real call the same holds by itself.
 * - Between enter and leave: no lock, no allocation, no libc function but memcpy and its kin. Heap
 *   and small-read hooks make no system call; hooks on calls that are long in the kernel may
 *   (sys.h).
 * - Everything works in signal handlers, in forked children (where the switch is off) and before
 *   main.
 */
#ifndef LLMTRACE_HOOK_H
#define LLMTRACE_HOOK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "intern.h"
#include "llmtrace/events.h"
#include "llmtrace/pool.h"
#include "ring.h"
#include "stack.h"

#define LT_EXPORT __attribute__((visibility("default")))
#define LT_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define LT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/*
 * The address in the target from which the hook was called. Use it in the exported function itself.
 */
#define HOOK_CALLER() __builtin_return_address(0)

/*
 * The switch that every hook reads first. It lies in a private page that the kernel wipes in forked
 * children, so a child is off before its first instruction. groups: enum lt_group bits that are
 * recorded.
 */
struct hook_switch {
	uint32_t groups;
};

/* Points to a page of zeros until recording starts. */
extern struct hook_switch *hook_switch;

/* A hook that is active on this thread's stack. */
struct hook_scope {
	uintptr_t cookie;	  /* tells a live scope from stack memory that was used again */
	struct hook_scope *outer; /* the mark that was found, NULL for none */
	const void *caller;
	int *errno_at;
	int saved_errno;
};

/* What the shim keeps per thread: initial-exec TLS, under 64 bytes. */
struct hook_thread {
	struct lt_ring *ring;
	struct hook_scope *mark; /* the active hook; HOOK_MARK_OWN in the shim's own threads */
	uintptr_t stack_low; /* this thread's own stack; 0 when it is not known */
	uint32_t stack_kilobytes;
	uint32_t ticket; /* of the pthread_create that made this thread */
};

extern __thread struct hook_thread hook_self __attribute__((tls_model("initial-exec")));

/*
 * A mark that is never stale: calls of the shim's own threads and of its own work are passed
 * through.
 */
#define HOOK_MARK_OWN ((struct hook_scope *)8)

#define HOOK_COOKIE 0x6c6c6d7472616365u

/* Whether events of the group are recorded at this moment; cheap. */
static inline bool hook_is_on(unsigned group)
{
	return __atomic_load_n(&hook_switch->groups, __ATOMIC_RELAXED) & group;
}

/*
 * Whether this process is recorded, or may be from now on: false in children that are not followed.
 * Asks the kernel.
 */
bool hook_is_set_up(void);

/*
 * The active hook of this thread was left by a jump: clears its mark, and turns what it had
 * reserved into pads. errno stays.
 */
void hook_abandon(void);

/* Tells the walker where this thread's own stack lies. */
static inline void hook_set_stack(struct frame_stack stack)
{
	hook_self.stack_kilobytes = (uint32_t)((stack.high - stack.low) / 1024);
	hook_self.stack_low = stack.high - (uint64_t)hook_self.stack_kilobytes * 1024;
}

/* The slow half of hook_enter: a mark is set, or the thread has no ring yet. */
bool hook_enter_slow(struct hook_scope *scope, const void *caller);

/*
 * Marks this thread as inside a hook. @return false: record nothing, and do not call hook_leave:
 * the group is off, or another hook of this thread is active (the call is counted as passed
 * through).
 */
static inline bool hook_enter(struct hook_scope *scope, unsigned group, const void *caller)
{
	struct hook_thread *self = &hook_self;

	if (!hook_is_on(group))
		return false;
	if (LT_UNLIKELY(self->mark || !self->ring))
		return hook_enter_slow(scope, caller);
	scope->errno_at = self->ring->errno_at;
	scope->saved_errno = *scope->errno_at;
	scope->caller = caller;
	scope->cookie = HOOK_COOKIE ^ (uintptr_t)scope;
	scope->outer = NULL;
	self->mark = scope;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

static inline void hook_leave(struct hook_scope *scope)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	scope->cookie = 0;
	hook_self.mark = scope->outer;
	*scope->errno_at = scope->saved_errno;
}

/*
 * Marks this thread as doing the shim's own work (loader calls, start-up): hooks that it runs into
 * pass through uncounted. @return the mark to give to hook_own_end.
 */
static inline struct hook_scope *hook_own_begin(void)
{
	struct hook_scope *outer = hook_self.mark;

	hook_self.mark = HOOK_MARK_OWN;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return outer;
}

static inline void hook_own_end(struct hook_scope *outer)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	hook_self.mark = outer;
}

/*
 * @return the id of the call stack that starts at the hook's caller; 0 when it could not be kept.
 */
static inline uint32_t hook_stack(const struct hook_scope *scope)
{
	struct frame_stack own = {
		hook_self.stack_low, hook_self.stack_low + (uint64_t)hook_self.stack_kilobytes * 1024};

	return stack_capture(hook_self.ring, own, scope->caller, scope->outer != NULL);
}

/* @return the id of a string for fields of unit string; 0 for NULL or when the table is full. */
static inline uint32_t hook_string(const char *text)
{
	return text ? intern_string(text) : 0;
}

/*
 * Records one event: HOOK_EMIT(scope, event name, aux, time stamp, stack id, assignments to
 * *event). Evaluates the time stamp and the stack before the record is reserved. A lost record is
 * counted.
 */
#define HOOK_EMIT(scope, name, aux, time_, stack_, ...)                                            \
	do {                                                                                       \
		uint32_t hook_stack_ = (stack_);                                                   \
		uint64_t hook_time_ = (time_);                                                     \
		struct lt_ev_##name *event =                                                       \
			ring_reserve(hook_self.ring, LT_SLOTS(name), (scope)->outer != NULL);      \
		if (LT_LIKELY(event)) {                                                            \
			uint8_t hook_lap_ = LT_STATE_LAP(event->head.state);                       \
			event->head.time = hook_time_;                                             \
			event->head.stack = hook_stack_;                                           \
			__VA_ARGS__;                                                               \
			ring_commit(&event->head,                                                  \
				    LT_STATE(LT_KIND_##name, LT_SLOTS(name), aux, hook_lap_));     \
		}                                                                                  \
	} while (0)

/* Faults of this thread so far, for calls that are long in the kernel anyway. */
struct hook_faults {
	uint32_t minor_count;
	uint32_t major_count;
};

/* getrusage(RUSAGE_THREAD): a system call of 0.5 us. errno is not touched. */
struct hook_faults hook_faults_now(void);

#endif
