/* SPDX-License-Identifier: MIT */
/*
 * The members of a BUNDLE block: blocks of events of several streams in one payload. Checks all of
 * its directory before it gives the first one out. Any thread; touches only what it is given.
 */
#ifndef LLMTRACE_ANALYZER_BLOCKS_BUNDLE_H
#define LLMTRACE_ANALYZER_BLOCKS_BUNDLE_H

#include "blocks.h"
#include "llmtrace/wire.h"

struct bundle_walk {
	const struct block *bundle;
	struct lt_wire_in directory;
	uint64_t left;	      /* members to come */
	uint64_t part_offset; /* of the next one in the payload */
};

/*
 * raw: the payload of the bundle; both must live as long as the walk. @return NULL, or what is
 * wrong (a constant string).
 */
const char *bundle_begin(struct bundle_walk *walk, const struct block *bundle, const uint8_t *raw);

/* @return false behind the last member. */
bool bundle_next(struct bundle_walk *walk, struct block *ret_member);

#endif
