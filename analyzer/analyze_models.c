/* SPDX-License-Identifier: MIT */
/*
 * The tables `models` (the model files that the process opened or mapped) and `model_tensors` (what
 * lies where in them). Both come from the trace alone.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_files.h"
#include "report_alloc.h"

#define MIX_MAX 16u /* types of tensors that are named */

static const struct column model_columns[] = {
	{"path", "text", VALUE_TEXT, true, false, "the file, as it was opened", "path", false},
	{"format", "text", VALUE_TEXT, false, false, "gguf or safetensors", "format", false},
	{"architecture", "text", VALUE_TEXT, false, false,
	 "general.architecture; null: the file does not say", "arch", false},
	{"tensor_count", "count", VALUE_U64, false, false, "tensors in the file", "tensors", false},
	{"layer_count", "count", VALUE_U64, false, false, "numbered layers that they belong to",
	 "layers", false},
	{"data_bytes", "bytes", VALUE_U64, false, false, "sum of the tensors' sizes", "data",
	 false},
	{"file_bytes", "bytes", VALUE_U64, false, false, "size of the file", "file", true},
	{"header_bytes", "bytes", VALUE_U64, false, false, "in front of the data", "header", true},
	{"alignment_bytes", "bytes", VALUE_U64, false, false,
	 "that the file asks for; null: it does not say", "align", true},
	{"quantisation", "text", VALUE_TEXT, false, false,
	 "types of the elements, by their share of the bytes", "quantisation", false},
};

static const struct column tensor_columns[] = {
	{"path", "text", VALUE_TEXT, true, false, "the file", "path", true},
	{"tensor", "text", VALUE_TEXT, true, false, "its name", "tensor", false},
	{"layer", "number", VALUE_U64, false, false, "number of its layer; null: of none", "layer",
	 false},
	{"kind", "text", VALUE_TEXT, false, false,
	 "what it is for, by its name: attention, feed-forward, expert, norm, embedding, output, "
	 "other",
	 "kind", false},
	{"type", "text", VALUE_TEXT, false, false, "type of its elements", "type", false},
	{"offset_bytes", "bytes", VALUE_U64, false, false, "where it begins in the file", "offset",
	 true},
	{"size_bytes", "bytes", VALUE_U64, false, false, "its bytes in the file", "size", false},
};

static void *keep_context(const struct analysis_context *context)
{
	return (void *)(uintptr_t)context;
}

static void keep_nothing(void *state)
{
	(void)state;
}

/* ---- quantisation ---- */
struct share {
	const char *type;
	uint64_t bytes;
};

static int compare_shares(const void *left_share, const void *right_share)
{
	const struct share *left = left_share, *right = right_share;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return strcmp(left->type, right->type);
}

/* @return how many types there are; those beyond MIX_MAX are left out. */
static size_t add_up(const struct model_file *file, struct share *shares)
{
	size_t count = 0, i;

	for (size_t t = 0; t < file->tensor_count; t++) {
		const struct model_tensor *tensor = &file->tensors[t];

		for (i = 0; i < count && strcmp(shares[i].type, tensor->type) != 0; i++)
			;
		if (i == MIX_MAX)
			continue;
		if (i == count)
			shares[count++] = (struct share){tensor->type, 0};
		shares[i].bytes += tensor->size_bytes;
	}
	qsort(shares, count, sizeof(*shares), compare_shares);
	return count;
}

/* "q8_0 99.5%, f32 0.5%" */
static void set_mix(struct table *table, size_t row, const struct model_file *file,
		    uint64_t data_bytes)
{
	struct share shares[MIX_MAX] = {{NULL, 0}};
	size_t count = add_up(file, shares), used = 0;
	char text[1024] = "";

	for (size_t i = 0; i < count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %.3g%%",
					 i ? ", " : "", shares[i].type,
					 100 * (double)shares[i].bytes /
						 (double)(data_bytes ? data_bytes : 1));
	table_set_text(table, row, "quantisation", count ? text : NULL);
}

/* ---- models ---- */
/* Layers count from 0 and have no gaps, or the file is one of several: counted as they are. */
static uint64_t count_layers(const struct model_file *file)
{
	int32_t highest = -1;
	uint64_t count = 0;
	bool *is_there;

	for (size_t i = 0; i < file->tensor_count; i++)
		if (file->tensors[i].layer > highest)
			highest = file->tensors[i].layer;
	is_there = report_alloc((size_t)highest + 2, sizeof(*is_there));
	for (size_t i = 0; i < file->tensor_count; i++) {
		int32_t layer = file->tensors[i].layer;

		count += layer >= 0 && !is_there[layer];
		if (layer >= 0)
			is_there[layer] = true;
	}
	free(is_there);
	return count;
}

static void add_model(struct table *table, const struct model_file *file)
{
	const struct trace_model *model = file->row;
	size_t row = table_add_row(table);
	uint64_t data_bytes = 0;

	for (size_t i = 0; i < file->tensor_count; i++)
		data_bytes += file->tensors[i].size_bytes;
	table_set_text(table, row, "path", model->path);
	table_set_text(table, row, "format", model->format);
	table_set_text(table, row, "architecture",
		       *model->architecture ? model->architecture : NULL);
	table_set_u64(table, row, "tensor_count", file->tensor_count);
	table_set_u64(table, row, "layer_count", count_layers(file));
	table_set_u64(table, row, "data_bytes", data_bytes);
	table_set_u64(table, row, "file_bytes", model->file_bytes);
	table_set_u64(table, row, "header_bytes", model->data_offset);
	analysis_set(table, row, "alignment_bytes", model->alignment_bytes, model->alignment_bytes);
	set_mix(table, row, file, data_bytes);
}

static void finish_models(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	struct model_files *files = model_files_new(context->trace);
	struct table *table = report_add_table(report, "models", "Model files", model_columns,
					       sizeof(model_columns) / sizeof(model_columns[0]));

	for (size_t i = 0; i < model_files_count(files); i++)
		add_model(table, model_files_at(files, i));
	model_files_free(files);
}

/* ---- tensors ---- */
static void add_tensor(struct table *table, const char *path, const struct model_tensor *tensor)
{
	size_t row = table_add_row(table);

	table_set_text(table, row, "path", path);
	table_set_text(table, row, "tensor", tensor->name);
	analysis_set(table, row, "layer", (uint64_t)tensor->layer, tensor->layer >= 0);
	table_set_text(table, row, "kind", model_tensor_kind_name(tensor->kind));
	table_set_text(table, row, "type", tensor->type);
	table_set_u64(table, row, "offset_bytes", tensor->offset);
	table_set_u64(table, row, "size_bytes", tensor->size_bytes);
}

static void finish_tensors(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	struct model_files *files = model_files_new(context->trace);
	struct table *table = report_add_table(
		report, "model_tensors", "Tensors of model files, the largest first",
		tensor_columns, sizeof(tensor_columns) / sizeof(tensor_columns[0]));

	for (size_t i = 0; i < model_files_count(files); i++) {
		const struct model_file *file = model_files_at(files, i);

		for (size_t t = 0; t < file->tensor_count; t++)
			add_tensor(table, file->row->path, &file->tensors[t]);
	}
	table_sort_descending(table, "size_bytes");
	table_set_text_form(table, 5, NULL);
	model_files_free(files);
}

const struct analysis analyze_models = {
	.name = "models",
	.doc = "the model files that were opened or mapped, and how they are quantised",
	.create = keep_context,
	.finish = finish_models,
	.destroy = keep_nothing,
};

const struct analysis analyze_model_tensors = {
	.name = "model_tensors",
	.doc = "each tensor of the model files: layer, kind, type, place, size",
	.create = keep_context,
	.finish = finish_tensors,
	.destroy = keep_nothing,
};
