/* SPDX-License-Identifier: MIT */
/*
 * The event stream in windows on their way through the shards of live blocks: while the owner
 * follows one window, the threads of the shards work on the next ones. Windows come out in the
 * order in which they went in, each with the answers of all shards, so what the owner makes of them
 * does not depend on the number of threads.
 *
 * One owner; the threads are hidden behind it. Memory: a fixed number of windows, and the tables of
 * the shards, which follow the blocks that are live.
 */
#ifndef LLMTRACE_HEAP_WINDOWS_H
#define LLMTRACE_HEAP_WINDOWS_H

#include "live_shard.h"

#define SHARDS_MAX 16u

/* A window is full when it has this many events; its last run may make it longer. */
#define WINDOW_EVENTS 8192u

struct heap_window {
	struct heap_run *runs;
	size_t run_count, run_capacity;
	size_t event_count;
	uint64_t last_batch;		/* for the owner: what it releases with the window */
	/* by shard; valid when the window comes out */
	struct block_found_list found[SHARDS_MAX];
	unsigned pending_count;		/* shards that are not done */
};

struct heap_windows;

/*
 * shard_count: 1 to SHARDS_MAX. thread_count: of these with a thread of their own; the owner does
 * the work of the others, and of those whose thread cannot be started.
 * @return never NULL.
 */
struct heap_windows *heap_windows_new(unsigned shard_count, unsigned thread_count,
				      uint32_t stream_limit);
void heap_windows_free(struct heap_windows *windows);

/* @return an empty window to fill, the same until it is submitted; NULL when all are under way. */
struct heap_window *heap_windows_open(struct heap_windows *windows);

/* The run's records must stay valid until the window is retired. */
void heap_window_add(struct heap_window *window, const struct heap_run *run);

/* Sends the window that is open on its way. */
void heap_windows_submit(struct heap_windows *windows);

/* Waits for the oldest window under way. @return it, NULL when there is none. */
struct heap_window *heap_windows_take(struct heap_windows *windows);

/* Gives the oldest window back. */
void heap_windows_retire(struct heap_windows *windows);

#endif
