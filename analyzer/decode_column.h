/* SPDX-License-Identifier: MIT */
/*
 * One column > one field of many records that lie side by side. Any thread; touches only what it is
 * given.
 */
#ifndef LLMTRACE_ANALYZER_DECODE_COLUMN_H
#define LLMTRACE_ANALYZER_DECODE_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"

/* Values that are decoded in one go: they stay in the first-level cache. */
#define COLUMN_CHUNK 512u

/* Most elements that an event has in one field. */
#define COLUMN_MAX_ELEMENTS 256u

struct column_in {
	const uint8_t *bytes;
	size_t length;
	uint64_t codec;			/* enum lt_codec; others are refused */
	uint64_t element_count;		/* of one event in the file */
};

/* Where a column goes: count records, stride_bytes apart, the first one at base. */
struct column_out {
	uint8_t *base;
	size_t stride_bytes;
	size_t count;
};

/*
 * Stores a column into a field; elements that the field does not have are dropped, those that the
 * column does not have become 0. limit: values of stack fields at or above it become 0.
 * @return false when the column is torn.
 */
bool column_store(const struct column_in *in, const struct column_out *out,
		  const struct lt_field_info *field, uint32_t limit);

/* Sets a field to 0 in all records: its column was left out. */
void column_clear(const struct column_out *out, const struct lt_field_info *field);

/* Stores the stack column (LEB128 of ids). @return false when it is torn. */
bool column_store_stack(const struct column_in *in, const struct column_out *out, uint32_t limit);

/* Adds the aux bytes to the state words. @return false when the column has another length. */
bool column_store_aux(const struct column_in *in, const struct column_out *out);

#endif
