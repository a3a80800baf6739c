/* SPDX-License-Identifier: MIT */
/*
 * The pool: one shared file mapping that holds the rings of all threads and the table of interned
 * call stacks and strings. The target's threads write it, the writer thread drains it, and the
 * report reads it when the process was killed or still runs: what a hook has recorded outlives the
 * process.
 *
 * Layout: struct lt_pool_header, then extents in the order in which they were made. Each is mapped
 * on its own; nothing ever moves. Layouts are fixed by LT_POOL_VERSION; shim and report refuse
 * another one.
 */
#ifndef LLMTRACE_POOL_H
#define LLMTRACE_POOL_H

#include <stdint.h>

#include "llmtrace/events.h"
#include "llmtrace/format.h"

#define LT_POOL_MAGIC "LLMTPOOL" /* 8 bytes, not terminated */
#define LT_POOL_VERSION 2
#define LT_EXTENT_MAX 2048

/*
 * A pool is removed by its own process when the trace is closed, and by the report, which first
 * copies into the trace what that does not have. What is left in /dev/shm (a process that was killed
 * and never reported, one that became a program that is not traced) goes when another process
 * begins to be traced, if all of this holds:
 * - it belongs to the same user, boot and namespace of process ids,
 * - its process is gone, or has gone on as another program (no writer thread),
 * - the trace has everything (is_closed), or, for a process that is gone, there is no file of the
 *   trace's name any more, in a folder that is there, LT_POOL_KEPT_NS after the last sign of life:
 *   who moves a trace away has that long to report it.
 */
#define LT_POOL_KEPT_NS 3600000000000u

/* Where it lies when it can: pid and start ticks of its process. */
#define LT_POOL_SHM_FOLDER "/dev/shm"
#define LT_POOL_SHM_FORMAT LT_POOL_SHM_FOLDER "/llmtrace-%u-%u.pool"

enum lt_extent_type {
	LT_EXTENT_RINGS = 1, /* count rings of LT_RING_BYTES each */
	LT_EXTENT_ARENA = 2, /* intern entries, LT_ARENA_BYTES; index: number of the arena */
	LT_EXTENT_INDEX = 3, /* hash table over the entries: only the shim uses it */
	LT_EXTENT_CONTROL = 4, /* one struct lt_control (control.h) */
};

struct lt_extent {
	uint64_t offset; /* in the pool file */
	uint64_t bytes;
	uint32_t type; /* enum lt_extent_type; written last: 0 is not valid yet */
	uint32_t index;
};

/* The clock: ticks of the records and CLOCK_MONOTONIC, read at the same moment. */
struct lt_clock_pair {
	uint64_t ticks;
	uint64_t ns;
};

/*
 * What a traced child process says of itself, in the pool of the nearest traced process above it.
 * The child takes a place by moving child_head on, fills it in, and writes lap last: position /
 * LT_CHILD_MESSAGES + 1. The writer of the pool's own process makes events of the messages and moves
 * child_tail; of a killed process the report does.
 */
#define LT_CHILD_MESSAGES 64u
#define LT_CHILD_TEXT_BYTES 512u

struct lt_child_message {
	uint32_t lap;
	uint32_t state; /* LT_child_state_ value */
	uint32_t pid;
	uint32_t parent_pid;
	int64_t status; /* as in event child */
	uint64_t start_ns;
	uint64_t duration_ns;
	char program[LT_CHILD_TEXT_BYTES];
	char trace[LT_CHILD_TEXT_BYTES];
};

struct lt_pool_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint32_t pid;
	uint32_t is_closed; /* 1: the trace file has everything */
	uint64_t process_start_ticks;
	uint8_t boot_id[16];
	uint64_t pid_namespace; /* inode of /proc/self/ns/pid: where pid means this process */
	struct lt_clock_pair first_clock;
	struct lt_clock_pair clocks[2]; /* the last ones; clock_count % 2 is the newest */
	uint64_t clock_count;
	uint32_t groups;
	uint32_t extent_count;
	uint32_t is_trace_path_real; /* 0: trace_path has names replaced, it cannot be opened */
	uint32_t memory_extent_count; /* extents that are in no file: gone with the process */
	char trace_path[LT_PATH_BYTES];
	struct lt_extent extents[LT_EXTENT_MAX];
	uint32_t child_head; /* next place; moved by children */
	uint32_t child_tail; /* everything below is in the rings; moved by the writer */
	uint32_t child_lost_count; /* messages that found no place */
	uint32_t reserved_too;
	struct lt_child_message children[LT_CHILD_MESSAGES];
};

/* ---- rings ---- */
#define LT_RING_SLOTS 8192u	     /* a power of two */
#define LT_RING_SLACK_SLOTS 64u	     /* a handler may come between the look at the tail and the add */
#define LT_RING_HANDLER_SLOTS 1024u  /* for handlers that interrupt a hook: they never wait */
#define LT_STACK_CACHE_ENTRIES 1024u /* a power of two */
#define LT_OPEN_RUN_COUNT 4u
#define LT_RING_HEADER_BYTES 4096u
#define LT_RING_BYTES                                                                              \
	(LT_RING_HEADER_BYTES + LT_STACK_CACHE_ENTRIES * 16u +                                     \
	 LT_MEMO_COUNT * sizeof(struct lt_stack_memo) + LT_RING_SLOTS * LT_SLOT_BYTES)

/* The lap of a position: never 0, so that fresh memory is not taken for a record. */
#define LT_LAP(position) ((uint8_t)((position) / LT_RING_SLOTS % 255 + 1))

/* TAKEN: a thread is filling in the fields of its new ring. */
enum lt_ring_state { LT_RING_FREE = 0, LT_RING_IN_USE = 1, LT_RING_TAKEN = 2 };

/*
 * A run of small calls that is still open (see event io_run). event.count is written last on every
 * update and is 0 when the run is free. Before the run is copied to the ring, flush_position gets
 * the position of that record plus 1; it goes back to 0 after the run was freed. So a reader after
 * a kill takes the run unless the record at flush_position - 1 is committed.
 */
struct lt_open_run {
	uint64_t flush_position;
	uint64_t begin;	       /* ticks: begin of the first call */
	uint64_t stream_state; /* io_runs.h: where the stream stood after the last call */
	uint64_t site_addr[8]; /* return addresses of the sites in event.site_stack */
	struct lt_ev_io_run event;
};

#define LT_STACK_IS_TRUNCATED 0x80000000u
#define LT_STACK_MAX_DEPTH 128u

struct lt_stack_cache_entry {
	uint64_t hash;
	uint32_t id;
	uint32_t reserved;
};

/*
 * What is known of walks that start from one place (preload/stack_memo.h). Means nothing outside
 * the process.
 */
#define LT_MEMO_COUNT 128u /* a power of two */
#define LT_MEMO_FRAMES (LT_STACK_MAX_DEPTH + 1)
#define LT_MEMO_POINTERS 64u
#define LT_MEMO_OWN 4u

struct lt_stack_memo {
	_Alignas(64) uint64_t sp;
	uint64_t ip;
	uint64_t bp;
	uint32_t stream; /* the thread's: the ring may have had another one before */
	uint32_t generation;
	uint64_t trail; /* hash of all that follows but last_id; 0: nothing is kept */
	uint32_t last_id;
	uint16_t frame_count;
	uint16_t pointer_count;
	uint8_t own_count; /* frames of the hook itself, before those of the stack */
	uint8_t is_truncated; /* there is one more frame than are kept */
	uint8_t uses_start_bp;
	uint64_t own[LT_MEMO_OWN];
	uint16_t own_at[LT_MEMO_OWN];
	uint16_t frames[LT_MEMO_FRAMES];
	uint16_t pointers[LT_MEMO_POINTERS];
	uint16_t pointer_values[LT_MEMO_POINTERS];
};

/* Who writes what: each group of fields starts a cache line of its own. */
struct lt_ring {
	/* set when a thread takes the ring */
	_Alignas(64) uint32_t state; /* enum lt_ring_state */
	uint32_t stream;	     /* id of the thread's stream */
	uint32_t tid;
	uint32_t slot_count;	 /* LT_RING_SLOTS */
	uint64_t start;		 /* ticks */
	uint64_t first_position; /* head when the thread took it */

	/* written by the thread alone */
	_Alignas(64) uint64_t head; /* next position to reserve */
	uint64_t known_tail;	    /* tail when the thread looked last */
	uint64_t lost_count;
	uint64_t first_lost; /* ticks */
	uint64_t last_lost;
	uint64_t wait_count;
	uint64_t wait_ticks;
	uint64_t passed_count;
	uint64_t lost_stack_count;
	int *errno_at; /* means nothing outside the process */

	/* written by the writer alone */
	_Alignas(64) uint64_t tail; /* everything below is in the trace file */
	uint64_t event_count;	    /* events in it, of this thread */

	/* written by the thread alone */
	_Alignas(64) struct lt_open_run runs[LT_OPEN_RUN_COUNT];

	_Alignas(LT_RING_HEADER_BYTES) struct lt_stack_cache_entry
		stack_cache[LT_STACK_CACHE_ENTRIES];
	struct lt_stack_memo memos[LT_MEMO_COUNT];
	uint8_t slots[LT_RING_SLOTS * LT_SLOT_BYTES];
};

_Static_assert(sizeof(struct lt_ring) == LT_RING_BYTES, "rings lie side by side in an extent");

/* ---- intern table ---- */
#define LT_ARENA_BYTES (1u << 20)
#define LT_ARENA_GRAIN 16u
#define LT_ARENA_MAX 1024u

/*
 * An id is the number of the arena and the grain in it; 0 is no entry (the first grain is never
 * used).
 */
#define LT_INTERN_ID(arena, grain) ((uint32_t)(arena) << 16 | (uint32_t)(grain))
#define LT_INTERN_ARENA(id) ((id) >> 16)
#define LT_INTERN_GRAIN(id) ((id)&0xffffu)

enum lt_intern_type { LT_INTERN_STACK = 1, LT_INTERN_STRING = 2 };

/* Set beside the type when another thread entered the same thing first: the entry is unused. */
#define LT_INTERN_IS_DUPLICATE 0x80u

/* data: for a stack uint64_t addresses, leaf first; for a string its bytes, not terminated. */
struct lt_intern_entry {
	uint32_t state;	 /* enum lt_intern_type; written last */
	uint32_t length; /* bytes of data; written first */
	uint32_t file_id; /* id in the trace file; set when the writer writes the definition */
	uint32_t generation; /* stack: the loader's count of removed objects, LT_STACK_IS_TRUNCATED */
	uint64_t hash;
	uint64_t trail; /* stack: of the memo along which it was found last, 0 for none */
	uint8_t data[];
};

_Static_assert(sizeof(struct lt_intern_entry) == 32, "a whole number of grains");

#endif
