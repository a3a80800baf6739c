/* SPDX-License-Identifier: MIT */
/*
 * The pool file (layout: llmtrace/pool.h) from the shim's side: made at start, grown in extents,
 * rings taken by threads and given back by the writer. Growing takes a try-lock that only start-up,
 * the writer and a thread that finds no free ring ever touch.
 */
#ifndef LLMTRACE_SHIM_POOL_H
#define LLMTRACE_SHIM_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "llmtrace/pool.h"

extern struct lt_pool_header *pool_header;

/*
 * Makes the pool: in /dev/shm when it has room, else beside the trace file, else in anonymous
 * memory.
 * @return false when there is no memory at all. pool_path() tells where it lies.
 */
bool pool_init(const char *trace_path);

/* Path of the pool file, "" when it is in memory alone. */
const char *pool_path(void);

/* Bytes mapped for it so far. */
uint64_t pool_bytes(void);

/*
 * Adds an extent, prefaulted and zeroed. @return its first byte, NULL when there is no room (or
 * another thread is at it).
 */
void *pool_grow(enum lt_extent_type type, uint32_t index, uint64_t bytes);

/* Takes a free ring for this thread. @return NULL when there is none and none could be made. */
struct lt_ring *pool_take_ring(int tid);

/* Rings that were ever made, in the order of pool_ring(). */
uint32_t pool_ring_count(void);
struct lt_ring *pool_ring(uint32_t index);

/*
 * Set by a thread that took one of the last free rings of many; the writer, woken by it, gives the
 * rings of ended threads back at once. Engines make a thread for every token.
 */
extern bool pool_is_short;

/* For the writer: whether no ring is free; a thread that has taken the last one has woken it. */
bool pool_is_asked(void);

/* For the writer: gives a drained ring back; makes more when few are free. */
void pool_give_ring(struct lt_ring *ring);
void pool_make_room(void);

/* Whether the trace file has everything that the pool holds. */
void pool_set_closed(bool is_closed);

/*
 * Between the two the pool does not grow: a forked child knows of all that it shares with its parent.
 * @return false when it has been growing for too long.
 */
bool pool_hold(void);
void pool_release(void);

/*
 * In a forked child: the memory becomes the child's own, empty, in place of what it shares with the
 * parent, so that a hook that was interrupted by the handler that forked harms nobody; our
 * descriptor of the file is closed. pool_path() stays.
 */
void pool_leave(void);

/* Marks the pool as fully written and removes its file. */
void pool_remove(void);

/* Threads that found no ring at all: their events are lost. */
extern uint64_t pool_refused_count;

#endif
