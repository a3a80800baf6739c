/* SPDX-License-Identifier: MIT */
/*
 * Where the frames of a bounded trace go: LLMTRACE_MAX_BYTES. Behind a head that stays (file
 * header and event table) the file is a ring of bytes. It grows by appending until the bound is reached;
 * then the oldest whole segments become one void frame, and new frames are written into that from
 * its begin. The order of the file is no longer that of time then; blocks tell their places.
 *
 * At every moment the frames cover the file without a gap, so that a process that is killed between
 * any two system calls leaves a file that reads: a frame comes to life by the 8 bytes of its header,
 * which are written last, and never cross a page.
 *
 * Numbers only: no system call is made here. The writer thread alone (start-up before it exists).
 */
#ifndef LLMTRACE_TRACE_SPACE_H
#define LLMTRACE_TRACE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

/* Frames begin at multiples of it, so that their headers never cross a page. */
#define SPACE_GRAIN 8u
/* The header of a void frame, and so the smallest one. */
#define SPACE_VOID_BYTES 8u

/* What has to be done, in this order, to write a frame. */
struct space_plan {
	bool is_truncated;	/* the file ends at truncate_at */
	uint64_t truncate_at;
	uint64_t void_bytes;	/* > 0: a void frame of that length in all begins at offset */
	uint64_t offset;	/* where the frame goes */
	uint64_t rest_bytes;	/* > 0: a void frame of that length begins behind it */
	bool is_append;		/* the frame is the file's new end */
};

/*
 * max_bytes: the bound. head_bytes: length of the head, a multiple of SPACE_GRAIN. Segments are
 * counted from 1; the first one begins with the next frame.
 */
void space_init(uint64_t max_bytes, uint64_t head_bytes);

/* The next frame begins a segment. */
void space_begin_segment(void);

/*
 * Finds the place of a frame of so many bytes, a multiple of SPACE_GRAIN, and takes it: what plan
 * says must be done. Drops the oldest segments when there is no room; never the newest one: when
 * that alone fills the bound, the file grows beyond.
 */
void space_take(uint64_t bytes, struct space_plan *plan);

/* The frame could not be written: the next one may have its place at the end of the file. */
void space_give_back(const struct space_plan *plan);

/* Number of the newest segment, and of the oldest one that is still there. */
uint64_t space_segment(void);
uint64_t space_oldest_segment(void);

/* Bytes that were taken for the newest segment. */
uint64_t space_segment_bytes(void);

/* Where the file ends. */
uint64_t space_file_end(void);

#endif
