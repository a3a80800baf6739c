/* SPDX-License-Identifier: MIT */
/*
 * Columns of codec `recent` (llmtrace/FORMAT.md): the addresses of all of them form one sequence in
 * the order of the events, and a code says how far back in it an address stands. So they are
 * decoded together, in one walk over the kinds of a block. Trusts nothing in them. Any thread, each with a
 * struct recent_walk of its own.
 */
#ifndef LLMTRACE_ANALYZER_DECODE_RECENT_H
#define LLMTRACE_ANALYZER_DECODE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_column.h"

/* Integers of a column that are decoded in one go. */
#define RECENT_CHUNK 64u

/* Integers of a column, a chunk at a time. */
struct recent_ints {
	const uint8_t *at, *end;
	uint32_t next, count;
	uint64_t values[RECENT_CHUNK];
};

/* The two columns of one kind. */
struct recent_column {
	unsigned kind;
	size_t left;			/* events whose code was not decoded yet */
	struct recent_ints codes, news;
	bool has_codes, has_shift;
	unsigned shift;
	uint64_t previous;		/* new address before, shifted */
	uint8_t *to;			/* field of the next event; NULL when nobody wants it */
	size_t stride_bytes;
};

/* Kinds of one block that have such a column. */
#define RECENT_MAX_COLUMNS 32u

struct recent_walk {
	struct recent_column columns[RECENT_MAX_COLUMNS];
	unsigned column_count;
	uint8_t of_kind[256];		/* number of the kind's column plus 1, 0 without one */
};

/* Before the first column of a block. */
void recent_walk_begin(struct recent_walk *walk);

/*
 * Adds the column of a kind, of codec LT_CODEC_recent or LT_CODEC_new. count: events of the kind in
 * the block. to: the field of its first record, stride_bytes from one to the next; NULL to decode
 * and drop it. @return false when the block has more such columns than a block can have.
 */
bool recent_walk_add(struct recent_walk *walk, unsigned kind, const struct column_in *in,
		     size_t count, uint8_t *to, size_t stride_bytes);

/*
 * Decodes them. kinds: of the block's events. sequence: room for event_count addresses.
 * @return false when a column is torn.
 */
bool recent_walk_run(struct recent_walk *walk, const uint8_t *kinds, size_t event_count,
		     uint64_t *sequence);

#endif
