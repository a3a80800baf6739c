/* SPDX-License-Identifier: MIT */
/*
 * Tensors by their place in a file; see model_files.h. The trace hands them out sorted, so that a
 * look-up is a binary search. What their names mean is in model_tensors.c.
 */
#include "model_files.h"

#include <stdlib.h>
#include <string.h>

#include "report_alloc.h"

struct model_files {
	struct model_file *list; /* by id */
	size_t count;
	struct model_tensor *tensors; /* of all of them */
};

static void describe(const struct trace_tensor *row, struct model_tensor *ret_tensor)
{
	*ret_tensor = (struct model_tensor){
		.offset = row->offset,
		.size_bytes = row->size_bytes,
		.name = row->name,
		.type = row->type,
		.layer = model_tensor_layer(row->name),
		.kind = model_tensor_kind(row->name),
	};
}

struct model_files *model_files_new(const struct trace *trace)
{
	struct model_files *files = report_alloc(1, sizeof(*files));
	size_t tensor_count, at = 0;
	const struct trace_model *models = trace_models(trace, &files->count);
	const struct trace_tensor *tensors = trace_tensors(trace, &tensor_count);

	files->list = report_alloc(files->count + 1, sizeof(*files->list));
	files->tensors = report_alloc(tensor_count + 1, sizeof(*files->tensors));
	for (size_t i = 0; i < tensor_count; i++)
		describe(&tensors[i], &files->tensors[i]);
	for (size_t i = 0; i < files->count; i++) {
		struct model_file *file = &files->list[i];

		while (at < tensor_count && tensors[at].model < models[i].id)
			at++;
		file->row = &models[i];
		file->tensors = &files->tensors[at];
		while (at < tensor_count && tensors[at].model == models[i].id)
			at++;
		file->tensor_count = (size_t)(&files->tensors[at] - file->tensors);
	}
	return files;
}

void model_files_free(struct model_files *files)
{
	if (!files)
		return;
	free(files->list);
	free(files->tensors);
	free(files);
}

size_t model_files_count(const struct model_files *files)
{
	return files->count;
}

const struct model_file *model_files_at(const struct model_files *files, size_t index)
{
	return &files->list[index];
}

const struct model_file *model_files_find(const struct model_files *files, uint64_t device,
					  uint64_t inode, const char *path)
{
	for (size_t i = files->count; inode && i-- > 0;)
		if (files->list[i].row->inode == inode && files->list[i].row->device == device)
			return &files->list[i];
	for (size_t i = files->count; path && i-- > 0;)
		if (!strcmp(files->list[i].row->path, path))
			return &files->list[i];
	return NULL;
}

/* ---- places ---- */
/* @return how many tensors begin at offset or before it. */
static size_t count_up_to(const struct model_file *file, uint64_t offset)
{
	size_t low = 0, high = file->tensor_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->tensors[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct model_place place_in(const struct model_tensor *tensor, uint64_t next_offset)
{
	struct model_place place = {tensor, tensor->name, tensor->layer, tensor->kind, next_offset};

	if (tensor->size_bytes < next_offset - tensor->offset)
		place.end_offset = tensor->offset + tensor->size_bytes;
	return place;
}

struct model_place model_file_place(const struct model_file *file, uint64_t offset)
{
	size_t count = count_up_to(file, offset);
	uint64_t next_offset =
		count < file->tensor_count ? file->tensors[count].offset : UINT64_MAX;
	uint64_t data_offset = file->row->data_offset;

	if (count && offset - file->tensors[count - 1].offset < file->tensors[count - 1].size_bytes)
		return place_in(&file->tensors[count - 1], next_offset);
	if (offset >= data_offset)
		return (struct model_place){NULL, "[padding]", -1, TENSOR_PADDING, next_offset};
	return (struct model_place){NULL, "[header]", -1, TENSOR_HEADER,
				    data_offset < next_offset ? data_offset : next_offset};
}
