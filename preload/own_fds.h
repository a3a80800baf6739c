/* SPDX-License-Identifier: MIT */
/*
 * The shim's own descriptors (trace file, pool), kept out of the target's way: they lie above the
 * numbers that a program gets by itself, and the hooks on close and dup2 steer around them. Any
 * thread.
 */
#ifndef LLMTRACE_OWN_FDS_H
#define LLMTRACE_OWN_FDS_H

#include <stdbool.h>

/*
 * Moves a descriptor of ours to a high number and registers it. @return a handle for it, or -1 (fd
 * is closed).
 */
int own_fd_adopt(int fd);

/* @return the number that a handle has at this moment. */
int own_fd_number(int handle);

/* Forgets and closes a descriptor of ours. */
void own_fd_close(int handle);

/*
 * Closes our descriptors in the table of this thread and keeps the handles: for the thread that has a
 * table of its own, they go on.
 */
void own_fds_hide(void);

/* Forgets a descriptor that the target has closed or replaced. */
void own_fd_forget(int handle);

/*
 * Whether fd is one of ours at this moment: its number, and the file behind it, since the target may
 * have taken the number where no hook saw it. The hooks on close answer EBADF for it, as for any
 * number that the target did not open; dup2 and dup3 onto it call own_fd_yield first.
 */
bool own_fd_is(int fd);

/*
 * Moves our descriptor away so that the target can have its number. @return false when that failed.
 */
bool own_fd_yield(int fd);

/*
 * The lowest and highest of our descriptors that lie in [first, last]; false when there is none.
 * For close_range.
 */
bool own_fd_in_range(unsigned first, unsigned last, unsigned *ret_lowest);

#endif
