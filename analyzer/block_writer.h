/* SPDX-License-Identifier: MIT */
/*
 * Writing blocks and frames of a trace to a descriptor, at offsets that are kept here. For the
 * report's own additions to a trace, and for copies of traces. One thread.
 */
#ifndef LLMTRACE_ANALYZER_BLOCK_WRITER_H
#define LLMTRACE_ANALYZER_BLOCK_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/format.h"

struct block_writer {
	int fd;		/* the caller's */
	uint64_t at;	/* where the next byte goes */
	uint8_t *frame; /* frame header, block header, compressed payload */
	size_t frame_capacity;
};

void block_writer_release(struct block_writer *writer);

/* @return false when not all bytes could be written; errno tells why. */
bool block_writer_bytes(struct block_writer *writer, const void *bytes, size_t length);

/* Writes a skippable frame. */
bool block_writer_frame(struct block_writer *writer, uint32_t magic, const void *content,
			uint32_t length);

/*
 * Compresses a payload and writes it as a block. The caller fills type, flags, stream, positions,
 * times and event_count of the header; the rest is filled in.
 */
bool block_writer_block(struct block_writer *writer, struct lt_block_header *header,
			const void *payload, size_t length);

#endif
