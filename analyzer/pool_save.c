/* SPDX-License-Identifier: MIT */
/*
 * The order of writing is what makes it safe: the parts, the last one with its flag, fsync, and
 * only then is the pool removed. Readers take no parts without a last one, so a report that dies in
 * between leaves a trace and a pool that are as good as before.
 */
#include "pool_save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "blocks_window.h"
#include "pool_reader_parts.h"
#include "private_path.h"

#define COMPRESSION_LEVEL 3
#define HEADERS_BYTES (sizeof(struct lt_frame_header) + sizeof(struct lt_block_header))

struct saver {
	int fd;
	uint64_t at;			/* where the next part goes */
	uint8_t *raw;
	uint8_t *frame;			/* frame header, block header, compressed part */
	size_t frame_max;
};

static bool write_all(struct saver *saver, const uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t wrote = pwrite(saver->fd, bytes, length, (off_t)saver->at);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		bytes += wrote;
		length -= (size_t)wrote;
		saver->at += (uint64_t)wrote;
	}
	return true;
}

/* Writes bytes [begin, end) of the pool, which lie in saver->raw, as one block. */
static bool write_part(struct saver *saver, uint64_t begin, uint64_t end, bool is_last)
{
	struct lt_frame_header frame = { LT_FRAME_BLOCK, sizeof(struct lt_block_header) };
	struct lt_block_header block = {
		.magic = LT_BLOCK_MAGIC, .type = LT_BLOCK_POOL,
		.flags = is_last ? LT_BLOCK_IS_LAST_PART : 0,
		.first_position = begin, .end_position = end, .raw_bytes = (uint32_t)(end - begin),
	};
	uint8_t *payload = saver->frame + HEADERS_BYTES;
	size_t got = ZSTD_compress(payload, saver->frame_max - HEADERS_BYTES, saver->raw,
				   block.raw_bytes, COMPRESSION_LEVEL);

	if (ZSTD_isError(got))
		return false;
	block.compressed_bytes = (uint32_t)got;
	block.crc = blocks_crc32c(blocks_crc32c(0, &block, sizeof(block)), payload, got);
	memcpy(saver->frame, &frame, sizeof(frame));
	memcpy(saver->frame + sizeof(frame), &block, sizeof(block));
	return write_all(saver, saver->frame, HEADERS_BYTES + got);
}

static bool write_parts(struct saver *saver, const struct pool *pool, uint64_t pool_bytes)
{
	for (uint64_t begin = 0; begin < pool_bytes;) {
		uint64_t end = begin + LT_POOL_PART_BYTES;

		if (end > pool_bytes)
			end = pool_bytes;
		if (window_pread(pool->fd, saver->raw, end - begin, begin) != end - begin ||
		    !write_part(saver, begin, end, end == pool_bytes))
			return false;
		begin = end;
	}
	return true;
}

/* @return the end of the last extent. */
static uint64_t used_bytes(const struct pool *pool)
{
	uint64_t bytes = sizeof(*pool->header);

	for (uint32_t i = 0; i < pool->header->extent_count && i < LT_EXTENT_MAX; i++) {
		const struct lt_extent *extent = &pool->header->extents[i];

		if (extent->type && extent->offset <= pool->file_bytes &&
		    extent->bytes <= pool->file_bytes - extent->offset &&
		    extent->offset + extent->bytes > bytes)
			bytes = extent->offset + extent->bytes;
	}
	return bytes;
}

/* A trace that the pool itself names, and that has our header, is the original of ours. */
static bool is_copy(const struct pool *pool, const struct block_index *index,
		    const struct stat *ours)
{
	struct block_index other;
	struct stat status;
	struct error error;
	char path[LT_PATH_BYTES], *found;
	bool is_same = false;

	memcpy(path, pool->header->trace_path, sizeof(path));
	path[sizeof(path) - 1] = '\0';
	found = private_path_find(path);
	if (found && stat(found, &status) == 0 &&
	    (status.st_dev != ours->st_dev || status.st_ino != ours->st_ino) &&
	    block_index_init(&other, found, &error) == 0) {
		is_same = memcmp(&other.header, &index->header, sizeof(other.header)) == 0;
		block_index_release(&other);
	}
	free(found);
	return is_same;
}

/* The file must still be the one that was read, and nobody else may write to it. */
static bool may_write(int fd, const struct pool *pool, const struct block_index *index)
{
	struct stat status, read_status;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
	       fstat(index->fd, &read_status) == 0 && status.st_dev == read_status.st_dev &&
	       status.st_ino == read_status.st_ino && status.st_uid == geteuid() &&
	       (uint64_t)status.st_size == index->file_bytes && !is_copy(pool, index, &status);
}

/*
 * A cut block is of no use: its events are in the pool. What was begun and not finished goes, too.
 */
static bool append(struct saver *saver, const struct pool *pool, const struct block_index *index,
		   uint64_t pool_bytes)
{
	uint64_t begin = index->is_cut ? index->cut_offset : index->file_bytes;

	saver->at = begin;
	if (ftruncate(saver->fd, (off_t)begin) != 0)
		return false;
	if (write_parts(saver, pool, pool_bytes) && fsync(saver->fd) == 0)
		return true;
	while (ftruncate(saver->fd, (off_t)begin) != 0 && errno == EINTR)
		;
	return false;
}

bool pool_save(const struct pool *pool, const struct block_index *index, const char *trace_path)
{
	uint64_t pool_bytes = used_bytes(pool);
	size_t part = pool_bytes < LT_POOL_PART_BYTES ? (size_t)pool_bytes : LT_POOL_PART_BYTES;
	struct saver saver = {
		.fd = open(trace_path, O_WRONLY | O_CLOEXEC | O_NONBLOCK),
		.frame_max = HEADERS_BYTES + ZSTD_compressBound(part),
	};
	bool is_saved = false;

	saver.raw = malloc(part);
	saver.frame = malloc(saver.frame_max);
	if (saver.fd >= 0 && saver.raw && saver.frame && pool_bytes <= POOL_MAX_BYTES &&
	    may_write(saver.fd, pool, index))
		is_saved = append(&saver, pool, index, pool_bytes);
	if (saver.fd >= 0)
		close(saver.fd);
	free(saver.raw);
	free(saver.frame);
	return is_saved;
}

void pool_remove(const struct lt_file_header *header)
{
	struct stat status;
	int fd = pool_open_file(header);
	char *path;

	if (fd < 0)
		return;
	path = private_path_find(header->pool_path);
	if (path && fstat(fd, &status) == 0 && status.st_uid == geteuid())
		unlink(path);
	free(path);
	close(fd);
}
