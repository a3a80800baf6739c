/* SPDX-License-Identifier: MIT */
/*
 * The trace file; see trace_file.h. Writes go to offsets that we keep ourselves, through a
 * descriptor that is checked against the file's identity first: a target that closes descriptors it
 * does not know can neither redirect nor stop them.
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

#define COMPRESSION_LEVEL 3
#define RETRY_NS 10000000u

static char path[LT_PATH_BYTES];
static int handle = -1;
static uint64_t device, inode;
static uint64_t offset_bytes;
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
	size_t *block = (size_t *)(void *)((uint8_t *)addr - 64);

	(void)opaque;
	if (addr)
		sys_memory_release(block, *block);
}

static bool make_compressor(void)
{
	ZSTD_customMem memory = {zstd_memory, zstd_release, NULL};

	frame_max = sizeof(struct lt_frame_header) + sizeof(struct lt_block_header) +
		    ZSTD_compressBound(ENCODE_PAYLOAD_MAX);
	frame_bytes = sys_memory(frame_max);
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

static bool try_write(const uint8_t *bytes, size_t count, size_t *done)
{
	int fd = usable_fd();
	long wrote = fd < 0 ? -EBADF
		     : offset_bytes + count > sys_file_limit()
			     ? -EFBIG
			     : sys_pwrite(fd, bytes + *done, count - *done, offset_bytes + *done);

	if (wrote > 0) {
		*done += (size_t)wrote;
		return true;
	}
	if (wrote == -EINTR)
		return true;
	failure_count++;
	failure_error = wrote < 0 ? (int)-wrote : EIO;
	return false;
}

/* @return false when the bytes are not in the file, and will not be. */
static bool write_all(const void *bytes, size_t count)
{
	static uint32_t never;
	size_t done = 0;

	while (done < count) {
		if (try_write(bytes, count, &done))
			continue;
		if (!is_patient || __atomic_load_n(&has_given_up, __ATOMIC_ACQUIRE))
			break;
		__atomic_store_n(&ring_writer_stands, 1, __ATOMIC_RELEASE);
		sys_futex_wait(&never, 0, RETRY_NS);
	}
	__atomic_store_n(&ring_writer_stands, 0, __ATOMIC_RELEASE);
	if (done < count)
		return false;
	offset_bytes += count;
	return true;
}

void trace_file_be_patient(void)
{
	is_patient = true;
}

static bool write_skippable(uint32_t magic, const void *content, uint32_t bytes)
{
	struct lt_frame_header *frame = (struct lt_frame_header *)(void *)frame_bytes;

	frame->magic = magic;
	frame->content_bytes = bytes;
	memcpy(frame + 1, content, bytes);
	return write_all(frame_bytes, sizeof(*frame) + bytes);
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
	return write_skippable(LT_FRAME_FILE, &header, sizeof(header));
}

void trace_file_write_block(struct lt_block_header *header, const void *payload, size_t bytes)
{
	struct lt_frame_header *frame = (struct lt_frame_header *)(void *)frame_bytes;
	struct lt_block_header *written = (struct lt_block_header *)(void *)(frame + 1);
	bool is_written;
	size_t compressed =
		ZSTD_compress2(compressor, written + 1,
			       frame_max - sizeof(*frame) - sizeof(*written), payload, bytes);

	header->magic = LT_BLOCK_MAGIC;
	header->crc = 0;
	header->raw_bytes = (uint32_t)bytes;
	header->compressed_bytes = (uint32_t)compressed;
	header->crc = lt_crc32c(lt_crc32c(0, header, sizeof(*header)), written + 1, compressed);
	frame->magic = LT_FRAME_BLOCK;
	frame->content_bytes = sizeof(*header);
	*written = *header;
	is_written = !ZSTD_isError(compressed) &&
		     write_all(frame_bytes, sizeof(*frame) + sizeof(*header) + compressed);
	if (header->type == LT_BLOCK_EVENTS)
		*(is_written ? &event_count : &unwritten_count) += header->event_count;
}

void trace_file_write_definitions(uint16_t flags)
{
	struct lt_block_header header = {.type = LT_BLOCK_DEFS, .flags = flags};
	const uint8_t *rows;
	size_t bytes;

	if (definitions_take(&rows, &bytes, &header.event_count))
		trace_file_write_block(&header, rows, bytes);
}

void trace_file_write_end(uint64_t lost_event_count)
{
	struct lt_file_end end = {LT_END_MAGIC, 0, event_count, lost_event_count + unwritten_count,
				  clock_monotonic_ns()};

	end.crc = lt_crc32c(0, &end, sizeof(end));
	write_skippable(LT_FRAME_END, &end, sizeof(end));
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
	return offset_bytes;
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
