/* SPDX-License-Identifier: MIT */
/*
 * The table `io_by_stack`: who reads which file. Calls of a folded run are told apart by their
 * sites; the run's time is divided among them by calls, which is exact when it has one site.
 */
#include "analyze.h"

#include <stdlib.h>

#include "report_alloc.h"
#include "report_hash.h"

struct reader {
	uint32_t stack, file;
	uint64_t read_count, read_bytes, read_ns;
};

struct io_by_stack {
	const struct analysis_context *context;
	struct key_index keys;		/* stack and file */
	struct reader *readers;
	size_t capacity;
};

static const struct column columns[] = {
	{ "stack", "stack", VALUE_STACK, true, false, "call stack of the reads", NULL, false },
	{ "path", "text", VALUE_TEXT, true, false, "file", NULL, false },
	{ "read_count", "count", VALUE_U64, false, false, "read calls", "reads", false },
	{ "read_bytes", "bytes", VALUE_U64, false, false, "bytes that they returned", "read",
	  false },
	{ "read_ns", "ns", VALUE_U64, false, true,
	  "time in them; of folded calls divided among the call sites by calls", "in reads",
	  false },
};

static void *create(const struct analysis_context *context)
{
	struct io_by_stack *io = report_alloc(1, sizeof(*io));

	io->context = context;
	return io;
}

static struct reader *reader_of(struct io_by_stack *io, uint32_t stack, uint32_t file)
{
	uint32_t i = key_index_put(&io->keys, (uint64_t)stack << 32 | file);

	io->readers = report_grow(io->readers, &io->capacity, i + 1, sizeof(*io->readers));
	io->readers[i].stack = stack;
	io->readers[i].file = file;
	return &io->readers[i];
}

static void count_run(struct io_by_stack *io, const struct lt_ev_io_run *run, uint32_t file)
{
	for (unsigned i = 0; i < 8; i++) {
		struct reader *reader;

		if (!run->site_count[i])
			continue;
		reader = reader_of(io, run->site_stack[i], file);
		reader->read_count += run->site_count[i];
		reader->read_bytes += run->site_bytes[i];
		if (run->count)
			reader->read_ns += (uint64_t)((double)run->duration_ns *
						      run->site_count[i] / (double)run->count);
	}
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct io_by_stack *io = state;
	const struct model *model = io->context->model;
	const struct io_access *access = &model->access;
	struct reader *reader;

	(void)stream;
	if (!model->has_access || access->is_write)
		return;
	if (LT_STATE_KIND(record->state) == LT_KIND_io_run) {
		count_run(io, (const struct lt_ev_io_run *)record, access->file);
		return;
	}
	reader = reader_of(io, record->stack, access->file);
	reader->read_count++;
	reader->read_bytes += access->bytes;
	reader->read_ns += access->duration_ns;
}

/* Stacks with the same names become one row for each file. */
static size_t merge(struct io_by_stack *io, struct reader **ret_merged)
{
	struct key_index keys = { 0 };
	struct reader *merged = report_alloc(io->keys.count, sizeof(*merged));
	size_t count;

	for (uint32_t i = 0; i < io->keys.count; i++) {
		const struct reader *reader = &io->readers[i];
		uint32_t group = stack_groups_of(io->context->stacks, reader->stack);
		struct reader *sum = &merged[key_index_put(&keys, (uint64_t)group << 32 |
							   reader->file)];

		sum->stack = reader->stack;
		sum->file = reader->file;
		sum->read_count += reader->read_count;
		sum->read_bytes += reader->read_bytes;
		sum->read_ns += reader->read_ns;
	}
	count = keys.count;
	key_index_release(&keys);
	*ret_merged = merged;
	return count;
}

static void finish(void *state, struct report *report)
{
	struct io_by_stack *io = state;
	struct reader *merged;
	size_t count = merge(io, &merged);
	struct table *table;

	table = report_add_table(report, "io_by_stack", "File reads by call stack", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < count; i++) {
		size_t row = table_add_row(table);

		stack_groups_set(io->context->stacks, table, row, "stack", merged[i].stack);
		table_set_text(table, row, "path",
			       fd_model_file(io->context->model->fds, merged[i].file)->path);
		table_set_u64(table, row, "read_count", merged[i].read_count);
		table_set_u64(table, row, "read_bytes", merged[i].read_bytes);
		table_set_u64(table, row, "read_ns", merged[i].read_ns);
	}
	table_sort_descending(table, "read_bytes");
	free(merged);
}

static void destroy(void *state)
{
	struct io_by_stack *io = state;

	key_index_release(&io->keys);
	free(io->readers);
	free(io);
}

const struct analysis analyze_io_by_stack = {
	.name = "io_by_stack",
	.doc = "who reads which file",
	.group = LT_GROUP_files,
	.kinds = { LT_KIND_read, LT_KIND_stream_read, LT_KIND_io_run },
	.create = create, .event = event, .finish = finish, .destroy = destroy,
};
