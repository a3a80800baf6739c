/* SPDX-License-Identifier: MIT */
/*
 * What hooks on timed calls share: the stamp before the real call, and the faults inside it. Any
 * thread, signal handlers; nothing here changes errno.
 *
 * A begin of 0 says that the group was off when the call began: such a call is not recorded, even
 * if recording starts while it runs.
 */
#ifndef LLMTRACE_HOOK_CALL_H
#define LLMTRACE_HOOK_CALL_H

#include <stdint.h>

#include "hook.h"

/*
 * Set while this thread may be the child of its own vfork, which shares all memory with the parent:
 * the parent's thread stands still until the child is gone. See process_is_vfork_child.
 */
extern __thread bool process_has_vforked __attribute__((tls_model("initial-exec")));

/* Asks the kernel, and clears the mark when this is the parent again. */
bool process_ask_vfork_child(void);

/*
 * Whether this is the child of a vfork: its descriptors and its end are not those of the traced
 * process.
 */
static inline bool process_is_vfork_child(void)
{
	return LT_UNLIKELY(process_has_vforked) && process_ask_vfork_child();
}

/* @return the stamp of a call that begins now, 0 when its group is off. */
static inline uint64_t call_begin(unsigned group)
{
	return hook_is_on(group) ? clock_now() : 0;
}

/* Whether calls on descriptors and streams are recorded at this moment. */
static inline bool call_is_on_files(void)
{
	return hook_is_on(LT_GROUP_files) && !process_is_vfork_child();
}

/* call_begin for calls on descriptors and streams. */
static inline uint64_t call_begin_files(void)
{
	return call_is_on_files() ? clock_now() : 0;
}

/* @return the stamp of the call's end, 0 when its begin is. */
static inline uint64_t call_end(uint64_t begin)
{
	return begin ? clock_after() : 0;
}

/* Faults so far, of a call that is long in the kernel; zeros when the call is not recorded. */
static inline struct hook_faults call_faults(bool is_measured)
{
	return is_measured ? hook_faults_now() : (struct hook_faults){ 0, 0 };
}

/* Faults since before. */
static inline struct hook_faults call_faults_since(bool is_measured, struct hook_faults before)
{
	struct hook_faults now = call_faults(is_measured);

	return (struct hook_faults){ now.minor_count - before.minor_count,
				     now.major_count - before.major_count };
}

/* errno of the call that the scope was entered after: 0 unless it failed. */
static inline uint32_t call_error(const struct hook_scope *scope, bool has_failed)
{
	return has_failed ? (uint32_t)scope->saved_errno : 0;
}

#endif
