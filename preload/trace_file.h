/* SPDX-License-Identifier: MIT */
/*
 * The trace file: its name, its header, its blocks. Opened at start, written by the writer thread
 * alone.
 */
#ifndef LLMTRACE_TRACE_FILE_H
#define LLMTRACE_TRACE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/format.h"

/*
 * Chooses the name and makes the file: 0600, never through a link, never over a trace that a living
 * process writes; an older file of the name is kept as NAME.old.
 * @return 0, or -errno; then *ret_path tells the name that failed.
 */
int trace_file_open(const char *pattern, const char **ret_path);

/* @return the absolute path of the file. */
const char *trace_file_path(void);

/*
 * Writes the header; pool_path as pool_path() has it. groups: enum lt_group bits. @return false when
 * it cannot be written.
 */
bool trace_file_write_header(const char *pool_path, uint32_t groups);

/*
 * Compresses and writes a block. The caller fills type, flags, stream, positions, times and
 * event_count. Once the writer runs (trace_file_be_patient), a write that fails is tried again until
 * it succeeds or trace_file_give_up was called.
 * @return false: it could not be written, or there was no memory to compress it; its events are
 * counted as lost.
 */
bool trace_file_write_block(struct lt_block_header *header, const void *payload, size_t bytes);

/* Writes the collected definitions, if any. flags: LT_BLOCK_IS_CHECKPOINT or 0. */
void trace_file_write_definitions(uint16_t flags);

/* Removes the file: the trace of a brief helper. */
void trace_file_remove(void);

/* @return CLOCK_MONOTONIC of the header. */
uint64_t trace_file_start_ns(void);

/*
 * Writes the frame that ends the file in order. More blocks may follow after an exec that failed.
 * dropped_event_count: events that were written and made room for others.
 */
void trace_file_write_end(uint64_t lost_event_count, uint64_t dropped_event_count);

/* Gives the descriptor back. */
void trace_file_close(void);

/* Bytes written so far, also those that made room for others. Never stands while the writer works. */
uint64_t trace_file_bytes(void);

/* Events written so far, likewise. */
uint64_t trace_file_event_count(void);

/*
 * From here on the file is a ring of segments (trace_space.h) that holds at most max_bytes. Call
 * when header and table are written. @return false when that could not be done.
 */
bool trace_file_bound(uint64_t max_bytes);

/* From now on in the writer thread: wait for room on the disk. */
void trace_file_be_patient(void);

/* From any thread: stop trying to write what cannot be written. */
void trace_file_give_up(void);

/* How often a write failed, and the errno of the last failure. */
uint64_t trace_file_failures(int *ret_error);

#endif
