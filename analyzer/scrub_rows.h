/* SPDX-License-Identifier: MIT */
/* Definitions of a trace, row by row, for scrub.c and scrub_pool.c. One thread. */
#ifndef LLMTRACE_ANALYZER_SCRUB_ROWS_H
#define LLMTRACE_ANALYZER_SCRUB_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode_table.h"
#include "llmtrace/privacy.h"

/* A payload of definitions that is being made. Zero before the first use. */
struct scrub_rows {
	uint8_t *bytes;
	size_t length, capacity;
	uint32_t count;
	bool is_bad; /* memory was short */
};

void scrub_rows_release(struct scrub_rows *rows);

/* What a trace holds, found by a first pass over its definitions. */
struct scrub_facts {
	struct lt_privacy privacy;
	uint32_t last_string; /* the largest id of a string */
};

/* Learns names and ids from a payload. @return NULL, or what is wrong (a constant string). */
const char *scrub_learn(struct scrub_facts *facts, const struct schema *schema,
			const uint8_t *bytes, size_t length, uint32_t row_count);

/*
 * Appends the rows of a payload with what is private in them replaced; rows of kinds that the
 * file's table does not have are left out. @return as scrub_learn.
 */
const char *scrub_rewrite(const struct scrub_facts *facts, const struct schema *schema,
			  const uint8_t *bytes, size_t length, uint32_t row_count,
			  struct scrub_rows *rows);

/* Appends the definition of a string with what is private in it replaced. */
void scrub_add_string(const struct scrub_facts *facts, uint32_t id, const char *text, size_t length,
		      struct scrub_rows *rows);

#endif
