/* SPDX-License-Identifier: MIT */
/* Opening files that a trace names. Any thread. */
#ifndef LLMTRACE_ANALYZER_REGULAR_FILE_H
#define LLMTRACE_ANALYZER_REGULAR_FILE_H

/*
 * Opens a file for reading. Looks before it opens: only to open a device may do something.
 * flags: O_NOFOLLOW or 0. @return the descriptor, -1 when there is no regular file.
 */
int regular_file_open(const char *path, int flags);

#endif
