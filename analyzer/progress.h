/* SPDX-License-Identifier: MIT */
/*
 * A progress bar on a terminal for work that takes longer than a second. Silent when the stream is
 * no terminal. One thread.
 */
#ifndef LLMTRACE_ANALYZER_PROGRESS_H
#define LLMTRACE_ANALYZER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;			/* NULL: silent */
	const char *label;
	uint64_t start_ns;
	uint64_t next_ns;
	bool is_shown;
};

/* out: usually stderr; label: what is being done, must outlive the bar. */
void progress_init(struct progress *progress, FILE *out, const char *label);

/* Cheap enough for every batch: looks at the clock and draws at most ten times a second. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* Wipes the bar away. */
void progress_end(struct progress *progress);

#endif
