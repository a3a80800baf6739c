/* SPDX-License-Identifier: MIT */
/* The table `faults_by_stack`: which function waited for which memory. */
#include "analyze.h"

#include <stdlib.h>

#include "analyze_faults.h"
#include "report_alloc.h"
#include "report_hash.h"

/* A function and the memory that it touched. */
struct toucher {
	uint32_t stack, group;
	struct fault_sums sums;
};

struct faults_by_stack {
	const struct analysis_context *context;
	struct key_index keys;		/* stack and group of mappings */
	struct toucher *touchers;
	size_t capacity;
	uint32_t last;			/* toucher of the newest fault: often the next one, too */
};

static const struct column columns[] = {
	{ "stack", "stack", VALUE_STACK, true, false, "function at the fault", NULL, false },
	{ "mapping", "text", VALUE_TEXT, true, false, "path of the file, or kind of memory", NULL,
	  false },
	FAULT_COLUMNS,
	{ "huge_bytes", "bytes", VALUE_U64, false, true, "bytes in huge pages that they brought",
	  "huge", true },
};

static void *create(const struct analysis_context *context)
{
	struct faults_by_stack *faults = report_alloc(1, sizeof(*faults));

	faults->context = context;
	return faults;
}

static struct toucher *toucher_of(struct faults_by_stack *faults, uint32_t stack, uint32_t group)
{
	const struct toucher *last = faults->touchers ? &faults->touchers[faults->last] : NULL;

	if (last && last->stack == stack && last->group == group)
		return &faults->touchers[faults->last];
	faults->last = key_index_put(&faults->keys, (uint64_t)stack << 32 | group);
	faults->touchers = report_grow(faults->touchers, &faults->capacity, faults->last + 1,
				       sizeof(*faults->touchers));
	faults->touchers[faults->last].stack = stack;
	faults->touchers[faults->last].group = group;
	return &faults->touchers[faults->last];
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct faults_by_stack *faults = state;
	const struct fault_model *model = &faults->context->model->faults;

	(void)stream;
	for (size_t i = 0; i < model->part_count; i++)
		fault_sums_add(&toucher_of(faults, record->stack, model->parts[i].group)->sums,
			       &model->parts[i]);
}

/* Functions with the same names and memory with the same name become one row. */
static uint64_t key_of(const struct faults_by_stack *faults, const struct toucher *toucher)
{
	const struct map_model *maps = &faults->context->model->maps;
	const struct map_group *group = &maps->groups[map_model_resolved(maps, toucher->group)];
	uint64_t stack = stack_groups_of(faults->context->stacks, toucher->stack);
	uint32_t label = group->label_kind == MAP_LABEL_UNKNOWN ? 0 : group->label;

	return stack << 35 | (uint64_t)label << 3 | (uint64_t)group->label_kind;
}

static size_t merge(struct faults_by_stack *faults, struct toucher **ret_merged)
{
	struct toucher *merged = report_alloc(faults->keys.count, sizeof(*merged));
	struct key_index keys = { 0 };
	size_t count;

	for (uint32_t i = 0; i < faults->keys.count; i++) {
		const struct toucher *toucher = &faults->touchers[i];
		struct toucher *sum = &merged[key_index_put(&keys, key_of(faults, toucher))];

		sum->stack = toucher->stack;
		sum->group = toucher->group;
		fault_sums_join(&sum->sums, &toucher->sums);
	}
	count = keys.count;
	key_index_release(&keys);
	*ret_merged = merged;
	return count;
}

static void add_row(const struct faults_by_stack *faults, struct table *table,
		    const struct toucher *toucher)
{
	const struct model *model = faults->context->model;
	const struct map_group *groups = model->maps.groups;
	size_t row = table_add_row(table);

	stack_groups_set(faults->context->stacks, table, row, "stack", toucher->stack);
	table_set_text(table, row, "mapping",
		       model_map_name(model, &groups[map_model_resolved(&model->maps,
									toucher->group)]));
	faults_set(faults->context, table, row, &toucher->sums);
	table_set_u64(table, row, "huge_bytes", toucher->sums.huge_count * FAULT_HUGE_BYTES);
}

/* What was not known at the fault may turn out to be memory of the shim. */
static bool is_own(const struct faults_by_stack *faults, const struct toucher *toucher)
{
	const struct model *model = faults->context->model;

	return model_map_is_own(model, &model->maps.groups[map_model_resolved(&model->maps,
									      toucher->group)]);
}

static void finish(void *state, struct report *report)
{
	struct faults_by_stack *faults = state;
	struct toucher *merged;
	size_t count = merge(faults, &merged);
	struct table *table;

	table = report_add_table(report, "faults_by_stack", "Page faults by function", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < count; i++)
		if (!is_own(faults, &merged[i]))
			add_row(faults, table, &merged[i]);
	table_sort_descending(table, "fault_count");
	table_sort_descending(table, "fault_stall_ns");
	faults_note(faults->context, table);
	free(merged);
}

static void destroy(void *state)
{
	struct faults_by_stack *faults = state;

	key_index_release(&faults->keys);
	free(faults->touchers);
	free(faults);
}

const struct analysis analyze_faults_by_stack = {
	.name = "faults_by_stack",
	.doc = "which function waited for which memory",
	.group = LT_GROUP_faults,
	.kinds = { LT_KIND_fault, LT_KIND_fault_run },
	.create = create, .event = event, .finish = finish, .destroy = destroy,
};
