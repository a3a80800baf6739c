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

#include "block_writer.h"
#include "blocks_window.h"
#include "pool_reader_parts.h"
#include "private_path.h"

static bool write_parts(struct block_writer *writer, const struct pool *pool, uint64_t pool_bytes,
			uint8_t *raw)
{
	for (uint64_t begin = 0; begin < pool_bytes;) {
		struct lt_block_header part = { .type = LT_BLOCK_POOL, .first_position = begin };
		uint64_t end = begin + LT_POOL_PART_BYTES;

		if (end > pool_bytes)
			end = pool_bytes;
		part.end_position = end;
		part.flags = end == pool_bytes ? LT_BLOCK_IS_LAST_PART : 0;
		if (window_pread(pool->fd, raw, end - begin, begin) != end - begin ||
		    !block_writer_block(writer, &part, raw, end - begin))
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
	if (found && stat(found, &status) == 0 && S_ISREG(status.st_mode) &&
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
static bool append(struct block_writer *writer, const struct pool *pool,
		   const struct block_index *index, uint64_t pool_bytes, uint8_t *raw)
{
	uint64_t begin = index->is_cut ? index->cut_offset : index->file_bytes;

	writer->at = begin;
	if (ftruncate(writer->fd, (off_t)begin) != 0)
		return false;
	if (write_parts(writer, pool, pool_bytes, raw) && fsync(writer->fd) == 0)
		return true;
	while (ftruncate(writer->fd, (off_t)begin) != 0 && errno == EINTR)
		;
	return false;
}

bool pool_save(const struct pool *pool, const struct block_index *index, const char *trace_path)
{
	uint64_t pool_bytes = used_bytes(pool);
	size_t part = pool_bytes < LT_POOL_PART_BYTES ? (size_t)pool_bytes : LT_POOL_PART_BYTES;
	struct block_writer writer = {
		.fd = open(trace_path, O_WRONLY | O_CLOEXEC | O_NONBLOCK),
	};
	uint8_t *raw = malloc(part);
	bool is_saved = false;

	if (writer.fd >= 0 && raw && pool_bytes <= POOL_MAX_BYTES &&
	    may_write(writer.fd, pool, index))
		is_saved = append(&writer, pool, index, pool_bytes, raw);
	if (writer.fd >= 0)
		close(writer.fd);
	free(raw);
	block_writer_release(&writer);
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
