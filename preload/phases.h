/* SPDX-License-Identifier: MIT */
/* What other hooks need of the hooks on phases. */
#ifndef LLMTRACE_PHASES_H
#define LLMTRACE_PHASES_H

/* Drops what is remembered of where functions lie. After dlclose. */
void phases_forget_modules(void);

#endif
