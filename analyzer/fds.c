/* SPDX-License-Identifier: MIT */
/*
 * Descriptors > descriptions > files. Owns the tables and the map of FILE addresses. Descriptions
 * are used again when their last descriptor or stream is closed.
 */
#include "fds.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fds_files.h"
#include "report_alloc.h"
#include "report_hash.h"

#define FD_MAX (1 << 20)
#define POSITION_UNKNOWN (-1)

/* An open file description; index 0 is none. */
struct description {
	uint32_t file;
	uint32_t reference_count;	/* descriptors and streams */
	int64_t position;		/* of the descriptor */
	int64_t read_end;		/* where the last read ended */
	uint32_t next_free;
	uint32_t reserved;
};

struct fd_model {
	const char *(*string)(const void *context, uint32_t id);
	const void *context;
	struct file_table files;
	struct description *descriptions;
	size_t description_count, description_capacity;
	uint32_t free_description;	/* head of a list through next_free */
	uint32_t *fds;			/* description of each descriptor */
	size_t fd_capacity;
	/* which descriptors are open, and which words of that are not 0: a range is closed in a
	 * time that follows what is open in it */
	uint64_t open_words[FD_MAX / 64], open_groups[FD_MAX / 64 / 64];
	struct key_index streams;	/* address of a FILE > index in stream_descriptions */
	uint32_t *stream_descriptions;	/* 0: closed */
	size_t stream_capacity;
};

struct fd_model *fd_model_new(const char *(*string)(const void *context, uint32_t id),
			      const void *context)
{
	struct fd_model *model = report_alloc(1, sizeof(*model));

	model->string = string;
	model->context = context;
	file_table_init(&model->files);
	model->descriptions = report_grow(NULL, &model->description_capacity, 1,
					  sizeof(*model->descriptions));
	model->descriptions[0].position = POSITION_UNKNOWN;
	model->description_count = 1;
	return model;
}

void fd_model_free(struct fd_model *model)
{
	if (!model)
		return;
	key_index_release(&model->streams);
	free(model->stream_descriptions);
	file_table_release(&model->files);
	free(model->descriptions);
	free(model->fds);
	free(model);
}

const struct io_file *fd_model_file(const struct fd_model *model, uint32_t file)
{
	return &model->files.entries[file].file;
}

uint32_t fd_model_file_count(const struct fd_model *model)
{
	return (uint32_t)model->files.count;
}

/* ---- descriptions ---- */

static uint32_t new_description(struct fd_model *model, uint32_t file, int64_t position)
{
	uint32_t i = model->free_description;

	if (i) {
		model->free_description = model->descriptions[i].next_free;
	} else {
		i = (uint32_t)model->description_count++;
		model->descriptions = report_grow(model->descriptions, &model->description_capacity,
						  model->description_count,
						  sizeof(*model->descriptions));
	}
	model->descriptions[i] = (struct description){ .file = file, .position = position };
	return i;
}

static uint32_t description_of(const struct fd_model *model, int32_t fd)
{
	return fd >= 0 && (size_t)fd < model->fd_capacity ? model->fds[fd] : 0;
}

static void drop_description(struct fd_model *model, uint32_t i)
{
	struct description *description = &model->descriptions[i];

	if (!i || --description->reference_count)
		return;
	description->next_free = model->free_description;
	model->free_description = i;
}

static void note_open(struct fd_model *model, int32_t fd, bool is_open)
{
	int32_t word = fd / 64;
	uint64_t bit = (uint64_t)1 << fd % 64, group_bit = (uint64_t)1 << word % 64;

	if (is_open)
		model->open_words[word] |= bit;
	else
		model->open_words[word] &= ~bit;
	if (model->open_words[word])
		model->open_groups[word / 64] |= group_bit;
	else
		model->open_groups[word / 64] &= ~group_bit;
}

/* @return the first open descriptor from fd on, FD_MAX for none. */
static int32_t next_open(const struct fd_model *model, int32_t fd)
{
	int32_t word = fd / 64, group;
	uint64_t bits;

	if (fd >= FD_MAX)
		return FD_MAX;
	bits = model->open_words[word] >> fd % 64;
	if (bits)
		return fd + __builtin_ctzll(bits);
	if (++word == FD_MAX / 64)
		return FD_MAX;
	group = word / 64;
	bits = model->open_groups[group] & ~(uint64_t)0 << word % 64;
	while (!bits && ++group < FD_MAX / 64 / 64)
		bits = model->open_groups[group];
	if (!bits)
		return FD_MAX;
	word = group * 64 + __builtin_ctzll(bits);
	return word * 64 + __builtin_ctzll(model->open_words[word]);
}

/* description 0 closes the descriptor. */
static void set_fd(struct fd_model *model, int32_t fd, uint32_t description)
{
	if (fd < 0 || fd >= FD_MAX)
		return;
	model->fds = report_grow(model->fds, &model->fd_capacity, (size_t)fd + 1,
				 sizeof(*model->fds));
	if (description)
		model->descriptions[description].reference_count++;
	drop_description(model, model->fds[fd]);
	model->fds[fd] = description;
	note_open(model, fd, description != 0);
}

uint32_t fd_model_file_of(const struct fd_model *model, int32_t fd)
{
	return model->descriptions[description_of(model, fd)].file;
}

/* ---- streams ---- */

static uint32_t description_of_stream(const struct fd_model *model, uint64_t addr)
{
	uint32_t i = key_index_find(&model->streams, addr);

	return i == KEY_INDEX_NONE ? 0 : model->stream_descriptions[i];
}

static void close_stream(struct fd_model *model, uint64_t addr)
{
	uint32_t i = key_index_find(&model->streams, addr);

	if (i == KEY_INDEX_NONE)
		return;
	drop_description(model, model->stream_descriptions[i]);
	model->stream_descriptions[i] = 0;
}

static void open_stream(struct fd_model *model, uint64_t addr, uint32_t description)
{
	uint32_t i;

	model->descriptions[description].reference_count++;
	close_stream(model, addr);
	i = key_index_put(&model->streams, addr);
	model->stream_descriptions = report_grow(model->stream_descriptions,
						 &model->stream_capacity, (size_t)i + 1,
						 sizeof(*model->stream_descriptions));
	model->stream_descriptions[i] = description;
}

static uint32_t file_of(struct fd_model *model, uint32_t path_id, uint32_t mode,
			struct io_file file)
{
	file.path = model->string(model->context, path_id);
	file.is_regular = S_ISREG(mode);
	file.is_directory = S_ISDIR(mode);
	return file_table_put(&model->files, &file);
}

/* ---- events ---- */

static bool apply_open(struct fd_model *model, const struct lt_ev_open *event,
		       struct io_access *ret_access)
{
	unsigned call = LT_STATE_AUX(event->head.state);
	uint32_t description = 0, file;

	if (event->error || (event->fd < 0 && !event->stream))
		return false;
	file = file_of(model, event->path, event->file_mode, (struct io_file){
		.device = event->device, .inode = event->inode,
		.file_bytes = event->file_bytes, .block_bytes = event->block_bytes });
	if (call == LT_open_call_fdopen)
		description = description_of(model, event->fd);
	if (!description)
		description = new_description(model, file, event->stream ? POSITION_UNKNOWN : 0);
	if (call != LT_open_call_fdopen || !description_of(model, event->fd))
		set_fd(model, event->fd, description);
	if (event->stream)
		open_stream(model, event->stream, description);
	*ret_access = (struct io_access){ .file = model->descriptions[description].file,
					  .is_stream = event->stream != 0,
					  .offset_bytes = -1, .duration_ns = event->duration_ns };
	return true;
}

static void apply_close(struct fd_model *model, const struct lt_ev_close *event)
{
	int64_t last = event->last_fd;

	if (event->stream)
		close_stream(model, event->stream);
	if (event->error == EBADF || event->fd < 0)
		return;
	if (last < event->fd)
		last = event->fd;
	for (int32_t fd = next_open(model, event->fd); fd < FD_MAX && fd <= last;
	     fd = next_open(model, fd))
		set_fd(model, fd, 0);
}

static void apply_dup(struct fd_model *model, const struct lt_ev_dup *event)
{
	if (event->error || event->new_fd < 0)
		return;
	set_fd(model, event->new_fd, description_of(model, event->old_fd));
}

static void apply_seen(struct fd_model *model, const struct lt_ev_fd_seen *event)
{
	uint32_t known = description_of(model, event->fd), file;
	const struct io_file *old = fd_model_file(model, model->descriptions[known].file);

	if (known && old->inode == event->inode && old->device == event->device)
		return;
	file = file_of(model, event->path, event->file_mode, (struct io_file){
		.device = event->device, .inode = event->inode, .file_bytes = event->file_bytes });
	set_fd(model, event->fd, new_description(model, file, event->offset_bytes));
}

/* Fills offset and expected offset of a read and moves on. */
static void note_read(struct fd_model *model, struct description *description, int64_t offset,
		      uint64_t bytes, struct io_access *access)
{
	if (!fd_model_file(model, description->file)->is_regular)
		offset = -1;	/* pipes, terminals and devices have no position */
	access->offset_bytes = offset;
	access->expected_bytes = description->read_end;
	if (offset >= 0 && bytes)
		description->read_end = offset + (int64_t)bytes;
}

static void apply_read(struct fd_model *model, const struct lt_ev_read *event,
		       struct io_access *access)
{
	struct description *description = &model->descriptions[description_of(model, event->fd)];
	int64_t offset = event->offset_bytes;

	*access = (struct io_access){ .file = description->file, .call_count = 1,
				      .duration_ns = event->duration_ns };
	access->is_failed = event->got_bytes < 0;
	access->error_count = access->is_failed;
	access->bytes = access->is_failed ? 0 : (uint64_t)event->got_bytes;
	if (offset < 0) {
		offset = description->position;
		if (offset >= 0)
			description->position += (int64_t)access->bytes;
	}
	note_read(model, description, offset, access->bytes, access);
}

static void apply_stream_read(struct fd_model *model, const struct lt_ev_stream_read *event,
			      struct io_access *access)
{
	uint32_t i = description_of_stream(model, event->stream);

	*access = (struct io_access){ .file = model->descriptions[i].file, .is_stream = true,
				      .call_count = 1, .duration_ns = event->duration_ns };
	access->bytes = event->got_bytes > 0 ? (uint64_t)event->got_bytes : 0;
	note_read(model, &model->descriptions[i], event->offset_bytes, access->bytes, access);
}

static void apply_run(struct fd_model *model, const struct lt_ev_io_run *event,
		      struct io_access *access)
{
	unsigned kind = LT_STATE_AUX(event->head.state);
	uint32_t i = event->stream ? description_of_stream(model, event->stream)
				   : description_of(model, event->fd);
	struct description *description = &model->descriptions[i];

	*access = (struct io_access){ .file = description->file, .is_stream = event->stream != 0,
				      .is_write = kind == LT_run_kind_fd_write ||
						  kind == LT_run_kind_stream_write,
				      .call_count = event->count, .error_count = event->error_count,
				      .bytes = event->bytes, .duration_ns = event->duration_ns,
				      .offset_bytes = -1 };
	if (!access->is_write)
		note_read(model, description, event->offset_bytes, event->bytes, access);
	else if (!event->stream)
		description->position = POSITION_UNKNOWN;	/* pwrite is folded into it, too */
}

static void apply_seek(struct fd_model *model, const struct lt_ev_seek *event)
{
	uint32_t i = description_of(model, event->fd);

	if (!event->stream && i && event->result_bytes >= 0)
		model->descriptions[i].position = event->result_bytes;
}

bool fd_model_apply(struct fd_model *model, const struct lt_record *record,
		    struct io_access *ret_access)
{
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_open:
		return apply_open(model, (const struct lt_ev_open *)record, ret_access);
	case LT_KIND_read:
		apply_read(model, (const struct lt_ev_read *)record, ret_access);
		return true;
	case LT_KIND_stream_read:
		apply_stream_read(model, (const struct lt_ev_stream_read *)record, ret_access);
		return true;
	case LT_KIND_io_run:
		apply_run(model, (const struct lt_ev_io_run *)record, ret_access);
		return true;
	case LT_KIND_close:
		apply_close(model, (const struct lt_ev_close *)record);
		return false;
	case LT_KIND_dup:
		apply_dup(model, (const struct lt_ev_dup *)record);
		return false;
	case LT_KIND_seek:
		apply_seek(model, (const struct lt_ev_seek *)record);
		return false;
	case LT_KIND_fd_seen:
		apply_seen(model, (const struct lt_ev_fd_seen *)record);
		return false;
	default:
		return false;
	}
}
