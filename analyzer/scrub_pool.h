/* SPDX-License-Identifier: MIT */
/* The rings of a killed process that stand in its trace, for scrub.c. One thread. */
#ifndef LLMTRACE_ANALYZER_SCRUB_POOL_H
#define LLMTRACE_ANALYZER_SCRUB_POOL_H

#include "block_writer.h"
#include "blocks.h"
#include "scrub_rows.h"

/* The saved pool, mapped: what is changed in it goes nowhere else. */
struct scrub_pool {
	uint8_t *bytes;
	size_t length;
};

/* Needs index->is_pool_whole. @return NULL, or what is wrong (a constant string). */
const char *scrub_pool_open(struct scrub_pool *pool, const struct block_index *index);
void scrub_pool_close(struct scrub_pool *pool);

/* Learns the names in its paths, and the ids that its strings have in the file. */
void scrub_pool_learn(const struct scrub_pool *pool, struct scrub_facts *facts);

/*
 * Blanks the strings that hold a name, and everything that is made from them. What they become is
 * longer than what they were, so it goes into rows of definitions, under the ids that the strings
 * have or get.
 */
void scrub_pool_clean(struct scrub_pool *pool, struct scrub_facts *facts, struct scrub_rows *rows);

bool scrub_pool_write(const struct scrub_pool *pool, struct block_writer *writer);

#endif
