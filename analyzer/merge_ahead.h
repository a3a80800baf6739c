/* SPDX-License-Identifier: MIT */
/*
 * Decodes blocks ahead of the merge in worker threads. Blocks come out in the order in which they
 * were given; when the next one has not been begun by a worker, the taker decodes it itself.
 *
 * ahead_* are called by one thread. The workers see the index, the schema and the blocks, all
 * constant while they run.
 */
#ifndef LLMTRACE_ANALYZER_MERGE_AHEAD_H
#define LLMTRACE_ANALYZER_MERGE_AHEAD_H

#include "blocks.h"
#include "decode.h"

struct ahead;

/*
 * What the workers need. blocks: block_count pointers in the order of taking; all must outlive
 * them.
 */
struct ahead_work {
	const struct block_index *index;
	const struct schema *schema;
	const struct block *const *blocks;
	size_t block_count;
	uint32_t stack_limit;
};

/* Starts up to worker_count threads; fewer are fine. @return NULL when memory is short. */
struct ahead *ahead_new(const struct ahead_work *work, unsigned worker_count);
void ahead_free(struct ahead *ahead);

/*
 * Takes the next block; there must be one left.
 * ret_fault: NULL, or why it could not be decoded (a constant string).
 * @return its events (none after a fault); give it back with ahead_give_back. NULL when memory is
 * short.
 */
struct decoded *ahead_take(struct ahead *ahead, const char **ret_fault);
void ahead_give_back(struct ahead *ahead, struct decoded *decoded);

#endif
