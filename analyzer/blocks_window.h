/* SPDX-License-Identifier: MIT */
/*
 * A sliding view of a file, by pread and not by mmap: a file that shrinks or a disk that fails
 * gives a refusal and no signal. One thread.
 */
#ifndef LLMTRACE_ANALYZER_BLOCKS_WINDOW_H
#define LLMTRACE_ANALYZER_BLOCKS_WINDOW_H

#include <stddef.h>
#include <stdint.h>

struct window {
	int fd;
	uint64_t file_bytes;
	uint8_t *bytes;
	size_t capacity;
	uint64_t offset;		/* what bytes holds: length bytes from here on */
	size_t length;
};

void window_init(struct window *window, int fd, uint64_t file_bytes);
void window_release(struct window *window);

/*
 * @return length bytes at offset, valid until the next call; NULL when the file does not have them.
 */
const uint8_t *window_at(struct window *window, uint64_t offset, uint64_t length);

/*
 * As window_at, with as much as the view holds anyway. ret_length: at least 1. NULL at the file's
 * end.
 */
const uint8_t *window_some(struct window *window, uint64_t offset, size_t *ret_length);

/* Reads up to length bytes. @return how many: less at the end of the file and after an error. */
size_t window_pread(int fd, void *bytes, size_t length, uint64_t offset);

#endif
