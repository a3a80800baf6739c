/* SPDX-License-Identifier: MIT */
/*
 * Samples of page faults become events: the entry of a fault and its completion are paired by
 * thread, and faults of a thread that follow each other at a constant distance are folded. The
 * writer thread alone.
 */
#ifndef LLMTRACE_FAULT_FOLD_H
#define LLMTRACE_FAULT_FOLD_H

#include "fault_samples.h"

/* Where the events go: called in the order of time. */
struct fault_event_out {
	uint64_t time_ns;
	uint64_t ip;
	uint64_t page;
	int64_t stride_pages;
	uint64_t stall_ns, longest_ns, span_ns;
	uint32_t count, tid, cpu;
	uint8_t kind; /* LT_fault_kind_ */
	uint16_t class_count[16];
};

/* Samples by time, or the samples of one thread after those of another. */
void fault_fold_add(const struct fault_sample *sample);

/* Everything that is folded so far, oldest first. */
void fault_fold_flush(void (*emit)(const struct fault_event_out *event));

/* Completed faults so far, and those of them whose entry was not seen. */
uint64_t fault_fold_taken_count(void);
uint64_t fault_fold_unpaired_count(void);

#endif
