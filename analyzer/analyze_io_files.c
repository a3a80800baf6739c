/* SPDX-License-Identifier: MIT */
/*
 * The table `io_by_file`: what was read from each file and how. Calls of the target are counted,
 * each once: a read through a FILE is one stream read, and the read() that the C library makes
 * inside it is not seen and not added. Patterns follow Darshan: a read is sequential when it starts
 * at or behind the end of the read before it, consecutive when it starts exactly there.
 */
#include "analyze.h"

#include <stdlib.h>
#include <string.h>

#include "intervals.h"
#include "report_alloc.h"

#define RANGES_MAX 100000u	/* of one file; more: reread_bytes is not measured */

struct file_io {
	uint64_t open_count;
	uint64_t read_count, read_bytes, read_ns, stream_read_count, error_count;
	uint64_t placed_count;		/* reads whose offset is known */
	uint64_t sequential_count, consecutive_count;
	uint64_t aligned_known_count, unaligned_count;
	uint64_t write_count, write_bytes, write_ns;
	uint64_t reread_bytes;
	struct interval_map ranges;	/* bytes that were read */
	bool is_ranges_full;
};

struct io_by_file {
	const struct analysis_context *context;
	struct file_io *files;		/* by file of the model */
	size_t capacity;
};

static const struct column columns[] = {
	{ "path", "text", VALUE_TEXT, true, false, "file", NULL, false },
	{ "open_count", "count", VALUE_U64, false, false, "times opened", "opens", false },
	{ "read_count", "count", VALUE_U64, false, false, "read calls", "reads", false },
	{ "read_bytes", "bytes", VALUE_U64, false, false, "bytes that they returned", "read",
	  false },
	{ "read_ns", "ns", VALUE_U64, false, true, "time in them, of all threads", "in reads",
	  false },
	{ "sequential_pct", "pct", VALUE_F64, false, false,
	  "reads at or behind the end of the one before", "seq", false },
	{ "consecutive_pct", "pct", VALUE_F64, false, false,
	  "reads exactly at the end of the one before", "consec", true },
	{ "unaligned_count", "count", VALUE_U64, false, false,
	  "descriptor reads off the file system's block size", "unaligned", true },
	{ "storage_bytes", "bytes", VALUE_U64, false, true, "bytes that came from storage",
	  "storage", true },
	{ "reread_bytes", "bytes", VALUE_U64, false, false, "bytes read again", "reread", false },
	{ "resident_at_open_pct", "pct", VALUE_F64, false, true, "in the page cache when opened",
	  "cached", true },
	{ "mapped_bytes", "bytes", VALUE_U64, false, false, "bytes of it that mmap mapped",
	  "mapped", false },
	{ "file_bytes", "bytes", VALUE_U64, false, false, "size when it was opened", "size", true },
	{ "stream_read_count", "count", VALUE_U64, false, false, "of the reads: through a FILE",
	  "by FILE", true },
	{ "write_count", "count", VALUE_U64, false, false, "write calls", "writes", true },
	{ "write_bytes", "bytes", VALUE_U64, false, false, "bytes written", "written", true },
	{ "write_ns", "ns", VALUE_U64, false, true, "time in writes", "in writes", true },
	{ "error_count", "count", VALUE_U64, false, false, "calls that failed", "errors", true },
};

static void *create(const struct analysis_context *context)
{
	struct io_by_file *io = report_alloc(1, sizeof(*io));

	io->context = context;
	return io;
}

static void count_pattern(struct file_io *file, const struct io_access *access)
{
	if (access->offset_bytes < 0)
		return;
	/* a folded run is sequential: all its calls but the first follow each other */
	file->placed_count += access->call_count;
	file->sequential_count += access->call_count - 1 +
				  (access->offset_bytes >= access->expected_bytes);
	file->consecutive_count += access->call_count - 1 +
				   (access->offset_bytes == access->expected_bytes);
}

static void count_alignment(struct file_io *file, const struct io_access *access,
			    uint32_t block_bytes)
{
	if (access->is_stream || access->offset_bytes < 0 || !block_bytes || !access->bytes)
		return;
	file->aligned_known_count += access->call_count;
	if ((uint64_t)access->offset_bytes % block_bytes)
		file->unaligned_count += access->call_count;
}

static void count_rereads(struct file_io *file, const struct io_access *access)
{
	uint64_t fresh;

	if (access->offset_bytes < 0 || file->is_ranges_full || !access->bytes)
		return;
	fresh = interval_set_add(&file->ranges, (uint64_t)access->offset_bytes, access->bytes);
	file->reread_bytes += access->bytes - fresh;
	if (file->ranges.count > RANGES_MAX) {
		file->is_ranges_full = true;
		interval_map_release(&file->ranges);
	}
}

static void count_read(struct file_io *file, const struct io_access *access, uint32_t block_bytes)
{
	file->read_count += access->call_count;
	file->read_bytes += access->bytes;
	file->read_ns += access->duration_ns;
	file->error_count += access->error_count;
	if (access->is_stream)
		file->stream_read_count += access->call_count;
	if (access->is_failed || !access->call_count)
		return;
	count_pattern(file, access);
	count_alignment(file, access, block_bytes);
	count_rereads(file, access);
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct io_by_file *io = state;
	const struct model *model = io->context->model;
	const struct io_access *access = &model->access;
	struct file_io *file;

	(void)stream;
	if (!model->has_access)
		return;
	io->files = report_grow(io->files, &io->capacity, access->file + 1, sizeof(*io->files));
	file = &io->files[access->file];
	if (LT_STATE_KIND(record->state) == LT_KIND_open) {
		file->open_count++;
	} else if (access->is_write) {
		file->write_count += access->call_count;
		file->write_bytes += access->bytes;
		file->write_ns += access->duration_ns;
		file->error_count += access->error_count;
	} else {
		count_read(file, access, fd_model_file(model->fds, access->file)->block_bytes);
	}
}

/* @return bytes that were mapped of each file, to free. */
static uint64_t *mapped_bytes(const struct map_model *maps, uint32_t file_count)
{
	uint64_t *bytes = report_alloc(file_count, sizeof(*bytes));

	for (size_t i = 0; i < maps->group_count; i++)
		if (maps->groups[i].label_kind == MAP_LABEL_FILE &&
		    maps->groups[i].label < file_count)
			bytes[maps->groups[i].label] += maps->groups[i].length_bytes;
	return bytes;
}

static void set_pattern(struct table *table, size_t row, const struct file_io *file)
{
	double placed = (double)file->placed_count;

	if (file->placed_count) {
		table_set_f64(table, row, "sequential_pct",
			      100 * (double)file->sequential_count / placed);
		table_set_f64(table, row, "consecutive_pct",
			      100 * (double)file->consecutive_count / placed);
	}
	analysis_set(table, row, "unaligned_count", file->unaligned_count,
		     file->aligned_known_count);
	/* only complete when every read has its place */
	analysis_set(table, row, "reread_bytes", file->reread_bytes,
		     file->placed_count && !file->is_ranges_full &&
		     file->placed_count + file->error_count >= file->read_count);
}

static void add_row(const struct io_by_file *io, struct table *table, uint32_t i,
		    uint64_t mapped)
{
	const struct file_io *file = &io->files[i];
	const struct io_file *info = fd_model_file(io->context->model->fds, i);
	bool has_maps = analysis_has_group(io->context, LT_GROUP_maps) && info->is_regular;
	size_t row = table_add_row(table);

	table_set_text(table, row, "path", info->path);
	table_set_u64(table, row, "open_count", file->open_count);
	table_set_u64(table, row, "read_count", file->read_count);
	table_set_u64(table, row, "read_bytes", file->read_bytes);
	table_set_u64(table, row, "read_ns", file->read_ns);
	set_pattern(table, row, file);
	analysis_set(table, row, "mapped_bytes", mapped, has_maps);
	analysis_set(table, row, "file_bytes", info->file_bytes, info->is_regular);
	table_set_u64(table, row, "stream_read_count", file->stream_read_count);
	table_set_u64(table, row, "write_count", file->write_count);
	table_set_u64(table, row, "write_bytes", file->write_bytes);
	table_set_u64(table, row, "write_ns", file->write_ns);
	table_set_u64(table, row, "error_count", file->error_count);
}

/* What the order of rows is made from. */
struct file_rank {
	bool is_pseudo;			/* made up by the kernel */
	uint64_t read_bytes, mapped_bytes;
	uint32_t file;
};

static int compare_descending(uint64_t left, uint64_t right)
{
	return (left < right) - (left > right);
}

static int compare_ranks(const void *left_rank, const void *right_rank)
{
	const struct file_rank *left = left_rank, *right = right_rank;
	int order = left->is_pseudo - right->is_pseudo;

	if (!order)
		order = compare_descending(left->read_bytes, right->read_bytes);
	if (!order)
		order = compare_descending(left->mapped_bytes, right->mapped_bytes);
	return order ? order : (left->file > right->file) - (left->file < right->file);
}

static bool is_pseudo(const char *path)
{
	return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5);
}

/* Opening a directory is no file I/O, nor are the lines that a program prints. */
static bool is_worth_a_row(const struct io_by_file *io, uint32_t i)
{
	const struct file_io *file = &io->files[i];

	if (i == 0)
		return file->read_count;
	return !fd_model_file(io->context->model->fds, i)->is_directory &&
	       (file->open_count || file->read_count || file->write_count);
}

static void finish(void *state, struct report *report)
{
	struct io_by_file *io = state;
	const struct model *model = io->context->model;
	struct table *table;
	uint32_t limit = fd_model_file_count(model->fds);
	struct file_rank *ranks = report_alloc(limit, sizeof(*ranks));
	uint64_t *mapped = mapped_bytes(&model->maps, limit);
	size_t count = 0;

	for (uint32_t i = 0; i < limit && i < io->capacity; i++)
		if (is_worth_a_row(io, i))
			ranks[count++] = (struct file_rank){
				is_pseudo(fd_model_file(model->fds, i)->path),
				io->files[i].read_bytes, mapped[i], i };
	qsort(ranks, count, sizeof(*ranks), compare_ranks);
	table = report_add_table(report, "io_by_file", "File I/O by file", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < count; i++)
		add_row(io, table, ranks[i].file, mapped[ranks[i].file]);
	free(mapped);
	free(ranks);
}

static void destroy(void *state)
{
	struct io_by_file *io = state;

	for (size_t i = 0; i < io->capacity; i++)
		interval_map_release(&io->files[i].ranges);
	free(io->files);
	free(io);
}

const struct analysis analyze_io_by_file = {
	.name = "io_by_file",
	.doc = "what was read from each file, and how",
	.group = LT_GROUP_files,
	.kinds = { LT_KIND_open, LT_KIND_read, LT_KIND_stream_read, LT_KIND_io_run },
	.create = create, .event = event, .finish = finish, .destroy = destroy,
};
