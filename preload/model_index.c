/* SPDX-License-Identifier: MIT */
/*
 * Models of this process; see model_index.h. A file is read in pieces, and the rings are drained
 * between two of them. Pieces that storage does not have ready are waited for in naps, as long as
 * that is short: most often the target reads the same bytes at this moment. Entered by the writer
 * thread alone; takes no lock.
 */
#include "model_index.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "clock.h"
#include "definitions.h"
#include "model_header.h"
#include "model_offers.h"
#include "sys.h"
#include "text.h"
#include "trace_file.h"
#include "writer_emit.h"

#define HEADER_MAX_BYTES (64u << 20)
#define TABLES_MAX_BYTES (32u << 20) /* of all models: about 500,000 tensors */
#define MODELS_MAX 256u
#define SEEN_SLOTS 4096u /* a power of two */
#define ROWS_A_TIME 2048u
#define NAP_NS 1000000u
#define NAPS_MAX 500u /* for one file; then a read may block */
#define END_NS 500000000u

/* The kernel makes these files up, some by asking a device when they are read. */
#define MAGIC_PROC 0x9fa0
#define MAGIC_SYS 0x62656572
#define MAGIC_DEBUG 0x64626720
#define MAGIC_TRACE 0x74726163

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

struct model {
	struct definitions_model row;
	struct model_header header;
};

/* A file that was looked into, as it was then. */
struct seen {
	uint64_t device;
	uint64_t inode; /* 0: free */
	uint64_t file_bytes;
	uint64_t modified_ns;
};

static struct model *models;
static uint32_t model_count;
static uint64_t tables_bytes;
static struct seen *seen;
static uint32_t seen_count;
static uint8_t *piece;

static bool make_buffers(void)
{
	if (!models)
		models = sys_memory(MODELS_MAX * sizeof(*models));
	if (!seen)
		seen = sys_memory(SEEN_SLOTS * sizeof(*seen));
	if (!piece)
		piece = sys_memory(MODEL_PIECE_BYTES);
	return models && seen && piece;
}

/* ---- what was looked into ---- */
static struct seen *find_seen(uint64_t device, uint64_t inode)
{
	uint64_t at = (inode * 0x9e3779b97f4a7c15u ^ device) >> 20;

	for (;; at++) {
		struct seen *slot = &seen[at % SEEN_SLOTS];

		if (!slot->inode || (slot->inode == inode && slot->device == device))
			return slot;
	}
}

/* @return false: it is not new. One that has changed is; else models would be read on each open. */
static bool is_new(const struct model_offer *offer)
{
	struct seen *slot = find_seen(offer->device, offer->inode);

	if (slot->inode && slot->file_bytes == offer->file_bytes &&
	    slot->modified_ns == offer->modified_ns)
		return false;
	if (!slot->inode && seen_count == SEEN_SLOTS / 4 * 3) {
		memset(seen, 0, SEEN_SLOTS * sizeof(*seen));
		seen_count = 0;
		slot = find_seen(offer->device, offer->inode);
	}
	seen_count += !slot->inode;
	*slot = (struct seen){offer->device, offer->inode, offer->file_bytes, offer->modified_ns};
	return true;
}

/* It could not be opened: another try when it is opened again. */
static void forget(const struct model_offer *offer)
{
	find_seen(offer->device, offer->inode)->modified_ns = UINT64_MAX;
}

/* A model that is looked into again, since the list above was full, has its rows already. */
static bool is_known(const struct definitions_model *row, const struct model_header *header)
{
	for (uint32_t i = 0; i < model_count; i++)
		if (models[i].row.inode == row->inode && models[i].row.device == row->device &&
		    models[i].row.file_bytes == row->file_bytes &&
		    models[i].header.data_offset == header->data_offset &&
		    models[i].header.table.count == header->table.count)
			return true;
	return false;
}

/* ---- the file ---- */
static bool is_made_up(int fd)
{
	struct statfs system;

	return SYS_CALL(fstatfs, fd, &system, 0, 0, 0, 0) < 0 || system.f_type == MAGIC_PROC ||
	       system.f_type == MAGIC_SYS || system.f_type == MAGIC_DEBUG ||
	       system.f_type == MAGIC_TRACE;
}

static bool is_same_file(int fd, const struct model_offer *offer)
{
	struct stat stat;

	return !is_made_up(fd) && sys_fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
	       stat.st_dev == offer->device && stat.st_ino == offer->inode;
}

/* Opened without effect first: by now a device may have the path, which does something then. */
static int open_checked(const char *path, const struct model_offer *offer)
{
	int place = (int)sys_open(path, O_PATH | O_CLOEXEC, 0);
	char link[64];
	int fd = -1;

	if (place < 0)
		return -1;
	if (is_same_file(place, offer)) {
		text_format(link, sizeof(link), "/proc/thread-self/fd/%u", (uint64_t)place);
		fd = (int)sys_open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	}
	sys_close(place);
	return fd;
}

/* By its path, else (removed, or seen from another root) by the target's descriptor. */
static int open_offered(const struct model_offer *offer)
{
	int fd = offer->real_path[0] ? open_checked(offer->real_path, offer) : -1;
	char link[64];

	if (fd >= 0)
		return fd;
	text_format(link, sizeof(link), "/proc/self/fd/%u", (uint64_t)(unsigned)offer->fd);
	return open_checked(link, offer);
}

struct reader {
	int fd;
	uint32_t nap_count;
	uint64_t deadline_ns;
};

static void keep_up(void *context)
{
	(void)context;
	writer_keep_up();
}

static long read_piece(void *context, void *buffer, size_t bytes, uint64_t offset)
{
	struct reader *reader = context;
	struct iovec vector = {buffer, bytes};
	uint32_t nobody = 0;
	long taken;

	writer_keep_up();
	while (reader->nap_count < NAPS_MAX) {
		if (clock_monotonic_ns() > reader->deadline_ns)
			return -ETIMEDOUT;
		taken = SYS_CALL(preadv2, reader->fd, &vector, 1, offset, 0, RWF_NOWAIT);
		if (taken >= 0)
			return taken;
		if (taken != -EAGAIN)
			break;
		SYS_CALL(fadvise64, reader->fd, offset, bytes, POSIX_FADV_WILLNEED, 0, 0);
		sys_futex_wait(&nobody, 0, NAP_NS);
		reader->nap_count++;
		writer_keep_up();
	}
	return sys_pread(reader->fd, buffer, bytes, offset);
}

static bool read_header(struct model_source *source, struct model_header *header)
{
	uint8_t magic[MODEL_MAGIC_BYTES];

	if (source->read(source->context, magic, sizeof(magic), 0) != (long)sizeof(magic))
		return false;
	if (gguf_is(magic))
		return gguf_read(source, header);
	return safetensors_is(magic, source->file_bytes) && safetensors_read(source, header);
}

/* ---- rows ---- */
static void put_rows(const struct model *model)
{
	definitions_model(&model->row, &model->header);
	for (uint32_t i = 0; i < model->header.table.count; i++) {
		definitions_tensor(model->row.id, &model->header, &model->header.table.rows[i]);
		if (i % ROWS_A_TIME == ROWS_A_TIME - 1)
			writer_keep_up();
	}
}

void model_index_repeat(void)
{
	for (uint32_t i = 0; i < model_count; i++)
		put_rows(&models[i]);
}

static void look_into(int fd, const struct model_offer *offer, uint64_t deadline_ns)
{
	struct model *model = &models[model_count];
	struct reader reader = {fd, 0, deadline_ns};
	struct model_source source = {
		.read = read_piece,
		.pause = keep_up,
		.context = &reader,
		.buffer = piece,
		.end = offer->file_bytes < HEADER_MAX_BYTES ? offer->file_bytes : HEADER_MAX_BYTES,
		.file_bytes = offer->file_bytes,
	};

	memset(model, 0, sizeof(*model));
	model->row = (struct definitions_model){
		.id = model_count + 1,
		.path = offer->path,
		.device = offer->device,
		.inode = offer->inode,
		.file_bytes = offer->file_bytes,
	};
	model->header.table.max_bytes = TABLES_MAX_BYTES - tables_bytes;
	if (!read_header(&source, &model->header) || is_known(&model->row, &model->header)) {
		model_table_release(&model->header.table);
		return;
	}
	model_table_shrink(&model->header.table);
	tables_bytes += model_table_bytes(&model->header.table);
	model_count++;
	put_rows(model);
}

void model_index_read(bool is_end)
{
	uint64_t deadline_ns = is_end ? clock_monotonic_ns() + END_NS : UINT64_MAX;
	uint32_t old_count = model_count;
	struct model_offer offer;

	while (model_offer_take(&offer)) {
		int fd;

		if (!make_buffers() || model_count == MODELS_MAX || !is_new(&offer))
			continue;
		fd = open_offered(&offer);
		if (fd < 0) {
			forget(&offer);
			continue;
		}
		/* what the target has not read yet stays out of the page cache */
		SYS_CALL(fadvise64, fd, 0, 0, POSIX_FADV_RANDOM, 0, 0);
		look_into(fd, &offer, deadline_ns);
		sys_close(fd);
	}
	if (model_count != old_count)
		trace_file_write_definitions(0); /* in the file, should the process be killed */
}
