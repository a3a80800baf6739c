/* SPDX-License-Identifier: MIT */
/*
 * Model files and their tensors in the definitions; see defs_rows.h. A model has hundreds or
 * thousands of tensors, and each checkpoint repeats all of them in the same order: a repetition is
 * recognised row by row, so that memory does not grow with the number of checkpoints.
 */
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "defs.h"
#include "defs_rows.h"

bool defs_repeats_model(struct defs *defs, uint32_t id)
{
	uint32_t index;

	defs->tensor_repeat = defs->tensor_count;
	if (!id_map_get(&defs->model_ids, id, &index))
		return false;
	if (id_map_get(&defs->first_tensors, id, &index))
		defs->tensor_repeat = index;
	return true;
}

void defs_add_model(struct defs *defs, const struct trace_model *model)
{
	if (defs->tensor_count >= UINT32_MAX ||
	    !grow((void **)&defs->models, defs->model_count, &defs->model_capacity,
		  sizeof(*defs->models)) ||
	    !id_map_set(&defs->first_tensors, model->id, (uint32_t)defs->tensor_count) ||
	    !id_map_set(&defs->model_ids, model->id, (uint32_t)defs->model_count))
		return;
	defs->models[defs->model_count++] = *model;
}

bool defs_repeats_tensor(struct defs *defs, const struct trace_tensor *tensor, const uint8_t *name,
			 size_t length)
{
	const struct trace_tensor *known;

	if (defs->tensor_repeat >= defs->tensor_count)
		return false;
	known = &defs->tensors[defs->tensor_repeat];
	if (known->model != tensor->model || known->offset != tensor->offset ||
	    known->size_bytes != tensor->size_bytes || strlen(known->name) != length ||
	    (length && memcmp(known->name, name, length) != 0))
		return false;
	defs->tensor_repeat++;
	return true;
}

const char *defs_keep_type(struct defs *defs, const uint8_t *type, size_t length)
{
	const char *last = defs->tensor_count ? defs->tensors[defs->tensor_count - 1].type : NULL;

	if (last && strlen(last) == length && (!length || !memcmp(last, type, length)))
		return last;
	return defs_keep_text(defs, type, length);
}

void defs_add_tensor(struct defs *defs, const struct trace_tensor *tensor)
{
	if (!grow((void **)&defs->tensors, defs->tensor_count, &defs->tensor_capacity,
		  sizeof(*defs->tensors)))
		return;
	defs->tensors[defs->tensor_count++] = *tensor;
	defs->tensor_repeat = defs->tensor_count;
}

static int compare_models(const void *a, const void *b)
{
	const struct trace_model *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static int compare_tensors(const void *a, const void *b)
{
	const struct trace_tensor *left = a, *right = b;

	if (left->model != right->model)
		return left->model < right->model ? -1 : 1;
	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	if (left->size_bytes != right->size_bytes)
		return left->size_bytes < right->size_bytes ? -1 : 1;
	return strcmp(left->name, right->name);
}

void defs_finish_models(struct defs *defs)
{
	size_t kept = 0;

	if (defs->model_count)
		qsort(defs->models, defs->model_count, sizeof(*defs->models), compare_models);
	if (!defs->tensor_count)
		return;
	qsort(defs->tensors, defs->tensor_count, sizeof(*defs->tensors), compare_tensors);
	for (size_t i = 1; i < defs->tensor_count; i++)
		if (compare_tensors(&defs->tensors[kept], &defs->tensors[i]) != 0)
			defs->tensors[++kept] = defs->tensors[i];
	defs->tensor_count = kept + 1;
}
