/* SPDX-License-Identifier: MIT */
/*
 * Turns records into the columns of an EVENTS block (format: llmtrace/format.h). Driven by the
 * event table alone. Belongs to the writer thread.
 */
#ifndef LLMTRACE_ENCODE_H
#define LLMTRACE_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "llmtrace/events.h"
#include "llmtrace/wire.h"

/* Events that fit into one block; a block never holds more slots than a ring. */
#define ENCODE_EVENTS_MAX LT_RING_SLOTS

/* @return false when memory could not be had. */
bool encode_init(const struct clock_map *clock);

/* Starts a block. */
void encode_begin(void);

/*
 * Adds a committed record; kinds that the table lacks are left out. Its stack and strings get file
 * ids (definitions.h). @return false when there is no memory for its kind at this moment, or the
 * block is full: the record must wait in its ring.
 */
bool encode_add(const struct lt_record *record);

/*
 * Times in a block count in units of 16 ns: finer digits are noise of the counter, and half of a
 * trace. Rounded down, so a release still never comes after the acquire that followed it.
 */
#define ENCODE_TIME_SHIFT 4u

/* Events in the block so far, and the earliest and the latest time. */
uint32_t encode_count(void);
uint64_t encode_begin_ns(void);
uint64_t encode_end_ns(void);

/* Writes the payload. The block stays as it is until the next encode_begin. */
void encode_finish(struct lt_wire_out *out);

/* Room that encode_finish needs at most. */
#define ENCODE_PAYLOAD_MAX (4u << 20)

/* The payload of the TABLE block: the event table and the aux names. */
void encode_table(struct lt_wire_out *out);

#endif
