/* SPDX-License-Identifier: MIT */
/*
 * The heap as the writer knows it: which blocks are live behind all events that it has taken from
 * the rings. Kept only for a bounded trace, whose segments must know the blocks that were allocated
 * in segments that are gone. Costs 64 to 128 bytes for each address that is in use, and one look-up
 * for each heap event.
 *
 * Rings are drained one after the other, so events of different threads do not come in the order of
 * time: a release may come before its allocation. Behind a cut (live_heap_cut) that no longer
 * matters. The writer thread alone (start-up before it exists).
 */
#ifndef LLMTRACE_LIVE_HEAP_H
#define LLMTRACE_LIVE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/pool.h"

/* Whether it is kept. */
extern bool live_heap_is_kept;

/* @return false without memory; then it is not kept. */
bool live_heap_init(void);

/* Applies a record of a ring; kinds that do not concern the heap are left out. */
void live_heap_apply(const struct lt_ring *ring, const struct lt_record *record);

/*
 * Every event up to this moment was applied: releases before it need not be remembered. Cheap.
 */
void live_heap_cut(uint64_t ticks);

/* Right behind a cut: forgets all releases, so that live_heap_next has less to pass. */
void live_heap_sweep(void);

struct live_heap_block {
	uint64_t addr;
	uint64_t size_bytes;
	uint64_t ticks;	 /* when it was allocated */
	uint32_t stack;	 /* intern id */
	uint32_t stream; /* of the thread that did */
};

/*
 * The live blocks, one at a time. *position: 0 for the first call. Nothing may be applied
 * meanwhile. @return false behind the last one.
 */
bool live_heap_next(uint64_t *position, struct live_heap_block *ret_block);

uint64_t live_heap_count(void);
uint64_t live_heap_bytes(void);

#endif
