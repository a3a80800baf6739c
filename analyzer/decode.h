/* SPDX-License-Identifier: MIT */
/*
 * Payload of an EVENTS block > records in time order, column by column. Records of one kind lie
 * side by side in an arena; an array of pointers gives their order. Trusts nothing in the payload.
 *
 * Any number of threads, each with a struct decoded of its own; the schema is only read.
 */
#ifndef LLMTRACE_ANALYZER_DECODE_H
#define LLMTRACE_ANALYZER_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_table.h"
#include "llmtrace/events.h"

/* The events of one block. Buffers are kept for the next block. */
struct decoded {
	const struct lt_record **records;	/* in time order, count of them */
	size_t count;
	uint64_t unknown_count;			/* events of kinds that this build does not know */
	uint64_t lost_event_count;		/* sum of the stream_stats events in it */

	size_t record_capacity;
	uint64_t *sequence;			/* the addresses of recent columns */
	size_t sequence_capacity;
	uint8_t *arena;
	size_t arena_capacity;
	const struct lt_record **scratch;	/* for sorting */
	size_t scratch_capacity;
};

void decoded_release(struct decoded *decoded);

/*
 * Decodes a payload.
 * base_ns, time_shift: begin_ns and time_shift of the block's header. stack_limit: larger stack ids
 * become 0 (none).
 * @return NULL, or what is wrong (a constant string); then decoded holds no events.
 */
const char *decode_events(const struct schema *schema, const uint8_t *bytes, size_t length,
			  uint64_t base_ns, uint32_t time_shift, uint32_t stack_limit,
			  struct decoded *decoded);

/*
 * Brings records into time order; equal times keep their order. @return false when memory is short.
 */
bool decoded_sort(struct decoded *decoded);

/* Makes room for records and arena bytes. @return false when memory is short. */
bool decoded_reserve(struct decoded *decoded, size_t record_count, size_t arena_bytes);

#endif
