/* SPDX-License-Identifier: MIT */
/*
 * The blocks of a trace file: where they are, whether they are whole, and what lies between them
 * that is not. Owns the file descriptor, the index and the list of damage. Checks every checksum
 * once while it indexes; knows nothing of what payloads mean.
 *
 * The index is made by one thread; block_read may then be called by any number of threads.
 */
#ifndef LLMTRACE_ANALYZER_BLOCKS_H
#define LLMTRACE_ANALYZER_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/format.h"
#include "trace.h"

/* Bounds that no honest block reaches; they keep memory small when a file lies. */
#define BLOCK_RAW_MAX_BYTES (64u << 20)
#define BLOCK_MAX_ROWS (1u << 20)
/* A block of events holds at most what a ring does; so it was in every version of the format. */
#define BLOCK_MAX_EVENTS 8192u
#define POOL_MAX_BYTES ((uint64_t)2 << 30)

/* Ids of streams, modules, stacks and strings end here, so that dense arrays over them are safe. */
#define TRACE_MAX_ID (1u << 24)

/*
 * Where a block's compressed payload lies, and what its header says. The members of a bundle are
 * blocks of events that share one payload: part_offset and raw_bytes tell their part of it.
 */
struct block {
	uint64_t payload_offset;
	uint64_t first_position, end_position;
	uint64_t begin_ns, end_ns;
	uint32_t compressed_bytes, raw_bytes;
	uint32_t payload_bytes;		/* of the whole payload, decompressed */
	uint32_t part_offset;
	uint32_t event_count;
	uint32_t stream;
	uint16_t type;
	uint16_t flags;
	uint32_t time_shift;
	bool is_joined; /* begins no later than the block before it of its stream ends */
};

struct block_list {
	struct block *blocks;
	size_t count, capacity;
};

struct damage_list {
	struct trace_damage *items;
	size_t count, capacity;
	uint64_t byte_count, event_count;
};

struct block_index {
	int fd;
	uint64_t file_bytes;
	struct lt_file_header header;
	bool is_header_bad;		/* its checksum is wrong: the facts in it are doubtful */
	bool has_end; /* the last frame is an end: blocks may follow an earlier one */
	struct lt_file_end end;
	bool is_cut;
	uint64_t cut_offset;
	struct block_list tables, definitions, events;
	/*
	 * of a trace with a bound: blocks of the heap that were live when the oldest segment
	 * began, and the begins of all segments
	 */
	struct block_list live, segments;
	struct block_list pool_parts;	/* from offset 0 on, without a gap */
	bool is_pool_whole;		/* the last part is there */
	struct damage_list damage;
};

/*
 * Opens path and indexes it. Reads the whole file once.
 * @return 0, or ret_error->exit_code; then there is nothing to release.
 */
int block_index_init(struct block_index *index, const char *path, struct error *ret_error);
void block_index_release(struct block_index *index);

/*
 * The same of a copy in memory: of the trace with a bound of a process that runs, whose blocks are
 * overwritten. Of the file itself when it is larger than 1 GiB or there is no memory.
 */
int block_index_init_copy(struct block_index *index, const char *path, struct error *ret_error);

/*
 * Number of the oldest segment of a trace with a bound, 0 for other traces. Blocks that are older
 * belong to a segment whose begin has been overwritten.
 */
uint64_t block_index_oldest_segment(const struct block_index *index);
bool block_is_older(const struct block *block, uint64_t oldest_segment);

/* Buffers of one thread for block_read. Zero before the first use. */
struct block_buffer {
	const uint8_t *raw;		/* what block_read read last */
	uint8_t *compressed, *payload;
	size_t compressed_capacity, payload_capacity;
	uint64_t payload_offset;	/* of what is in payload; 0 for nothing */
	void *context;			/* ZSTD_DCtx */
};

void block_buffer_release(struct block_buffer *buffer);

/*
 * Reads and decompresses a block; buffer->raw then has its raw_bytes. Any thread, each with a buffer
 * of its own, for one index.
 * @return NULL, or what is wrong (a constant string).
 */
const char *block_read(const struct block_index *index, const struct block *block,
		       struct block_buffer *buffer);

/*
 * Notes a stretch that cannot be read. reason: a constant string. Out of memory drops the entry
 * alone.
 */
void damage_add(struct damage_list *list, const struct trace_damage *damage);

/*
 * Makes room for one more element of a growing array. @return false when memory is short.
 * Used as: grow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items)).
 */
bool grow(void **array, size_t count, size_t *capacity, size_t item_bytes);

/* As lt_crc32c, eight bytes a step: a reader sums whole files. Any thread. */
uint32_t blocks_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
