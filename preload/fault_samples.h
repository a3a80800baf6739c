/* SPDX-License-Identifier: MIT */
/* Takes samples out of the kernel's rings, in the order of time. The writer thread alone. */
#ifndef LLMTRACE_FAULT_SAMPLES_H
#define LLMTRACE_FAULT_SAMPLES_H

#include "fault_events.h"

struct fault_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t addr;
	uint64_t ip; /* of an entry alone */
	uint32_t tid;
	uint16_t cpu; /* of a completion alone */
	uint8_t event; /* enum fault_event */
	bool is_huge;
};

/*
 * Takes all samples up to a time and hands them over, oldest first. With rings of threads those of
 * one thread are, and the threads follow each other.
 * @return how many.
 */
uint64_t fault_samples_take(uint64_t until_ns, void (*visit)(const struct fault_sample *sample));

#endif
