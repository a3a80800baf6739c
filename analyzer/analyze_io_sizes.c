/* SPDX-License-Identifier: MIT */
/*
 * The tables `io_sizes` (read calls by the bytes that they returned) and `io_slowest` (the calls
 * that took longest). The first classes are those of the shim's folded runs, which tell how many
 * calls fell into a class but not their bytes: bytes are null where a run leaves them open.
 */
#include "analyze.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

#define RUN_CLASS_COUNT 8u
#define SLOWEST_COUNT 32u

static const struct {
	uint64_t from_bytes;
	const char *name;
} classes[] = {
	{ 0, "0 B" },
	{ 1, "1 B" },
	{ 2, "2 - 7 B" },
	{ 8, "8 - 63 B" },
	{ 64, "64 - 511 B" },
	{ 512, "512 B - 4 KiB" },
	{ 4096, "4 - 64 KiB" },
	{ 64u << 10, "64 KiB - 1 MiB" },
	{ 1u << 20, "1 - 16 MiB" },
	{ 16u << 20, "16 - 256 MiB" },
	{ 256u << 20, "256 MiB and more" },
};
#define CLASS_COUNT (sizeof(classes) / sizeof(classes[0]))

struct io_sizes {
	const struct analysis_context *context;
	uint64_t counts[CLASS_COUNT], bytes[CLASS_COUNT];
	bool is_open[CLASS_COUNT];	/* bytes are not known */
};

static const struct column size_columns[] = {
	{ "size_class", "text", VALUE_TEXT, true, false, "bytes returned by a read call", "size",
	  false },
	{ "read_count", "count", VALUE_U64, false, false, "read calls", "reads", false },
	{ "read_bytes", "bytes", VALUE_U64, false, false,
	  "bytes that they returned; not measured where small calls were folded", "read", false },
};

static void *create_sizes(const struct analysis_context *context)
{
	struct io_sizes *sizes = report_alloc(1, sizeof(*sizes));

	sizes->context = context;
	return sizes;
}

static unsigned class_of(uint64_t bytes)
{
	unsigned class = 0;

	while (class + 1 < CLASS_COUNT && classes[class + 1].from_bytes <= bytes)
		class++;
	return class;
}

/* Calls of 0 and 1 bytes have their bytes; what is left belongs to the other class, if there is
 * one. */
static void count_run(struct io_sizes *sizes, const struct lt_ev_io_run *run)
{
	unsigned other = 0, other_count = 0;

	for (unsigned i = 0; i < RUN_CLASS_COUNT; i++) {
		sizes->counts[i] += run->size_count[i];
		if (i > 1 && run->size_count[i]) {
			other = i;
			other_count++;
		}
	}
	sizes->bytes[1] += run->size_count[1];
	if (other_count == 1)
		sizes->bytes[other] += run->bytes - run->size_count[1];
	for (unsigned i = 2; i < RUN_CLASS_COUNT && other_count > 1; i++)
		sizes->is_open[i] |= run->size_count[i] != 0;
}

static void size_event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct io_sizes *sizes = state;
	const struct model *model = sizes->context->model;
	unsigned class;

	(void)stream;
	if (!model->has_access || model->access.is_write || model->access.is_failed)
		return;
	if (LT_STATE_KIND(record->state) == LT_KIND_io_run) {
		count_run(sizes, (const struct lt_ev_io_run *)record);
		return;
	}
	class = class_of(model->access.bytes);
	sizes->counts[class]++;
	sizes->bytes[class] += model->access.bytes;
}

static void finish_sizes(void *state, struct report *report)
{
	struct io_sizes *sizes = state;
	struct table *table;

	table = report_add_table(report, "io_sizes", "File reads by size", size_columns,
				 sizeof(size_columns) / sizeof(size_columns[0]));
	table_set_text_form(table, CLASS_COUNT, "read_count");
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		size_t row;

		if (!sizes->counts[i])
			continue;
		row = table_add_row(table);
		table_set_text(table, row, "size_class", classes[i].name);
		table_set_u64(table, row, "read_count", sizes->counts[i]);
		analysis_set(table, row, "read_bytes", sizes->bytes[i], !sizes->is_open[i]);
	}
}

/* ---- the slowest ---- */

struct slow_read {
	uint64_t start_ns, duration_ns, bytes;
	int64_t offset_bytes;
	uint32_t file, stack;
};

struct io_slowest {
	const struct analysis_context *context;
	struct slow_read reads[SLOWEST_COUNT];	/* the longest first */
	size_t count;
};

static const struct column slow_columns[] = {
	{ "path", "text", VALUE_TEXT, true, false, "file", NULL, false },
	{ "stack", "stack", VALUE_STACK, true, false, "call stack", NULL, false },
	{ "start_ns", "ns", VALUE_U64, false, true, "since the start of recording", "at", false },
	{ "duration_ns", "ns", VALUE_U64, false, true, "time in the call", "took", false },
	{ "offset_bytes", "number", VALUE_U64, false, false, "offset in the file", "offset",
	  false },
	{ "read_bytes", "bytes", VALUE_U64, false, false, "bytes returned", "read", false },
};

static void *create_slowest(const struct analysis_context *context)
{
	struct io_slowest *slowest = report_alloc(1, sizeof(*slowest));

	slowest->context = context;
	return slowest;
}

static void slow_event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct io_slowest *slowest = state;
	const struct io_access *access = &slowest->context->model->access;
	size_t i = slowest->count;

	(void)stream;
	if (!slowest->context->model->has_access)
		return;
	while (i && slowest->reads[i - 1].duration_ns < access->duration_ns)
		i--;
	if (i == SLOWEST_COUNT)
		return;
	if (slowest->count < SLOWEST_COUNT)
		slowest->count++;
	memmove(&slowest->reads[i + 1], &slowest->reads[i],
		(slowest->count - 1 - i) * sizeof(slowest->reads[0]));
	slowest->reads[i] = (struct slow_read){ record->time - access->duration_ns,
						access->duration_ns, access->bytes,
						access->offset_bytes, access->file,
						record->stack };
}

static void finish_slowest(void *state, struct report *report)
{
	struct io_slowest *slowest = state;
	const struct analysis_context *context = slowest->context;
	uint64_t start_ns = trace_facts(context->trace)->start_ns;
	struct table *table;

	table = report_add_table(report, "io_slowest", "Slowest reads", slow_columns,
				 sizeof(slow_columns) / sizeof(slow_columns[0]));
	table_set_text_form(table, 5, NULL);
	for (size_t i = 0; i < slowest->count; i++) {
		const struct slow_read *read = &slowest->reads[i];
		size_t row = table_add_row(table);

		table_set_text(table, row, "path",
			       fd_model_file(context->model->fds, read->file)->path);
		stack_groups_set(context->stacks, table, row, "stack", read->stack);
		table_set_u64(table, row, "start_ns",
			      read->start_ns > start_ns ? read->start_ns - start_ns : 0);
		table_set_u64(table, row, "duration_ns", read->duration_ns);
		analysis_set(table, row, "offset_bytes", (uint64_t)read->offset_bytes,
			     read->offset_bytes >= 0);
		table_set_u64(table, row, "read_bytes", read->bytes);
	}
}

const struct analysis analyze_io_sizes = {
	.name = "io_sizes",
	.doc = "read calls by size",
	.group = LT_GROUP_files,
	.kinds = { LT_KIND_read, LT_KIND_stream_read, LT_KIND_io_run },
	.create = create_sizes, .event = size_event, .finish = finish_sizes, .destroy = free,
};

const struct analysis analyze_io_slowest = {
	.name = "io_slowest",
	.doc = "the read calls that took longest; folded calls are not among them",
	.group = LT_GROUP_files,
	.kinds = { LT_KIND_read, LT_KIND_stream_read },
	.create = create_slowest, .event = slow_event, .finish = finish_slowest, .destroy = free,
};
