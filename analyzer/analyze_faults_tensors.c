/* SPDX-License-Identifier: MIT */
/*
 * The table `faults_by_tensor`: which tensor of a model the process waited for. Faults on a mapped
 * model file go to the tensor at their offset; those on other memory are in maps alone.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyze_faults.h"
#include "model_pages.h"
#include "report_alloc.h"
#include "units.h"

/* Of a model: by tensor, then the header and what lies between the tensors. */
#define OTHER_COUNT 2u

struct faults_by_tensor {
	const struct analysis_context *context;
	struct model_files *files;
	struct fault_sums **sums;	/* by model, NULL: no fault so far */
	uint32_t *of_group;		/* model + 2 by group of mappings; 1: none, 0: not known */
	size_t group_capacity;
	uint64_t other_count;		/* faults on other memory */
};

static const struct column columns[] = {
	{ "tensor", "text", VALUE_TEXT, true, false, "name of the tensor", NULL, false },
	{ "file", "text", VALUE_TEXT, true, false, "model file", NULL, true },
	{ "layer", "number", VALUE_I64, false, false, "number of its layer (blk.N)", "layer",
	  false },
	{ "kind", "text", VALUE_TEXT, false, false, "what it is for", "kind", false },
	{ "tensor_bytes", "bytes", VALUE_U64, false, false, "its size", "size", false },
	FAULT_COLUMNS,
};

static void *create(const struct analysis_context *context)
{
	struct faults_by_tensor *faults = report_alloc(1, sizeof(*faults));

	faults->context = context;
	faults->files = model_files_new(context->trace);
	faults->sums = report_alloc(model_files_count(faults->files) + 1, sizeof(*faults->sums));
	return faults;
}

static const struct model_file *look_up(const struct faults_by_tensor *faults, uint32_t group)
{
	const struct model *model = faults->context->model;
	const struct map_group *found = &model->maps.groups[group];
	const struct io_file *file;

	if (found->label_kind == MAP_LABEL_SEEN)
		return model_files_find(faults->files, 0, 0, model_map_name(model, found));
	if (found->label_kind != MAP_LABEL_FILE)
		return NULL;
	file = fd_model_file(model->fds, found->label);
	return model_files_find(faults->files, file->device, file->inode, file->path);
}

/* @return the index of the model that a group of mappings maps, SIZE_MAX for none. */
static size_t model_of(struct faults_by_tensor *faults, uint32_t group)
{
	const struct model_file *file;

	if (group >= faults->group_capacity)
		faults->of_group = report_grow(faults->of_group, &faults->group_capacity,
					       group + 1, sizeof(*faults->of_group));
	if (!faults->of_group[group]) {
		file = look_up(faults, group);
		faults->of_group[group] =
			file ? (uint32_t)(file - model_files_at(faults->files, 0)) + 2 : 1;
	}
	return faults->of_group[group] == 1 ? SIZE_MAX : faults->of_group[group] - 2;
}

static size_t index_of(const struct model_file *file, const struct model_place *place)
{
	if (place->tensor)
		return (size_t)(place->tensor - file->tensors);
	return file->tensor_count + (place->kind == TENSOR_PADDING);
}

/* Offsets in the file and addresses differ by a constant as far as a part goes. */
static void count_part(struct faults_by_tensor *faults, size_t model, struct fault_part part)
{
	const struct model_file *file = model_files_at(faults->files, model);

	if (!faults->sums[model])
		faults->sums[model] = report_alloc(file->tensor_count + OTHER_COUNT,
						   sizeof(**faults->sums));
	while (part.count) {
		struct model_page page = model_page_at(file, part.file_offset);
		uint64_t shift = part.addr - part.file_offset;
		struct fault_part taken = fault_part_take(&part, page.begin + shift,
							  page.end + shift);

		fault_sums_add(&faults->sums[model][index_of(file, &page.place)], &taken);
	}
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct faults_by_tensor *faults = state;
	const struct fault_model *model = &faults->context->model->faults;

	(void)record;
	(void)stream;
	for (size_t i = 0; i < model->part_count; i++) {
		size_t file = model_of(faults, model->parts[i].group);

		if (file == SIZE_MAX)
			faults->other_count += model->parts[i].count;
		else
			count_part(faults, file, model->parts[i]);
	}
}

/* ---- rows ---- */

static void add_row(const struct faults_by_tensor *faults, struct table *table,
		    const struct model_file *file, size_t i, const struct fault_sums *sums)
{
	const struct model_tensor *tensor = i < file->tensor_count ? &file->tensors[i] : NULL;
	enum tensor_kind kind = i == file->tensor_count ? TENSOR_HEADER : TENSOR_PADDING;
	size_t row = table_add_row(table);

	table_set_text(table, row, "file", file->row->path);
	faults_set(faults->context, table, row, sums);
	if (!tensor) {
		table_set_text(table, row, "tensor",
			       kind == TENSOR_HEADER ? "[header]" : "[padding]");
		table_set_text(table, row, "kind", model_tensor_kind_name(kind));
		return;
	}
	table_set_text(table, row, "tensor", tensor->name);
	if (tensor->layer >= 0)
		table_set_i64(table, row, "layer", tensor->layer);
	table_set_text(table, row, "kind", model_tensor_kind_name(tensor->kind));
	table_set_u64(table, row, "tensor_bytes", tensor->size_bytes);
}

static void add_rows(const struct faults_by_tensor *faults, struct table *table, size_t model)
{
	const struct model_file *file = model_files_at(faults->files, model);

	for (size_t i = 0; faults->sums[model] && i < file->tensor_count + OTHER_COUNT; i++)
		if (faults->sums[model][i].fault_count)
			add_row(faults, table, file, i, &faults->sums[model][i]);
}

static void note_rest(const struct faults_by_tensor *faults, struct table *table)
{
	char note[128], count[UNITS_BYTES];

	if (!faults_have_addresses(faults->context))
		return;
	if (!model_files_count(faults->files))
		table_add_note(table, "no model file was seen");
	else if (faults->other_count) {
		snprintf(note, sizeof(note), "%s faults on other memory are in maps alone",
			 units_count(count, (double)faults->other_count));
		table_add_note(table, note);
	}
}

static void finish(void *state, struct report *report)
{
	struct faults_by_tensor *faults = state;
	struct table *table;

	table = report_add_table(report, "faults_by_tensor", "Page faults by tensor", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < model_files_count(faults->files); i++)
		add_rows(faults, table, i);
	table_sort_descending(table, "fault_count");
	table_sort_descending(table, "fault_stall_ns");
	if (table_row_count(table))
		table_add_note(table, "a page that tensors share counts for the one that has most "
				      "of it");
	note_rest(faults, table);
	faults_note(faults->context, table);
}

static void destroy(void *state)
{
	struct faults_by_tensor *faults = state;

	for (size_t i = 0; i < model_files_count(faults->files); i++)
		free(faults->sums[i]);
	free(faults->sums);
	free(faults->of_group);
	model_files_free(faults->files);
	free(faults);
}

const struct analysis analyze_faults_by_tensor = {
	.name = "faults_by_tensor",
	.doc = "which tensor of a model the process waited for",
	.group = LT_GROUP_faults,
	.kinds = { LT_KIND_fault, LT_KIND_fault_run },
	.create = create, .event = event, .finish = finish, .destroy = destroy,
};
