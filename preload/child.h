/* SPDX-License-Identifier: MIT */
/* What a forked child does before it goes on; see child.c. */
#ifndef LLMTRACE_CHILD_H
#define LLMTRACE_CHILD_H

#include <stdbool.h>

/*
 * In the child of a fork, in its only thread, as the first thing: lets go of what is the parent's.
 * may_follow: the C library has made itself usable (not after _Fork); then the child records itself
 * when LLMTRACE_FOLLOW asks for it. errno stays.
 */
void child_begin(bool may_follow);

#endif
