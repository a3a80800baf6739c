/* SPDX-License-Identifier: MIT */
/*
 * Blocks of all streams > batches in global time order. A block is opened when time reaches its
 * begin, so memory is bounded by blocks that overlap. A batch is as long as one block's events stay
 * ahead of every other block: one step of the heap a batch, not an event.
 *
 * One thread; the decoding behind it is merge_ahead.h.
 */
#ifndef LLMTRACE_ANALYZER_MERGE_H
#define LLMTRACE_ANALYZER_MERGE_H

#include "blocks.h"
#include "decode.h"
#include "trace.h"

/* Where events come from: a block of the file, or records that were read from a ring. */
struct merge_source {
	uint64_t begin_ns;
	size_t sequence; /* order at equal times: blocks of a stream follow each other */
	uint32_t stream;
	const struct block *block;
	const struct decoded *ready;	/* when block is NULL */
	/*
	 * Its first records may have the time of the last ones before it in the same stream: then
	 * they come behind those, though a release comes before an acquire otherwise.
	 */
	bool is_joined;
};

/* What was learned while reading; the caller adds it to its facts. */
struct merge_counts {
	uint64_t unknown_event_count;
	uint64_t lost_event_count;
	uint64_t done_bytes;		/* compressed bytes of the blocks that were opened */
};

struct merge;

/*
 * sources: sorted with merge_sort_sources; sources, index, schema and damage must outlive the
 * merge. damage: gets blocks that cannot be decoded.
 * @return NULL when memory is short.
 */
struct merge *merge_new(const struct merge_source *sources, size_t source_count,
			const struct block_index *index, const struct schema *schema,
			uint32_t stack_limit, unsigned worker_count, struct damage_list *damage);
void merge_free(struct merge *merge);

void merge_sort_sources(struct merge_source *sources, size_t count);

/* As trace_next_batch; does not set tid. */
bool merge_next(struct merge *merge, struct trace_batch *ret_batch);

/* As trace_keep_batches and trace_release_batches. */
void merge_keep(struct merge *merge);
void merge_release(struct merge *merge, uint64_t number);

const struct merge_counts *merge_counts(const struct merge *merge);

#endif
