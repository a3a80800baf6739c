/* SPDX-License-Identifier: MIT */
/*
 * Between the parts of the pool reader: pool_reader.c (file and copies of rings),
 * pool_reader_ring.c (records), pool_reader_intern.c (ids of stacks and strings),
 * pool_reader_children.c (messages of children). One thread.
 */
#ifndef LLMTRACE_ANALYZER_POOL_READER_PARTS_H
#define LLMTRACE_ANALYZER_POOL_READER_PARTS_H

#include "llmtrace/pool.h"
#include "pool_reader.h"

/* Ticks > ns, from the first and the newest pair of the pool. */
struct pool_clock {
	struct lt_clock_pair anchor;
	int64_t ticks, ns;		/* the slope: ns for ticks */
};

/* A ring as it was when it was copied. */
struct ring_copy {
	struct lt_ring *head;		/* its first LT_RING_HEADER_BYTES */
	uint64_t from;			/* positions from here to head->head were copied */
	uint8_t *slots;
	uint32_t *states;		/* state words, read before the slots were */
};

/* An id of the intern table and what became of it. */
struct intern_slot {
	uint32_t id;			/* 0: free */
	uint32_t type;			/* enum lt_intern_type */
	uint32_t file_id;		/* as the entry says */
	uint32_t mapped_id;		/* 0: not resolved yet */
};

struct pool {
	int fd;
	uint64_t file_bytes;
	struct lt_pool_header *header;
	struct pool_clock clock;
	struct ring_copy *rings;
	size_t ring_count, ring_capacity;
	struct pool_events *events;
	size_t event_count, event_capacity;
	struct intern_slot *interns;	/* open addressing */
	size_t intern_count, intern_capacity;
	uint32_t next_stack_id, next_string_id;
};

/*
 * @return a descriptor of the pool file that the header names when it is that of the trace, else
 * -1.
 */
int pool_open_file(const struct lt_file_header *header);

uint64_t pool_time_ns(const struct pool_clock *clock, uint64_t ticks);
uint64_t pool_duration_ns(const struct pool_clock *clock, uint64_t ticks);

/*
 * Copies the records of a ring at or behind position into ret_events, with times in ns and ids as
 * they are in the ring; each id is handed to pool_intern_note. @return false when memory is short.
 */
bool pool_ring_convert(struct pool *pool, const struct schema *schema, const struct ring_copy *ring,
		       struct stream_position position, struct decoded *ret_events);

/*
 * Adds the messages of children that are not in the rings to pool->events. Call behind
 * pool_intern_start and the last resolve: makes new ids of strings.
 */
void pool_children_convert(struct pool *pool, const struct schema *schema, struct defs *defs);

/* Notes that an id is in use, so that new ids of the file can be told apart from given ones. */
void pool_intern_note(struct pool *pool, uint32_t id, enum lt_intern_type type);

/* Call between the last note and the first resolve. */
void pool_intern_start(struct pool *pool, const struct defs *defs);

/*
 * @return the file's id of an intern id; defines it when the file does not. 0 when it cannot be
 * read.
 */
uint32_t pool_intern_resolve(struct pool *pool, uint32_t id, enum lt_intern_type type,
			     struct defs *defs);

#endif
