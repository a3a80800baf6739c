/* SPDX-License-Identifier: MIT */
/*
 * Opening a trace file, reading its header, and reading single blocks; see blocks.h. The walk over
 * the blocks is in blocks_index.c.
 */
#include "blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "blocks_index.h"
#include "blocks_window.h"

bool grow(void **array, size_t count, size_t *capacity, size_t item_bytes)
{
	size_t wanted = *capacity ? *capacity * 2 : 16;
	void *grown;

	if (count < *capacity)
		return true;
	grown = reallocarray(*array, wanted, item_bytes);
	if (!grown)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

void damage_add(struct damage_list *list, const struct trace_damage *damage)
{
	list->byte_count += damage->byte_count;
	list->event_count += damage->event_count;
	if (grow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items)))
		list->items[list->count++] = *damage;
}

static int open_file(struct block_index *index, const char *path, struct error *ret_error)
{
	struct stat status;

	index->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (index->fd < 0)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: cannot be opened: %s", path,
				 strerror(errno));
	if (fstat(index->fd, &status) != 0 || !S_ISREG(status.st_mode))
		return error_set(ret_error, EXIT_UNUSABLE,
				 "%s: is not a regular file; give the path of a trace", path);
	index->file_bytes = (uint64_t)status.st_size;
	if (index->file_bytes == 0)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "%s: is empty; the recording wrote nothing into it", path);
	return 0;
}

static bool is_header_sum_right(const struct lt_file_header *header)
{
	struct lt_file_header copy = *header;

	copy.crc = 0;
	return blocks_crc32c(0, &copy, sizeof(copy)) == header->crc;
}

static int read_header(struct block_index *index, const char *path, uint64_t *ret_offset,
		       struct error *ret_error)
{
	struct lt_frame_header frame = { 0, 0 };
	struct lt_file_header *header = &index->header;
	size_t got;

	got = window_pread(index->fd, &frame, sizeof(frame), 0);
	got += window_pread(index->fd, header, sizeof(*header), sizeof(frame));
	if (got < sizeof(frame) + sizeof(header->magic) || frame.magic != LT_FRAME_FILE ||
	    memcmp(header->magic, LT_FILE_MAGIC, sizeof(header->magic)) != 0)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "%s: is not an llmtrace trace (no file header at offset 0)", path);
	if (got < sizeof(frame) + sizeof(*header) || frame.content_bytes < sizeof(*header))
		return error_set(
			ret_error, EXIT_UNUSABLE,
			"%s: the file header at offset 0 is cut short: the file has %llu bytes",
			path, (unsigned long long)index->file_bytes);
	if (header->major > LT_FORMAT_MAJOR)
		return error_set(ret_error, EXIT_UNUSABLE,
				 "%s: has format %u.%u, this llmtrace-report reads up to major "
				 "version %u; use a newer one",
				 path, header->major, header->minor, LT_FORMAT_MAJOR);
	index->is_header_bad = !is_header_sum_right(header);
	header->pool_path[sizeof(header->pool_path) - 1] = '\0';
	*ret_offset = sizeof(frame) + (uint64_t)frame.content_bytes;
	return 0;
}

static void note_bad_header(struct block_index *index)
{
	struct trace_damage damage = {
		.byte_count = sizeof(struct lt_file_header),
		.reason = "the checksum of the file header is wrong",
	};

	damage_add(&index->damage, &damage);
}

#define COPY_MAX_BYTES ((uint64_t)1 << 30)

static bool copy_bytes(int from, int to, uint64_t bytes)
{
	static const size_t at_most = 1 << 20;
	uint64_t done = 0;

	while (done < bytes) {
		ssize_t got = sendfile(to, from, NULL, at_most);

		if (got <= 0)
			return got == 0; /* the file was cut meanwhile */
		done += (uint64_t)got;
	}
	return true;
}

/* Puts a copy of the file in its place; without memory the file stays. */
static void take_copy(struct block_index *index)
{
	int copy = index->file_bytes <= COPY_MAX_BYTES ?
		   memfd_create("llmtrace-trace", MFD_CLOEXEC) : -1;
	struct stat status;

	if (copy < 0)
		return;
	if (!copy_bytes(index->fd, copy, index->file_bytes) || fstat(copy, &status) != 0 ||
	    !status.st_size) {
		close(copy);
		return;
	}
	close(index->fd);
	index->fd = copy;
	index->file_bytes = (uint64_t)status.st_size;
}

uint64_t block_index_oldest_segment(const struct block_index *index)
{
	uint64_t oldest = 0;

	for (size_t i = 0; i < index->segments.count; i++) {
		uint64_t number = index->segments.blocks[i].first_position;

		if (!oldest || number < oldest)
			oldest = number;
	}
	return oldest;
}

bool block_is_older(const struct block *block, uint64_t oldest_segment)
{
	uint64_t number = block->flags >> LT_BLOCK_SEGMENT_SHIFT & LT_BLOCK_SEGMENT_MASK;

	return ((number - oldest_segment) & LT_BLOCK_SEGMENT_MASK) > LT_BLOCK_SEGMENT_MASK / 2;
}

static int init(struct block_index *index, const char *path, bool is_copied,
		struct error *ret_error)
{
	uint64_t offset = 0;
	int result;

	memset(index, 0, sizeof(*index));
	result = open_file(index, path, ret_error);
	if (result == 0 && is_copied)
		take_copy(index);
	if (result == 0)
		result = read_header(index, path, &offset, ret_error);
	if (result == 0) {
		if (index->is_header_bad) {
			note_bad_header(index);
			offset = sizeof(struct lt_frame_header) + sizeof(struct lt_file_header);
		}
		if (!block_index_walk(index, offset))
			result = error_set(ret_error, EXIT_UNUSABLE, "%s: not enough memory", path);
	}
	if (result != 0)
		block_index_release(index);
	return result;
}

int block_index_init(struct block_index *index, const char *path, struct error *ret_error)
{
	return init(index, path, false, ret_error);
}

int block_index_init_copy(struct block_index *index, const char *path, struct error *ret_error)
{
	return init(index, path, true, ret_error);
}

void block_index_release(struct block_index *index)
{
	if (index->fd >= 0)
		close(index->fd);
	free(index->tables.blocks);
	free(index->definitions.blocks);
	free(index->events.blocks);
	free(index->pool_parts.blocks);
	free(index->live.blocks);
	free(index->segments.blocks);
	free(index->damage.items);
	memset(index, 0, sizeof(*index));
	index->fd = -1;
}

void block_buffer_release(struct block_buffer *buffer)
{
	free(buffer->compressed);
	free(buffer->payload);
	ZSTD_freeDCtx(buffer->context);
	memset(buffer, 0, sizeof(*buffer));
}

static bool reserve(uint8_t **bytes, size_t *capacity, size_t wanted)
{
	uint8_t *grown;

	if (wanted <= *capacity)
		return true;
	grown = realloc(*bytes, wanted);
	if (!grown)
		return false;
	*bytes = grown;
	*capacity = wanted;
	return true;
}

/* Decompresses the payload that a block is or is a part of. */
static const char *read_payload(const struct block_index *index, const struct block *block,
				struct block_buffer *buffer)
{
	size_t got;

	if (!buffer->context)
		buffer->context = ZSTD_createDCtx();
	if (!buffer->context ||
	    !reserve(&buffer->compressed, &buffer->compressed_capacity, block->compressed_bytes) ||
	    !reserve(&buffer->payload, &buffer->payload_capacity, (size_t)block->payload_bytes + 1))
		return "not enough memory for the block";
	if (window_pread(index->fd, buffer->compressed, block->compressed_bytes,
			 block->payload_offset) != block->compressed_bytes)
		return "the block could not be read again";
	got = ZSTD_decompressDCtx(buffer->context, buffer->payload,
				  (size_t)block->payload_bytes + 1, buffer->compressed,
				  block->compressed_bytes);
	if (ZSTD_isError(got))
		return "the block cannot be decompressed";
	if (got != block->payload_bytes)
		return "the block has another length than its header says";
	return NULL;
}

const char *block_read(const struct block_index *index, const struct block *block,
		       struct block_buffer *buffer)
{
	const char *fault = NULL;

	if (buffer->payload_offset != block->payload_offset) {
		buffer->payload_offset = 0;
		fault = read_payload(index, block, buffer);
	}
	if (fault)
		return fault;
	buffer->payload_offset = block->payload_offset;
	buffer->raw = buffer->payload + block->part_offset;
	return NULL;
}
