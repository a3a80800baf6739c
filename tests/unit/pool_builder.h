/* SPDX-License-Identifier: MIT */
/*
 * Makes pool files as a killed process leaves them: one ring in one extent, one arena of interned
 * stacks and strings. What the shim does with atomics is done plainly here. One thread.
 */
#ifndef LLMTRACE_TESTS_POOL_BUILDER_H
#define LLMTRACE_TESTS_POOL_BUILDER_H

#include <stdbool.h>

#include "llmtrace/pool.h"

/* The clock of every pool: ticks of half a nanosecond, POOL_TIME_NS(0) at tick 0. */
#define POOL_START_NS 1000000u
#define POOL_TIME_NS(ticks) (POOL_START_NS + (ticks) / 2)

struct pool_builder;

/* file: header of the trace; the pool gets the same process. */
struct pool_builder *pool_builder_new(const struct lt_file_header *file);
struct lt_pool_header *pool_builder_header(struct pool_builder *builder);

/* The ring, in use by stream 2, thread 77. Its head, tail and runs may be changed freely. */
struct lt_ring *pool_builder_ring(struct pool_builder *builder);

/* Ends the pool with an extent of zeros of this size. */
void pool_builder_zeros(struct pool_builder *builder, uint64_t bytes);

/*
 * Reserves slots for a record of an event at the head, with a pad in front when it would not fit
 * before the ring's end, and commits it. record: the struct of the kind, head.time in ticks.
 * @return its position.
 */
uint64_t pool_ring_add(struct lt_ring *ring, unsigned kind, unsigned aux, const void *record);

/*
 * Reserves slots as a thread does that was killed before the commit; is_begun: it had set the size.
 */
uint64_t pool_ring_hole(struct lt_ring *ring, unsigned slots, bool is_begun);

/* Shorthand. */
uint64_t pool_ring_alloc(struct lt_ring *ring, uint64_t ticks, uint32_t stack, uint64_t addr);

/* @return the id of the table for an entry; file_id as the writer has set it, 0 for not yet. */
uint32_t pool_intern_stack(struct pool_builder *builder, uint32_t file_id, const uint64_t *addrs,
			   size_t count);
uint32_t pool_intern_string(struct pool_builder *builder, uint32_t file_id, const char *text);

/* Writes the file and releases the builder. */
void pool_builder_finish(struct pool_builder *builder, const char *path);

#endif
