/* SPDX-License-Identifier: MIT */
/* What the hooks on processes share. Any thread; outside a hook's enter and leave. */
#ifndef LLMTRACE_PROCESS_CALL_H
#define LLMTRACE_PROCESS_CALL_H

#include <stdbool.h>
#include <stdint.h>

struct process_call {
	unsigned name;	  /* LT_process_call_ value */
	const char *path; /* program, NULL for none */
	int path_error;	  /* of the call that was given the path; EINVAL when nobody has read it yet
			   */
	int64_t result;
	uint64_t begin; /* 0: the call does not return, it has no duration */
};

/*
 * Whether this is the recorded process at all, asked from the kernel: false in children of fork,
 * vfork and clone, and when nothing is recorded.
 */
bool process_is_recorded(void);

/* Records a call; for one with a duration it ends now. errno stays. */
void process_record(const void *caller, const struct process_call *call);

#endif
