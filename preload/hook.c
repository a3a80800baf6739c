/* SPDX-License-Identifier: MIT */
/*
 * The slow half of entering a hook: a thread's first event, re-entry, and marks that the stack has
 * left behind. Entered by target threads, in signal handlers too.
 */
#include "hook.h"

#include <signal.h>

#include "init.h"
#include "pool.h"
#include "sys.h"

/* Read before recording starts: everything is off. */
static struct hook_switch switched_off;

struct hook_switch *hook_switch = &switched_off;

__thread struct hook_thread hook_self __attribute__((tls_model("initial-exec")));

bool hook_is_set_up(void)
{
	return hook_switch != &switched_off && sys_getpid() == init_pid;
}

/* Where this code runs in respect to the thread's alternate signal stack. */
struct alternate_stack {
	uintptr_t start;
	uintptr_t end;
	bool is_active;
};

static struct alternate_stack alternate_stack_now(void)
{
	stack_t stack;

	if (SYS_CALL(sigaltstack, NULL, &stack, 0, 0, 0, 0) < 0 || stack.ss_flags & SS_DISABLE)
		return (struct alternate_stack){0, 0, false};
	return (struct alternate_stack){(uintptr_t)stack.ss_sp,
					(uintptr_t)stack.ss_sp + stack.ss_size,
					stack.ss_flags & SS_ONSTACK};
}

/*
 * Whether the hook that set the mark can still be running on the stack that is in use now. The
 * stack grows down: an active hook has its scope above this one, with its cookie intact. Any other
 * mark was left behind by siglongjmp.
 */
static bool is_live(const struct hook_scope *mark, const struct hook_scope *scope,
		    const struct alternate_stack *alternate)
{
	bool is_mark_alternate =
		(uintptr_t)mark - alternate->start < alternate->end - alternate->start;

	return is_mark_alternate == alternate->is_active && mark > scope &&
	       mark->cookie == (HOOK_COOKIE ^ (uintptr_t)mark);
}

/*
 * Turns the slots that a hook reserved and never committed into pads: the writer could not pass
 * them.
 */
static void abandon_reservations(struct lt_ring *ring)
{
	uint64_t position = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	while (position < ring->head) {
		uint32_t state = ring_slot(ring, position)->state;
		unsigned slots =
			LT_STATE_LAP(state) == LT_LAP(position) ? LT_STATE_SLOTS(state) : 0;

		if (slots == 0 || !LT_STATE_KIND(state))
			ring_pad(ring, position, slots ? slots : 1);
		position += slots ? slots : 1;
	}
}

void hook_abandon(void)
{
	hook_self.mark = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (hook_self.ring)
		abandon_reservations(hook_self.ring);
}

static bool take_ring(void)
{
	struct lt_ring *ring;

	/* the kernel call and the growth of the pool happen once in a thread's life */
	int tid = sys_gettid();

	ring = pool_take_ring(tid);
	if (!hook_self.stack_low && tid == init_pid)
		hook_set_stack(stack_of_main_thread());
	if (ring)
		ring->errno_at = __errno_location();
	hook_self.ring = ring;
	return ring;
}

bool hook_enter_slow(struct hook_scope *scope, const void *caller)
{
	struct hook_thread *self = &hook_self;
	struct hook_scope *mark = self->mark;

	if (mark == HOOK_MARK_OWN)
		return false;
	scope->errno_at = __errno_location();
	scope->saved_errno = *scope->errno_at;
	scope->caller = caller;
	scope->cookie = HOOK_COOKIE ^ (uintptr_t)scope;
	scope->outer = NULL;
	if (mark) {
		struct alternate_stack alternate = alternate_stack_now();

		if (is_live(mark, scope, &alternate)) {
			if (self->ring)
				self->ring->passed_count++;
			return false;
		}
		/*
		 * a handler on the alternate stack has interrupted a hook, which goes on after it
		 */
		if (alternate.is_active && !self->ring)
			return false; /* it may be about to take one */
		if (alternate.is_active)
			scope->outer = mark;
		else if (self->ring)
			abandon_reservations(self->ring);
	}
	self->mark = scope;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (self->ring || take_ring())
		return true;
	hook_leave(scope);
	return false;
}

struct hook_faults hook_faults_now(void)
{
	struct rusage usage;

	if (sys_getrusage(RUSAGE_THREAD, &usage) < 0)
		return (struct hook_faults){0, 0};
	return (struct hook_faults){(uint32_t)usage.ru_minflt, (uint32_t)usage.ru_majflt};
}
