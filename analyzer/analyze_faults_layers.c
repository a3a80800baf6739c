/* SPDX-License-Identifier: MIT */
/*
 * The table `faults_by_layer`: sums of faults_by_tensor over the tensors of a layer that are for
 * the same.
 */
#include "analyze.h"

#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "report_alloc.h"

static const struct column columns[] = {
	{ "layer", "number", VALUE_I64, true, false, "number of the layer (blk.N); null: of none",
	  "layer", false },
	{ "kind", "text", VALUE_TEXT, true, false, "what its tensors are for", NULL, false },
	{ "file", "text", VALUE_TEXT, true, false, "model file", NULL, true },
	{ "tensor_count", "count", VALUE_U64, false, true, "tensors with faults", "tensors",
	  false },
	{ "tensor_bytes", "bytes", VALUE_U64, false, true, "their size", "size", false },
	FAULT_COLUMNS,
};

static const char *const summed[] = { "tensor_bytes", "fault_count", "major_count", "slow_count",
				      "fault_stall_ns" };

static void *keep_context(const struct analysis_context *context)
{
	return (void *)(uintptr_t)context;
}

static void keep_nothing(void *state)
{
	(void)state;
}

static int64_t layer_of(const struct table *table, size_t row)
{
	const struct value *value = table_get(table, row, "layer");

	return value->type == VALUE_I64 ? value->i64 : -1;
}

static const char *text_of(const struct table *table, size_t row, const char *column)
{
	const struct value *value = table_get(table, row, column);

	return value->type == VALUE_TEXT ? value->text : "";
}

static bool is_same(const struct table *tensors, size_t row, const struct table *layers, size_t to)
{
	return layer_of(tensors, row) == layer_of(layers, to) &&
	       !strcmp(text_of(tensors, row, "kind"), text_of(layers, to, "kind")) &&
	       !strcmp(text_of(tensors, row, "file"), text_of(layers, to, "file"));
}

/* A model has hundreds of layers at most: rows are looked through. */
static size_t row_of(const struct table *tensors, size_t row, struct table *layers)
{
	size_t to;

	for (to = 0; to < table_row_count(layers); to++)
		if (is_same(tensors, row, layers, to))
			return to;
	table_add_row(layers);
	if (layer_of(tensors, row) >= 0)
		table_set_i64(layers, to, "layer", layer_of(tensors, row));
	table_set_text(layers, to, "kind", text_of(tensors, row, "kind"));
	table_set_text(layers, to, "file", text_of(tensors, row, "file"));
	return to;
}

static void add(struct table *table, size_t row, const char *column, const struct value *added)
{
	const struct value *now = table_get(table, row, column);

	if (added->type == VALUE_U64)
		table_set_u64(table, row, column,
			      added->u64 + (now->type == VALUE_U64 ? now->u64 : 0));
}

static void finish(void *state, struct report *report)
{
	const struct analysis_context *context = state;
	const struct table *tensors = report_find_table(report, "faults_by_tensor");
	const struct value one = { .type = VALUE_U64, .u64 = 1 };
	struct table *table;

	table = report_add_table(report, "faults_by_layer", "Page faults by layer", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t row = 0; row < table_row_count(tensors); row++) {
		size_t to = row_of(tensors, row, table);

		add(table, to, "tensor_count", &one);
		for (size_t i = 0; i < sizeof(summed) / sizeof(summed[0]); i++)
			add(table, to, summed[i], table_get(tensors, row, summed[i]));
	}
	table_sort_descending(table, "fault_count");
	table_sort_descending(table, "fault_stall_ns");
	faults_note(context, table);
}

const struct analysis analyze_faults_by_layer = {
	.name = "faults_by_layer",
	.doc = "which layer of a model the process waited for",
	.group = LT_GROUP_faults,
	.create = keep_context, .finish = finish, .destroy = keep_nothing,
};
