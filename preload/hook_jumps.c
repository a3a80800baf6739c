/* SPDX-License-Identifier: MIT */
/*
 * Hooks on longjmp and its kin. A signal handler may jump out of a hook that it has interrupted;
 * that hook never leaves, and its mark would pass for a live one where later frames do not happen
 * to overwrite it. Any thread, signal handlers; nothing is recorded.
 */
#include <setjmp.h>

#include "arch.h"
#include "hook.h"
#include "hooked.h"
#include "real.h"

/* The stack grows down: a jump to above the active hook's scope leaves it behind. */
static void leave_hooks_below(const struct __jmp_buf_tag *buffer)
{
	const struct hook_scope *mark = hook_self.mark;

	if (LT_UNLIKELY(mark && mark != HOOK_MARK_OWN &&
			arch_jump_target(buffer) > (uintptr_t)mark))
		hook_abandon();
}

LT_EXPORT void longjmp(struct __jmp_buf_tag buffer[1], int value)
{
	leave_hooks_below(buffer);
	real_longjmp(buffer, value);
	__builtin_unreachable();
}

LT_EXPORT void _longjmp(struct __jmp_buf_tag buffer[1], int value)
{
	leave_hooks_below(buffer);
	real__longjmp(buffer, value);
	__builtin_unreachable();
}

LT_EXPORT void siglongjmp(struct __jmp_buf_tag buffer[1], int value)
{
	leave_hooks_below(buffer);
	real_siglongjmp(buffer, value);
	__builtin_unreachable();
}

LT_EXPORT void __longjmp_chk(struct __jmp_buf_tag buffer[1], int value)
{
	leave_hooks_below(buffer);
	real___longjmp_chk(buffer, value);
	__builtin_unreachable();
}
