/* SPDX-License-Identifier: MIT */
/*
 * The function behind the marks of llmtrace/mark.h. Entered by the target's threads, which call it
 * by intention: bad input is left out without a word.
 */
#include "hook.h"
#include "io_runs.h"
#include "llmtrace/mark.h"

/* As in mark.h, which cannot know our headers. */
_Static_assert(LT_mark_kind_begin == 1 && LT_mark_kind_end == 2, "numbers of mark.h");
_Static_assert(LT_mark_kind_instant == 3 && LT_mark_kind_counter == 4, "numbers of mark.h");

LT_EXPORT void llmtrace_mark(int kind, const char *name, int64_t value)
{
	struct hook_scope scope;
	uint32_t text;

	if (!name || kind < LT_mark_kind_begin || kind > LT_mark_kind_counter)
		return;
	if (!hook_enter(&scope, LT_GROUP_phases, HOOK_CALLER()))
		return;
	text = hook_string(name);
	/* runs of small calls end at the borders of phases, so that each belongs to one */
	if (kind <= LT_mark_kind_end)
		io_runs_end_all(&scope);
	HOOK_EMIT(&scope, mark, (unsigned)kind, clock_now(), hook_stack(&scope),
		  event->value = value;
		  event->name = text; event->reserved = 0);
	hook_leave(&scope);
}
