/* SPDX-License-Identifier: MIT */
/* Flat traces; see flat.h. Ends the process when memory is short: nothing else is wrong then. */
#include "flat.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "llmtrace/wire.h"

#define ZSTD_FRAME_MAGIC 0xfd2fb528u
#define ZSTD_BLOCK_MAX 131072u

void bytes_put(struct bytes *bytes, const void *data, size_t length)
{
	if (bytes->length + length > bytes->capacity) {
		bytes->capacity = (bytes->length + length) * 2;
		bytes->data = realloc(bytes->data, bytes->capacity);
		if (!bytes->data)
			abort();
	}
	if (length)
		memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

void bytes_put_varint(struct bytes *bytes, uint64_t value)
{
	uint8_t text[LT_VARINT_MAX_BYTES];

	bytes_put(bytes, text, (size_t)(lt_varint_put(text, value) - text));
}

void flat_parse(struct flat *flat, const uint8_t *data, size_t length)
{
	memset(flat, 0, sizeof(*flat));
	if (length < sizeof(flat->start_ns))
		return;
	memcpy(&flat->start_ns, data, sizeof(flat->start_ns));
	data += sizeof(flat->start_ns);
	length -= sizeof(flat->start_ns);
	while (length >= sizeof(struct lt_block_header) && flat->count < 256) {
		struct flat_block *block = &flat->blocks[flat->count++];

		memcpy(&block->header, data, sizeof(block->header));
		data += sizeof(block->header);
		length -= sizeof(block->header);
		block->payload = data;
		block->bytes = block->header.compressed_bytes;
		if (block->bytes > length || flat->count == 256)
			block->bytes = length;
		data += block->bytes;
		length -= block->bytes;
	}
}

size_t flat_store(const struct flat *flat, uint8_t *data, size_t capacity)
{
	size_t at = sizeof(flat->start_ns);

	if (capacity < at)
		return 0;
	memcpy(data, &flat->start_ns, at);
	for (size_t i = 0; i < flat->count; i++) {
		struct lt_block_header header = flat->blocks[i].header;
		size_t bytes = flat->blocks[i].bytes;

		if (bytes + sizeof(header) > capacity - at)
			return 0;
		header.compressed_bytes = (uint32_t)bytes;
		memcpy(data + at, &header, sizeof(header));
		memcpy(data + at + sizeof(header), flat->blocks[i].payload, bytes);
		at += sizeof(header) + bytes;
	}
	return at;
}

static void put_frame_header(struct bytes *file, uint32_t magic, uint32_t content_bytes)
{
	struct lt_frame_header frame = { magic, content_bytes };

	bytes_put(file, &frame, sizeof(frame));
}

/* A zstd frame of blocks that are not compressed: quick, and every byte stays what it is. */
static void put_zstd_frame(struct bytes *out, const uint8_t *payload, size_t length)
{
	const uint32_t magic = ZSTD_FRAME_MAGIC;
	const uint8_t descriptor = 0xe0;	/* one segment, 8 bytes of content size */
	const uint64_t size = length;

	bytes_put(out, &magic, sizeof(magic));
	bytes_put(out, &descriptor, 1);
	bytes_put(out, &size, sizeof(size));
	do {
		size_t part = length < ZSTD_BLOCK_MAX ? length : ZSTD_BLOCK_MAX;
		uint32_t header = (uint32_t)part << 3 | (part == length);

		bytes_put(out, &header, 3);
		bytes_put(out, payload, part);
		payload += part;
		length -= part;
	} while (length);
}

static void put_block(struct bytes *file, const struct flat_block *flat_block)
{
	struct lt_block_header header = flat_block->header;
	struct bytes frame = { 0 };

	put_zstd_frame(&frame, flat_block->payload, flat_block->bytes);
	header.magic = LT_BLOCK_MAGIC;
	header.crc = 0;
	header.raw_bytes = (uint32_t)flat_block->bytes;
	header.compressed_bytes = (uint32_t)frame.length;
	header.crc = lt_crc32c(lt_crc32c(0, &header, sizeof(header)), frame.data, frame.length);
	put_frame_header(file, LT_FRAME_BLOCK, sizeof(header));
	bytes_put(file, &header, sizeof(header));
	bytes_put(file, frame.data, frame.length);
	free(frame.data);
}

static void put_end(struct bytes *file, const struct flat_block *block)
{
	struct lt_file_end end = {
		.magic = LT_END_MAGIC,
		.event_count = block->header.event_count,
		.lost_event_count = block->header.first_position,
		.end_ns = block->header.end_ns,
	};

	end.crc = lt_crc32c(0, &end, sizeof(end));
	put_frame_header(file, LT_FRAME_END, sizeof(end));
	bytes_put(file, &end, sizeof(end));
}

static void put_file_header(struct bytes *file, const struct flat *flat, const char *pool_path)
{
	struct lt_file_header header = {
		.major = LT_FORMAT_MAJOR, .minor = LT_FORMAT_MINOR, .machine = 62,
		.header_bytes = sizeof(header), .pid = 1234, .groups = 0xff,
		.start_ns = flat->start_ns, .start_unix_ns = 1700000000000000000u,
	};

	memcpy(header.magic, LT_FILE_MAGIC, sizeof(header.magic));
	strncpy(header.pool_path, pool_path, sizeof(header.pool_path) - 1);
	header.crc = lt_crc32c(0, &header, sizeof(header));
	put_frame_header(file, LT_FRAME_FILE, sizeof(header));
	bytes_put(file, &header, sizeof(header));
}

void flat_pack(const struct flat *flat, const char *pool_path, struct bytes *ret_file)
{
	put_file_header(ret_file, flat, pool_path);
	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_block *block = &flat->blocks[i];

		if (block->header.type == FLAT_RAW)
			bytes_put(ret_file, block->payload, block->bytes);
		else if (block->header.type == FLAT_END)
			put_end(ret_file, block);
		else
			put_block(ret_file, block);
	}
}

static void unpack_block(struct flat *flat, const uint8_t *at, struct bytes *store)
{
	struct flat_block *block = &flat->blocks[flat->count++];
	size_t got;

	memcpy(&block->header, at, sizeof(block->header));
	got = ZSTD_decompress(store->data + store->length, store->capacity - store->length,
			      at + sizeof(block->header), block->header.compressed_bytes);
	if (ZSTD_isError(got))
		abort();
	block->payload = store->data + store->length;
	block->bytes = got;
	store->length += got;
}

void flat_unpack(struct flat *flat, const uint8_t *file, size_t length, struct bytes *store)
{
	struct lt_file_header header;
	struct lt_frame_header frame;
	struct lt_file_end end;

	memset(flat, 0, sizeof(*flat));
	memcpy(&header, file + sizeof(frame), sizeof(header));
	flat->start_ns = header.start_ns;
	store->capacity = 1u << 24;
	store->data = malloc(store->capacity);
	for (size_t at = 0; store->data && at + sizeof(frame) <= length && flat->count < 256;) {
		memcpy(&frame, file + at, sizeof(frame));
		at += sizeof(frame);
		if (frame.magic == LT_FRAME_BLOCK) {
			unpack_block(flat, file + at, store);
			at += flat->blocks[flat->count - 1].header.compressed_bytes;
		} else if (frame.magic == LT_FRAME_END) {
			memcpy(&end, file + at, sizeof(end));
			flat->blocks[flat->count++].header = (struct lt_block_header){
				.type = FLAT_END, .event_count = (uint32_t)end.event_count,
				.first_position = end.lost_event_count, .end_ns = end.end_ns };
		}
		at += frame.content_bytes;
	}
}
