/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share: input as a file in memory, and the whole report of a trace with a
 * look at what came out. A finding is a crash, a sanitizer's message, too much time or memory, or
 * output that breaks a promise; the last one ends in abort().
 */
#ifndef LLMTRACE_TESTS_FUZZ_HARNESS_H
#define LLMTRACE_TESTS_FUZZ_HARNESS_H

#include <stddef.h>
#include <stdint.h>

/* One for each file that is open at a time. */
struct memory_file {
	int fd;
	char path[32];		/* in /proc/self/fd */
};

/* Fills the file, which is made at the first call. */
void memory_file_set(struct memory_file *file, const void *data, size_t length);

/* In how: the form in the low bits, and whether threads take part. */
enum { HOW_FORMS = 15, HOW_HAS_THREADS = 16, HOW_ALL = 31, HOW_KEEPS_RINGS = 32 };

/*
 * Opens the trace and reports it.
 * how: bits of HOW_ALL; a run prints one form, so that runs stay short. HOW_KEEPS_RINGS: as
 * llmtrace-report does with a killed process, writes into the trace and removes the pool.
 */
void harness_report(const char *path, unsigned how);

#endif
