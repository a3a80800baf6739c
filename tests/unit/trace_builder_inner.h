/* SPDX-License-Identifier: MIT */
/* What the files of the trace builder share. */
#ifndef LLMTRACE_TESTS_TRACE_BUILDER_INNER_H
#define LLMTRACE_TESTS_TRACE_BUILDER_INNER_H

#include <stdio.h>

#include "trace_builder.h"

#define MAX_STREAMS 65536

struct bytes {
	uint8_t *data;
	size_t length, capacity;
};

struct trace_builder {
	FILE *file;
	struct lt_file_header header;
	struct bytes definitions, row;
	uint32_t definition_count;
	struct bytes records;		/* of the open block, one behind the other */
	struct bytes columns[256];	/* scratch */
	struct bytes news;		/* scratch: new addresses of a recent column */
	struct bytes parts;		/* of the open bundle */
	struct lt_block_header part_headers[64];
	unsigned part_count;
	uint32_t event_count;
	uint64_t total_count, latest_ns;
	uint64_t positions[MAX_STREAMS];
	struct bytes payload, compressed;
	uint16_t block_flags;		/* of all blocks to come */
	uint16_t events_type;
};

/* Aborts with what is wrong. */
void builder_need(bool is_true, const char *what);

void builder_put(struct bytes *bytes, const void *data, size_t length);
void builder_put_varint(struct bytes *bytes, uint64_t value);

/* Makes the payload of what was added, as the next block of a stream. */
struct lt_block_header builder_finish_block(struct trace_builder *builder, uint32_t stream);

#endif
