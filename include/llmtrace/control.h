/* SPDX-License-Identifier: MIT */
/*
 * The control page: an extent of the pool (pool.h) through which `llmtrace ctl` asks the writer of
 * a running process to start or stop recording, or to set a mark. The writer looks at it whenever
 * it wakes, ten times a second at least; unused, it costs one load each time.
 *
 * Who asks holds flock(LOCK_EX) on the pool file, fills name, counts number up and writes request
 * last. The writer sets request back to 0 as it takes it, and answered to number when all is done
 * and written.
 */
#ifndef LLMTRACE_CONTROL_H
#define LLMTRACE_CONTROL_H

#include <stdint.h>

#define LT_CONTROL_BYTES 4096u
#define LT_CONTROL_NAME_BYTES 256u

enum lt_control_request { LT_CONTROL_START = 1, LT_CONTROL_STOP = 2, LT_CONTROL_MARK = 3 };

enum lt_control_answer {
	LT_CONTROL_DONE = 1,
	LT_CONTROL_ALREADY = 2,	  /* it was so before */
	LT_CONTROL_IS_OFF = 3,	  /* a mark needs recording */
	LT_CONTROL_NO_PHASES = 4, /* LLMTRACE_EVENTS leaves marks out */
	LT_CONTROL_NOT_NOW = 5,	  /* the process starts, ends, or becomes another program */
};

struct lt_control {
	uint32_t request; /* enum lt_control_request, 0: none */
	uint32_t number;
	uint32_t answered;
	uint32_t answer; /* enum lt_control_answer, valid when answered is number */
	char name[LT_CONTROL_NAME_BYTES]; /* of a mark, terminated; "-": end the last one only */
};

_Static_assert(sizeof(struct lt_control) <= LT_CONTROL_BYTES, "a page");

#endif
