/* SPDX-License-Identifier: MIT */
/*
 * The trace file; see trace_file.h. Writes go to offsets that we keep ourselves, through a
 * descriptor that is checked against the file's identity first: a target that closes descriptors it
 * does not know can neither redirect nor stop them. Where the frames of a bounded trace go is
 * decided by trace_space.c.
 */
#include "trace_file.h"

#include <errno.h>
#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "arch.h"
#include "clock.h"
#include "definitions.h"
#include "encode.h"
#include "identity.h"
#include "llmtrace/wire.h"
#include "own_fds.h"
#include "ring.h"
#include "privacy.h"
#include "sys.h"
#include "text.h"
#include "trace_name.h"
#include "trace_space.h"

/* Level 3 makes 2 to 5% less of what the columns leave, and takes half as long again. */
#define COMPRESSION_LEVEL 1
#define RETRY_NS 10000000u
/* behind a frame: what makes its length a multiple of SPACE_GRAIN, and a void frame */
#define FRAME_SLACK_BYTES 32u

static char path[LT_PATH_BYTES];
static int handle = -1;
static uint64_t device, inode;
static uint64_t offset_bytes;  /* where the next frame of an unbounded trace goes */
static uint64_t written_bytes; /* in all; threads that wait for the writer read it */
static bool is_bounded;
static bool is_end_there; /* behind the frames of a bounded trace */
static uint64_t event_count;
static uint64_t unwritten_count; /* events of blocks that never reached the file */
static uint64_t failure_count;
static int failure_error;
static uint32_t has_given_up;
static bool is_patient;
static ZSTD_CCtx *compressor;
static uint8_t *frame_bytes; /* frame header, block header, compressed payload */
static size_t frame_max;

const char *trace_file_path(void)
{
	return path;
}

static bool remember_identity(int fd)
{
	struct stat stat;

	if (sys_fstat(fd, &stat) < 0)
		return false;
	device = stat.st_dev;
	inode = stat.st_ino;
	handle = own_fd_adopt(fd);
	return handle >= 0;
}

/*
 * Memory of the compressor: from the kernel, never from the target's allocator. The length stands
 * in front.
 */
static void *zstd_memory(void *opaque, size_t bytes)
{
	size_t *block = sys_memory(bytes + 64);

	(void)opaque;
	if (!block)
		return NULL;
	*block = bytes + 64;
	return (uint8_t *)block + 64;
}

static void zstd_release(void *opaque, void *addr)
{
	size_t *block;

	(void)opaque;
	if (!addr)
		return;
	block = (size_t *)(void *)((uint8_t *)addr - 64);
	sys_memory_release(block, *block);
}

static bool make_compressor(void)
{
	ZSTD_customMem memory = {zstd_memory, zstd_release, NULL};

	frame_max = sizeof(struct lt_frame_header) + sizeof(struct lt_block_header) +
		    ZSTD_compressBound(ENCODE_PAYLOAD_MAX);
	frame_bytes = sys_memory(frame_max + FRAME_SLACK_BYTES);
	compressor = ZSTD_createCCtx_advanced(memory);
	return frame_bytes && compressor &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel,
						    COMPRESSION_LEVEL));
}

int trace_file_open(const char *pattern, const char **ret_path)
{
	long fd;

	*ret_path = path;
	trace_name_expand(pattern, path, sizeof(path));
	for (int tries = 0;; tries++) {
		trace_name_make_free(path, sizeof(path));
		fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -EEXIST || tries == 10) /* another process of this run was faster */
			break;
	}
	if (fd < 0)
		return (int)fd;
	if (!remember_identity((int)fd))
		return -EMFILE;
	return make_compressor() ? 0 : -ENOMEM;
}

static bool is_ours(int fd)
{
	struct stat stat;

	return fd >= 0 && sys_fstat(fd, &stat) == 0 && stat.st_dev == device &&
	       stat.st_ino == inode;
}

/* The target may have closed our descriptor, and may use its number for a file of its own. */
static int usable_fd(void)
{
	int fd = own_fd_number(handle);
	long opened;

	if (is_ours(fd))
		return fd;
	opened = sys_open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (opened < 0)
		return -1;
	if (!is_ours((int)opened)) {
		sys_close((int)opened);
		return -1;
	}
	own_fd_forget(handle);
	handle = own_fd_adopt((int)opened);
	return handle >= 0 ? own_fd_number(handle) : -1;
}

static void note_failure(long result)
{
	failure_count++;
	failure_error = result < 0 ? (int)-result : EIO;
}

static bool try_write(const uint8_t *bytes, size_t count, uint64_t at, size_t *done)
{
	int fd = usable_fd();
	long wrote = fd < 0 ? -EBADF
		     : at + count > sys_file_limit()
			     ? -EFBIG
			     : sys_pwrite(fd, bytes + *done, count - *done, at + *done);

	if (wrote > 0) {
		*done += (size_t)wrote;
		__atomic_store_n(&written_bytes, written_bytes + (uint64_t)wrote, __ATOMIC_RELAXED);
		return true;
	}
	if (wrote == -EINTR)
		return true;
	note_failure(wrote);
	return false;
}

/* After a failure: waits a moment. @return false when there is nothing to wait for any more. */
static bool may_retry(void)
{
	static uint32_t never;

	if (!is_patient || __atomic_load_n(&has_given_up, __ATOMIC_ACQUIRE))
		return false;
	__atomic_store_n(&ring_writer_stands, 1, __ATOMIC_RELEASE);
	sys_futex_wait(&never, 0, RETRY_NS);
	return true;
}

/* @return false when the bytes are not in the file, and will not be. */
static bool write_all(const void *bytes, size_t count, uint64_t at)
{
	size_t done = 0;

	while (done < count)
		if (!try_write(bytes, count, at, &done) && !may_retry())
			break;
	__atomic_store_n(&ring_writer_stands, 0, __ATOMIC_RELEASE);
	return done == count;
}

void trace_file_be_patient(void)
{
	is_patient = true;
}

/* ---- bounded ---- */
static bool cut_file(uint64_t bytes)
{
	long result;

	do {
		int fd = usable_fd();

		result = fd < 0 ? -EBADF : sys_ftruncate(fd, bytes);
		if (result)
			note_failure(result);
	} while (result && may_retry());
	__atomic_store_n(&ring_writer_stands, 0, __ATOMIC_RELEASE);
	return result == 0;
}

/* Segments are so small that a void frame never has 4 GiB. */
static struct lt_frame_header void_header(uint64_t bytes)
{
	return (struct lt_frame_header){LT_FRAME_VOID, (uint32_t)(bytes - SPACE_VOID_BYTES)};
}

static bool follow_plan(const struct space_plan *plan, size_t count)
{
	struct lt_frame_header nothing = void_header(plan->void_bytes);

	if (plan->is_truncated && !cut_file(plan->truncate_at))
		return false;
	if (plan->void_bytes && !write_all(&nothing, sizeof(nothing), plan->offset))
		return false;
	if (plan->is_append)
		return write_all(frame_bytes, count, plan->offset);
	nothing = void_header(plan->rest_bytes);
	memcpy(frame_bytes + count, &nothing, sizeof(nothing));
	count += plan->rest_bytes ? sizeof(nothing) : 0;
	return write_all(frame_bytes + SPACE_VOID_BYTES, count - SPACE_VOID_BYTES,
			 plan->offset + SPACE_VOID_BYTES) &&
	       write_all(frame_bytes, SPACE_VOID_BYTES, plan->offset);
}

/* Puts a void frame behind the frame where its length is no multiple of SPACE_GRAIN. */
static size_t pad_frame(size_t count)
{
	size_t over = count % SPACE_GRAIN, pad_bytes = 2 * SPACE_GRAIN - over;
	struct lt_frame_header pad = void_header(pad_bytes);

	if (!over)
		return count;
	memset(frame_bytes + count, 0, pad_bytes);
	memcpy(frame_bytes + count, &pad, sizeof(pad));
	return count + pad_bytes;
}

static bool write_bounded(size_t count)
{
	struct space_plan plan;

	if (is_end_there && !cut_file(space_file_end()))
		return false;
	is_end_there = false;
	count = pad_frame(count);
	space_take(count, &plan);
	if (follow_plan(&plan, count))
		return true;
	space_give_back(&plan);
	return false;
}

/* Writes what frame_bytes holds. @return as write_all. */
static bool write_frame(size_t count)
{
	if (is_bounded)
		return write_bounded(count);
	if (!write_all(frame_bytes, count, offset_bytes))
		return false;
	offset_bytes += count;
	return true;
}

static size_t put_skippable(uint32_t magic, const void *content, uint32_t bytes)
{
	struct lt_frame_header *frame = (struct lt_frame_header *)(void *)frame_bytes;

	frame->magic = magic;
	frame->content_bytes = bytes;
	memcpy(frame + 1, content, bytes);
	return sizeof(*frame) + bytes;
}

bool trace_file_bound(uint64_t max_bytes)
{
	size_t over = offset_bytes % SPACE_GRAIN;

	if (over) {
		static const uint8_t zeros[SPACE_GRAIN];

		if (!write_frame(put_skippable(LT_FRAME_VOID, zeros,
					       (uint32_t)(SPACE_GRAIN - over))))
			return false;
	}
	space_init(max_bytes - sizeof(struct lt_file_end) - SPACE_VOID_BYTES, offset_bytes);
	is_bounded = true;
	return true;
}

static uint64_t real_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t start_ns;

uint64_t trace_file_start_ns(void)
{
	return start_ns;
}

bool trace_file_write_header(const char *pool_path, uint32_t groups)
{
	static struct lt_file_header header;
	const struct identity *self = identity_get();

	memcpy(header.magic, LT_FILE_MAGIC, sizeof(header.magic));
	header.major = LT_FORMAT_MAJOR;
	header.minor = LT_FORMAT_MINOR;
	header.machine = ARCH_ELF_MACHINE;
	header.header_bytes = sizeof(header);
	header.pid = (uint32_t)self->pid;
	header.parent_pid = (uint32_t)self->parent_pid;
	header.process_start_ticks = self->start_ticks;
	memcpy(header.boot_id, self->boot_id, sizeof(header.boot_id));
	header.start_ns = start_ns = clock_monotonic_ns();
	header.start_unix_ns = real_time_ns();
	header.time_namespace_ns = self->time_namespace_ns;
	header.groups = groups;
	privacy_path(pool_path, strlen(pool_path), header.pool_path, sizeof(header.pool_path));
	header.crc = lt_crc32c(0, &header, sizeof(header));
	return write_frame(put_skippable(LT_FRAME_FILE, &header, sizeof(header)));
}

/* compressed: bytes that lie behind the place of the header. @return as write_all. */
static bool write_block(struct lt_block_header *header, size_t bytes, size_t compressed)
{
	struct lt_frame_header *frame = (struct lt_frame_header *)(void *)frame_bytes;
	struct lt_block_header *written = (struct lt_block_header *)(void *)(frame + 1);

	header->magic = LT_BLOCK_MAGIC;
	if (is_bounded)
		header->flags |= (uint16_t)((space_segment() & LT_BLOCK_SEGMENT_MASK)
					    << LT_BLOCK_SEGMENT_SHIFT);
	header->crc = 0;
	header->raw_bytes = (uint32_t)bytes;
	header->compressed_bytes = (uint32_t)compressed;
	header->crc = lt_crc32c(lt_crc32c(0, header, sizeof(*header)), written + 1, compressed);
	frame->magic = LT_FRAME_BLOCK;
	frame->content_bytes = sizeof(*header);
	*written = *header;
	return write_frame(sizeof(*frame) + sizeof(*header) + compressed);
}

bool trace_file_write_block(struct lt_block_header *header, const void *payload, size_t bytes)
{
	size_t room_at = sizeof(struct lt_frame_header) + sizeof(*header);
	size_t compressed = ZSTD_compress2(compressor, frame_bytes + room_at, frame_max - room_at,
					   payload, bytes);
	/* it asks for memory as late as this */
	bool is_written = !ZSTD_isError(compressed) && write_block(header, bytes, compressed);

	if (header->type == LT_BLOCK_EVENTS || header->type == LT_BLOCK_BUNDLE)
		*(is_written ? &event_count : &unwritten_count) += header->event_count;
	return is_written;
}

void trace_file_write_definitions(uint16_t flags)
{
	struct lt_block_header header = {.type = LT_BLOCK_DEFS, .flags = flags};
	const uint8_t *rows;
	size_t bytes;

	if (definitions_take(&rows, &bytes, &header.event_count))
		trace_file_write_block(&header, rows, bytes);
}

void trace_file_write_end(uint64_t lost_event_count, uint64_t dropped_event_count)
{
	struct lt_file_end end = {LT_END_MAGIC, 0, event_count - dropped_event_count,
				  lost_event_count + unwritten_count, clock_monotonic_ns()};
	size_t bytes;

	end.crc = lt_crc32c(0, &end, sizeof(end));
	bytes = put_skippable(LT_FRAME_END, &end, sizeof(end));
	if (!is_bounded)
		write_frame(bytes);
	else
		is_end_there = write_all(frame_bytes, bytes, space_file_end());
}

uint64_t trace_file_event_count(void)
{
	return event_count;
}

void trace_file_remove(void)
{
	if (is_ours(own_fd_number(handle)))
		sys_unlink(path);
}

void trace_file_close(void)
{
	own_fd_close(handle);
}

uint64_t trace_file_bytes(void)
{
	return __atomic_load_n(&written_bytes, __ATOMIC_RELAXED);
}

void trace_file_give_up(void)
{
	__atomic_store_n(&has_given_up, 1, __ATOMIC_RELEASE);
}

uint64_t trace_file_failures(int *ret_error)
{
	*ret_error = failure_error;
	return failure_count;
}
