/* SPDX-License-Identifier: MIT */
/*
 * Draining: from rings to blocks in the trace file. The writer thread alone, and start-up before it
 * exists.
 */
#ifndef LLMTRACE_DRAIN_H
#define LLMTRACE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/format.h"
#include "llmtrace/pool.h"

/*
 * Makes the writer's own ring (stream 1) and the buffers of blocks. @return false without memory.
 */
bool drain_init(void);

struct lt_ring *drain_own_ring(void);

/* Writes the block with the event table. @return false: a trace without it cannot be read. */
bool drain_write_table(void);

/* Reads the clock: what is drained next goes up to this moment. */
void drain_take_clock(void);

/* The moment of the last drain_take_clock, CLOCK_MONOTONIC. */
uint64_t drain_now_ns(void);

/* The ticks of a moment that the kernel has stamped. */
uint64_t drain_ticks_of(uint64_t ns);

/* Takes all of one of the writer's own rings at once. Not while something is being encoded. */
void drain_now(struct lt_ring *ring);


/*
 * Drains rings that hold much, with is_flush all of them. @return whether anything was taken. Stops
 * at a record that is still being written.
 */
bool drain_all(bool is_flush);

/*
 * Drains every ring up to this moment, the writer's own too. *ret_ticks gets the moment. @return
 * false when a thread had a record under way: what comes behind that is still in its ring.
 */
bool drain_cut(uint64_t *ret_ticks);

/* Writes the block that encode_begin and encode_add have made; definitions are written before. */
void drain_write_encoded(struct lt_block_header *header);

/* Adds the definitions of all streams that are in use to those that are collected. */
void drain_define_streams_again(void);

/* A span of ticks as ns. */
uint64_t drain_span_ns(uint64_t ticks);

/* Whether a ring holds so much that it should be drained now. */
bool drain_is_any_filling(void);

/* Drains the rings of threads that the kernel no longer knows for good, and gives them back. */
void drain_retire_gone(void);

/* Drains everything with its open runs; what is not committed now never will be. */
void drain_for_good(void);

/* Records the totals of all streams. @return events lost in all. */
uint64_t drain_emit_stats(void);

#endif
