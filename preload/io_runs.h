/* SPDX-License-Identifier: MIT */
/*
 * Runs of small calls on streams and descriptors, folded into one event each (io_run). A run
 * belongs to one thread, one stream or descriptor, and one kind of call; it lies open in the
 * thread's ring (struct lt_open_run) and goes on as long as the stream stands where the run's last
 * call has left it. It is copied to the ring as a record when it ends.
 *
 * Entered by the target's threads inside hooks. No lock and no system call but one ftello where a
 * run begins; a call that is added costs two stamps and some stores. In a signal handler that has
 * interrupted another hook the open runs may be half written: such a call becomes a run of its own.
 */
#ifndef LLMTRACE_IO_RUNS_H
#define LLMTRACE_IO_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "hook.h"

/* Reads from this size on are events of their own. */
#define IO_RUN_MAX_BYTES 4096u

/* What a run is of. */
struct io_key {
	const FILE *stream; /* NULL for descriptors */
	int32_t fd;	    /* -1 for streams */
	uint32_t kind;	    /* LT_run_kind_ value */
};

struct io_call {
	struct io_key key;
	uint64_t state;	      /* io_state before the call */
	int64_t offset_bytes; /* position before the call, -1: it has none, or it is not known */
	uint64_t begin;	      /* ticks */
	uint64_t end;
	uint64_t bytes; /* moved */
	bool has_failed;
};

/* Adds a call to its run, or begins one. */
void io_run_add(const struct hook_scope *scope, const struct io_call *call);

/* How often a stream or descriptor was closed, opened or positioned by anyone; by hash. */
extern uint32_t io_break_counts[512];

static inline uint32_t *io_break_count(const struct io_key *key)
{
	uintptr_t addr = (uintptr_t)key->stream;

	return &io_break_counts[key->stream ? 256 + ((addr >> 4 ^ addr >> 12) & 255)
					    : (unsigned)key->fd & 255];
}

/*
 * The place in a reading stream's buffer: ungetc, fscanf, another thread and calls that were
 * expanded in place show in it. 47 bits.
 */
static inline uint64_t io_place(const struct io_key *key)
{
	return key->stream && key->kind != LT_run_kind_stream_write
		       ? (uintptr_t)key->stream->_IO_read_ptr
		       : 0;
}

/*
 * Where a stream or descriptor stands, as one word: equal words after one call and before the next
 * say that nothing came between.
 */
static inline uint64_t io_state(const struct io_key *key)
{
	return (uint64_t)__atomic_load_n(io_break_count(key), __ATOMIC_RELAXED) << 48 ^
	       io_place(key);
}

/*
 * Whether an open run of this thread goes on from state; then the position there, -1 when it is not
 * known.
 */
bool io_run_goes_on(const struct io_key *key, uint64_t state, int64_t *ret_offset_bytes);

/*
 * @return the position of a stream, -1 when it has none, or when another thread holds its lock:
 * this one may have to go on for that one to be freed. errno stays. May make one system call.
 */
int64_t io_stream_position(FILE *stream);

/* Ends this thread's runs of all kinds on a stream or descriptor. */
void io_runs_end(const struct hook_scope *scope, const FILE *stream, int fd);

/* Ends all runs of this thread. */
void io_runs_end_all(const struct hook_scope *scope);

/*
 * A stream (else fd) is about to be closed or positioned: ends its runs, in other threads when they
 * call next. To be called outside enter and leave.
 */
void io_runs_break(const FILE *stream, int fd, const void *caller);

/* The same for all descriptors from first to last. */
void io_runs_break_range(unsigned first, unsigned last, const void *caller);

#endif
