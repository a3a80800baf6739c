/* SPDX-License-Identifier: MIT */
/* See block_writer.h. */
#include "block_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "blocks.h"

#define COMPRESSION_LEVEL 3
#define HEADERS_BYTES (sizeof(struct lt_frame_header) + sizeof(struct lt_block_header))

void block_writer_release(struct block_writer *writer)
{
	free(writer->frame);
	writer->frame = NULL;
	writer->frame_capacity = 0;
}

bool block_writer_bytes(struct block_writer *writer, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length) {
		ssize_t wrote = pwrite(writer->fd, at, length, (off_t)writer->at);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		at += wrote;
		length -= (size_t)wrote;
		writer->at += (uint64_t)wrote;
	}
	return true;
}

bool block_writer_frame(struct block_writer *writer, uint32_t magic, const void *content,
			uint32_t length)
{
	struct lt_frame_header frame = {magic, length};

	return block_writer_bytes(writer, &frame, sizeof(frame)) &&
	       block_writer_bytes(writer, content, length);
}

static bool make_room(struct block_writer *writer, size_t bytes)
{
	uint8_t *grown;

	if (bytes <= writer->frame_capacity)
		return true;
	grown = realloc(writer->frame, bytes);
	if (!grown)
		return false;
	writer->frame = grown;
	writer->frame_capacity = bytes;
	return true;
}

bool block_writer_block(struct block_writer *writer, struct lt_block_header *header,
			const void *payload, size_t length)
{
	struct lt_frame_header frame = {LT_FRAME_BLOCK, sizeof(*header)};
	uint8_t *compressed;
	size_t got;

	if (!make_room(writer, HEADERS_BYTES + ZSTD_compressBound(length)))
		return false;
	compressed = writer->frame + HEADERS_BYTES;
	got = ZSTD_compress(compressed, writer->frame_capacity - HEADERS_BYTES, payload, length,
			    COMPRESSION_LEVEL);
	if (ZSTD_isError(got))
		return false;
	header->magic = LT_BLOCK_MAGIC;
	header->raw_bytes = (uint32_t)length;
	header->compressed_bytes = (uint32_t)got;
	header->crc = 0;
	header->crc = blocks_crc32c(blocks_crc32c(0, header, sizeof(*header)), compressed, got);
	memcpy(writer->frame, &frame, sizeof(frame));
	memcpy(writer->frame + sizeof(frame), header, sizeof(*header));
	return block_writer_bytes(writer, writer->frame, HEADERS_BYTES + got);
}
