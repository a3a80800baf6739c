/* SPDX-License-Identifier: MIT */
/* Set-up of the hooks on threads. */
#ifndef LLMTRACE_HOOK_THREADS_H
#define LLMTRACE_HOOK_THREADS_H

/* Makes the key whose destructor notices the end of threads. Call once, before recording starts. */
void threads_init(void);

#endif
