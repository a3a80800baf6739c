/* SPDX-License-Identifier: MIT */
/*
 * What an open event says of a file: its name, and what the kernel knows of the new descriptor. Any
 * thread, signal handlers, inside a hook: two system calls, none of them a hook or a cancellation
 * point; errno stays.
 */
#ifndef LLMTRACE_FILE_FACTS_H
#define LLMTRACE_FILE_FACTS_H

#include <stdint.h>

struct file_facts {
	uint64_t file_bytes;
	uint64_t device;
	uint64_t inode;
	uint32_t file_mode;
	uint32_t block_bytes;
	uint32_t path; /* intern id */
};

/*
 * fd: the new descriptor. flags: as for open. path: as the target gave it; an absolute one is kept as
 * it is, for any other (NULL too) the kernel is asked. Unknown fields are 0. A file that may be a
 * model is offered to the writer.
 */
struct file_facts file_facts_of(int fd, int flags, const char *path);

/* The same for a call that failed with error: the path alone, as given. */
struct file_facts file_facts_of_failed(const char *path, int error);

/*
 * @return the intern id of the path behind a descriptor, of fallback (may be NULL) when the kernel
 * does not say.
 */
uint32_t file_path_of(int fd, const char *fallback);

/*
 * @return the intern id of a path that the kernel was given: 0 when error says that it could not be
 * read.
 */
uint32_t file_path_given(const char *path, int error);

#endif
