/* SPDX-License-Identifier: MIT */
/* The way back from a path with a replaced user name (llmtrace/privacy.h) to a file of this
 * machine. */
#ifndef LLMTRACE_ANALYZER_PRIVATE_PATH_H
#define LLMTRACE_ANALYZER_PRIVATE_PATH_H

/*
 * Finds for each replaced component the name that it stands for: the user's own, else an entry of
 * the folder before it that has the same length and hash. Reads folders; one thread.
 * @return a path to free: the one given when nothing is replaced in it or no name fits.
 * NULL when memory is short.
 */
char *private_path_find(const char *path);

#endif
