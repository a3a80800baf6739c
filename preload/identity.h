/* SPDX-License-Identifier: MIT */
/*
 * Which process this is: pid, start time, boot. Read once at start (again in a
 * forked child that is recorded), constant afterwards; identity_get is for any thread.
 */
#ifndef LLMTRACE_IDENTITY_H
#define LLMTRACE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct identity {
	int pid;
	int parent_pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat */
	uint8_t boot_id[16];
	uint64_t pid_namespace;	   /* inode of /proc/self/ns/pid, 0 when not known */
	int64_t time_namespace_ns; /* offset of CLOCK_MONOTONIC */
};

void identity_init(void);
const struct identity *identity_get(void);

/* @return the start ticks of a process, 0 when it does not exist (or cannot be read). */
uint64_t identity_start_ticks(int pid);

#endif
