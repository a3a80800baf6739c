/* SPDX-License-Identifier: MIT */
/*
 * Which processes of a tree are traced, and which traces are kept: LLMTRACE_FOLLOW. Start-up and
 * the writer; no lock.
 */
#ifndef LLMTRACE_FOLLOW_H
#define LLMTRACE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Whether this process is to be traced at all. Call once, before the pool is made. */
bool follow_wants_this(void);

/*
 * Whether a trace that began at start_ns (CLOCK_MONOTONIC) and ends now is of a short-lived helper,
 * a wrapper script or a probe that the real program starts: under 1 s and 64 MB. Never with
 * LLMTRACE_FOLLOW=1.
 */
bool follow_is_brief(uint64_t start_ns);

/*
 * Whether a process has a thread of the name of our writer, among its first ones: it is traced, or
 * was until it ends.
 */
bool follow_has_writer(int pid);

/* Whether a process above this one is traced. Known after follow_wants_this. */
bool follow_has_traced_parent(void);

/*
 * Whether a pool in a folder where everybody may write was made by this user: another one could cut
 * it short under whoever maps it.
 */
bool follow_is_trusted(const struct stat *file);

/* Path of the pool of that process, "" when there is none or it lies in no file that is known. */
const char *follow_parent_pool(void);

/* In a forked child that is recorded: the traced process above it is its parent, with this pool. */
void follow_set_parent(const char *pool_path);

#endif
