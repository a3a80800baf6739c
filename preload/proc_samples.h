/* SPDX-License-Identifier: MIT */
/*
 * What /proc says of the process, as events of the writer's own stream: mappings, descriptors,
 * threads, totals. Called by start-up and by the writer thread; reads by direct system calls.
 */
#ifndef LLMTRACE_PROC_SAMPLES_H
#define LLMTRACE_PROC_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/*
 * The writer's ring, in which the events here are recorded, and the groups (enum lt_group bits)
 * that are wanted. Set before anything else here is called.
 */
void proc_samples_init(struct lt_ring *ring, uint32_t groups);

/* at: LT_seen_at_... Descriptors: of the process, also when the caller has a table of its own. */
void proc_sample_maps(unsigned at);
void proc_sample_fds(unsigned at);

/* The file that is mapped at an address. @return false when there is none. Start-up only. */
bool proc_mapped_path(uint64_t addr, char *ret_path, size_t bytes);

/* The names of all threads of the target, also those that were given before. The writer alone. */
void proc_sample_names(void);

/* The answer of proc_sample_process, without a sample. */
bool proc_is_alone(void);

/*
 * @return whether only our threads are left: the main thread has ended before the process.
 */
bool proc_sample_process(unsigned at);

/*
 * All threads of the target, not those of the shim: CPU time, faults, switches; names that are new.
 */
void proc_sample_threads(void);

/* Looks for io_uring descriptors; a notice the first time one is found. */
void proc_sample_io_uring(void);

#endif
