/* SPDX-License-Identifier: MIT */
/*
 * Memory of the report: allocation that cannot fail, growing arrays and an arena for strings. The
 * report is a batch program: without memory there is nothing left to do, so the one line about it
 * and the end of the process live here and no caller checks for NULL.
 */
#ifndef LLMTRACE_REPORT_ALLOC_H
#define LLMTRACE_REPORT_ALLOC_H

#include <stddef.h>

/* @return zeroed memory for free(); never NULL. */
void *report_alloc(size_t count, size_t element_bytes);

/*
 * Makes room for `needed` elements; new elements are zeroed. *capacity counts elements.
 * @return the array, which may have moved; never NULL.
 */
void *report_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes);

struct arena {
	struct arena_chunk *chunks;	/* the newest first */
};

/* @return zeroed memory that lives until arena_release(), aligned to 16 bytes. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* @return a copy; NULL for NULL. */
char *arena_text(struct arena *arena, const char *text);
void arena_release(struct arena *arena);

#endif
