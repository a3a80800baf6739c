/* SPDX-License-Identifier: MIT */
/*
 * The table `maps`: mappings by file (or kind of memory) and call stack, and the time inside the
 * calls on them: MAP_POPULATE loads a whole model inside one mmap call, which no fault outside of
 * calls shows.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "analyze_faults.h"
#include "report_alloc.h"
#include "report_hash.h"

struct maps {
	const struct analysis_context *context;
};

/* Groups with the same label and the same names in their stacks. */
struct merged {
	struct map_group group;
	struct fault_sums faults;
	uint64_t wait_ns;
};

static const struct column columns[] = {
	{ "mapping", "text", VALUE_TEXT, true, false, "path of the file, or kind of memory", NULL,
	  false },
	{ "stack", "stack", VALUE_STACK, true, false, "call stack of the mmap", NULL, false },
	{ "length_bytes", "bytes", VALUE_U64, false, false, "length of all mappings made", "length",
	  false },
	{ "prot", "text", VALUE_TEXT, false, false, "PROT_ bits of the newest", "prot", false },
	{ "flags", "text", VALUE_TEXT, false, false, "MAP_ bits of the newest", "flags", false },
	{ "advice", "text", VALUE_TEXT, false, false, "madvise, mlock and kin that it got",
	  "advice", false },
	{ "call_ns", "ns", VALUE_U64, false, true, "time inside mmap and mremap", "in mmap",
	  false },
	{ "fault_count", "count", VALUE_U64, false, true, "page faults", "faults", true },
	{ "major_count", "count", VALUE_U64, false, true, "major page faults", "major", true },
	{ "fault_stall_ns", "ns", VALUE_U64, false, true, "time in page faults", "stall", true },
	{ "touched_bytes", "bytes", VALUE_U64, false, true, "bytes that were touched", "touched",
	  true },
	{ "storage_bytes", "bytes", VALUE_U64, false, true, "bytes that came from storage",
	  "storage", true },
	{ "huge_bytes", "bytes", VALUE_U64, false, true, "bytes in huge pages", "huge", true },
	{ "map_count", "count", VALUE_U64, false, false, "mappings made", "made", false },
	{ "live_at_exit_bytes", "bytes", VALUE_U64, false, false, "mapped at the end", "at exit",
	  true },
	{ "advise_ns", "ns", VALUE_U64, false, true, "time inside madvise, mlock, mprotect and kin",
	  "in advice", true },
	{ "unmap_ns", "ns", VALUE_U64, false, true, "time inside munmap", "in munmap", true },
	{ "locked_bytes", "bytes", VALUE_U64, false, false, "bytes of successful mlock calls",
	  "locked", true },
	{ "call_minor_count", "count", VALUE_U64, false, true, "minor faults inside these calls",
	  "minor in calls", true },
	{ "call_major_count", "count", VALUE_U64, false, true, "major faults inside these calls",
	  "major in calls", true },
	{ "failed_count", "count", VALUE_U64, false, false, "calls that failed", "failed", true },
	{ "slow_count", "count", VALUE_U64, false, true,
	  "page faults that took long; a note of faults_by_stack says how long", "slow", true },
	{ "fault_wait_ns", "ns", VALUE_U64, false, true,
	  "time in which at least one thread was in such a fault", "held up", true },
};

static void *create(const struct analysis_context *context)
{
	struct maps *maps = report_alloc(1, sizeof(*maps));

	maps->context = context;
	return maps;
}

/* ---- flags as words ---- */

struct flag_name {
	uint64_t bits;
	const char *name;
};

static void flag_text(char *ret_text, size_t bytes, uint64_t flags, const struct flag_name *names,
		      size_t name_count)
{
	size_t used = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < name_count && used < bytes; i++)
		if ((flags & names[i].bits) == names[i].bits)
			used += (size_t)snprintf(ret_text + used, bytes - used, "%s%s",
						 used ? "+" : "", names[i].name);
}

static void set_flags(struct table *table, size_t row, const struct map_group *group)
{
	static const struct flag_name names[] = {
		{ MAP_PRIVATE, "private" }, { MAP_SHARED, "shared" }, { MAP_FIXED, "fixed" },
		{ MAP_POPULATE, "populate" }, { MAP_NORESERVE, "noreserve" },
		{ MAP_HUGETLB, "hugetlb" }, { MAP_LOCKED, "locked" }, { MAP_STACK, "stack" },
		{ MAP_NONBLOCK, "nonblock" }, { MAP_GROWSDOWN, "growsdown" },
	};
	char text[128];

	if (!group->has_flags)
		return;
	flag_text(text, sizeof(text), group->flags, names, sizeof(names) / sizeof(names[0]));
	table_set_text(table, row, "flags", text);
}

static void set_advice(struct table *table, size_t row, const struct map_group *group)
{
	static const struct flag_name names[] = {
		{ 1ull << MADV_RANDOM, "random" }, { 1ull << MADV_SEQUENTIAL, "sequential" },
		{ 1ull << MADV_WILLNEED, "willneed" }, { 1ull << MADV_DONTNEED, "dontneed" },
		{ 1ull << MADV_FREE, "free" }, { 1ull << MADV_DONTFORK, "dontfork" },
		{ 1ull << MADV_HUGEPAGE, "hugepage" }, { 1ull << MADV_NOHUGEPAGE, "nohugepage" },
		{ 1ull << MADV_DONTDUMP, "dontdump" }, { 1ull << MADV_COLD, "cold" },
		{ 1ull << MADV_PAGEOUT, "pageout" }, { 1ull << 22, "populate_read" },
		{ 1ull << 23, "populate_write" }, { 1ull << MAP_ADVICE_MLOCK, "mlock" },
		{ 1ull << MAP_ADVICE_MUNLOCK, "munlock" }, { 1ull << MAP_ADVICE_MSYNC, "msync" },
		{ 1ull << MAP_ADVICE_OTHER, "other" },
	};
	char text[160];

	flag_text(text, sizeof(text), group->advice, names, sizeof(names) / sizeof(names[0]));
	if (text[0])
		table_set_text(table, row, "advice", text);
}

static void set_prot(struct table *table, size_t row, uint32_t prot)
{
	char text[4] = { prot & PROT_READ ? 'r' : '-', prot & PROT_WRITE ? 'w' : '-',
			 prot & PROT_EXEC ? 'x' : '-', '\0' };

	table_set_text(table, row, "prot", text);
}

/* ---- rows ---- */

static void add_group(struct map_group *sum, const struct map_group *group)
{
	sum->map_count += group->map_count;
	sum->failed_count += group->failed_count;
	sum->length_bytes += group->length_bytes;
	sum->live_bytes += group->live_bytes;
	sum->locked_bytes += group->locked_bytes;
	sum->call_ns += group->call_ns;
	sum->advise_ns += group->advise_ns;
	sum->unmap_ns += group->unmap_ns;
	sum->call_minor_count += group->call_minor_count;
	sum->call_major_count += group->call_major_count;
	sum->advice |= group->advice;
}

static bool is_seen(const struct map_group *group)
{
	return group->label_kind != MAP_LABEL_FILE && group->label_kind != MAP_LABEL_ANONYMOUS;
}

static void set_calls(struct table *table, size_t row, const struct map_group *group)
{
	bool is_called = !is_seen(group);

	analysis_set(table, row, "call_ns", group->call_ns, is_called);
	analysis_set(table, row, "advise_ns", group->advise_ns, is_called || group->advise_ns);
	analysis_set(table, row, "unmap_ns", group->unmap_ns, is_called || group->unmap_ns);
	analysis_set(table, row, "call_minor_count", group->call_minor_count, is_called);
	analysis_set(table, row, "call_major_count", group->call_major_count, is_called);
}

static void set_faults(const struct analysis_context *context, struct table *table, size_t row,
		       const struct merged *merged)
{
	const struct fault_sums *faults = &merged->faults;
	bool is_measured = faults_have_addresses(context);

	analysis_set(table, row, "fault_count", faults->fault_count, is_measured);
	analysis_set(table, row, "major_count", faults->major_count, is_measured);
	analysis_set(table, row, "fault_stall_ns", faults->stall_ns, is_measured);
	analysis_set(table, row, "fault_wait_ns", merged->wait_ns, is_measured);
	analysis_set(table, row, "slow_count",
		     fault_sums_slow(faults, fault_model_slow_class(&context->model->faults)),
		     is_measured);
	analysis_set(table, row, "huge_bytes", faults->huge_count * FAULT_HUGE_BYTES, is_measured);
}

static void add_row(const struct maps *maps, struct table *table, const struct merged *merged)
{
	const struct map_group *group = &merged->group;
	bool is_known = group->label_kind < MAP_LABEL_BLOCK;
	size_t row = table_add_row(table);

	table_set_text(table, row, "mapping", model_map_name(maps->context->model, group));
	stack_groups_set(maps->context->stacks, table, row, "stack", group->stack);
	analysis_set(table, row, "length_bytes", group->length_bytes,
		     group->label_kind != MAP_LABEL_UNKNOWN);
	if (is_known)
		set_prot(table, row, group->prot);
	set_flags(table, row, group);
	set_advice(table, row, group);
	set_faults(maps->context, table, row, merged);
	table_set_u64(table, row, "map_count", group->map_count);
	analysis_set(table, row, "live_at_exit_bytes", group->live_bytes, is_known);
	set_calls(table, row, group);
	table_set_u64(table, row, "locked_bytes", group->locked_bytes);
	table_set_u64(table, row, "failed_count", group->failed_count);
}

static uint64_t key_of(const struct maps *maps, const struct map_group *group)
{
	uint64_t stack = stack_groups_of(maps->context->stacks, group->stack);
	uint32_t label = group->label_kind == MAP_LABEL_UNKNOWN ? 0 : group->label;

	return stack << 35 | (uint64_t)label << 3 | (uint64_t)group->label_kind;
}

static void merge_group(const struct maps *maps, struct key_index *keys, size_t i,
			struct merged *merged)
{
	const struct map_group *group = &maps->context->model->maps.groups[i];
	uint32_t count = keys->count, k = key_index_put(keys, key_of(maps, group));
	struct map_group sum = *group;

	if (keys->count == count)
		add_group(&sum, &merged[k].group);
	merged[k].group = sum;
}

/* The faults of memory that was known only afterwards go to what it turned out to be. */
static void merge_faults(const struct maps *maps, const struct key_index *keys, size_t i,
			 struct merged *merged)
{
	const struct model *model = maps->context->model;
	struct fault_group faults = fault_model_group(&model->faults, (uint32_t)i);
	uint32_t group = map_model_resolved(&model->maps, (uint32_t)i);
	uint32_t k = key_index_find(keys, key_of(maps, &model->maps.groups[group]));

	fault_sums_join(&merged[k].faults, &faults.sums);
	merged[k].wait_ns += faults.wait_ns;
}

static size_t merge(const struct maps *maps, struct merged **ret_merged)
{
	size_t group_count = maps->context->model->maps.group_count, count;
	struct merged *merged = report_alloc(group_count, sizeof(*merged));
	struct key_index keys = { 0 };

	for (size_t i = 0; i < group_count; i++)
		merge_group(maps, &keys, i, merged);
	for (size_t i = 0; i < group_count; i++)
		merge_faults(maps, &keys, i, merged);
	count = keys.count;
	key_index_release(&keys);
	*ret_merged = merged;
	return count;
}

static bool is_empty(const struct merged *merged)
{
	const struct map_group *group = &merged->group;

	/* heap_by_stack has all blocks */
	if (group->label_kind == MAP_LABEL_BLOCK)
		return !merged->faults.fault_count;
	return !group->map_count && !group->failed_count && !group->advise_ns &&
	       !group->unmap_ns && !merged->faults.fault_count;
}

static void finish(void *state, struct report *report)
{
	struct maps *maps = state;
	struct merged *merged;
	size_t count = merge(maps, &merged);
	struct table *table;

	table = report_add_table(report, "maps", "Memory mappings", columns,
				 sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < count; i++)
		if (!is_empty(&merged[i]) &&
		    !model_map_is_own(maps->context->model, &merged[i].group))
			add_row(maps, table, &merged[i]);
	table_sort_descending(table, "length_bytes");
	faults_note_loss(maps->context, table);
	free(merged);
}

const struct analysis analyze_maps = {
	.name = "maps",
	.doc = "mappings by file and call stack, and the time inside the calls on them",
	.group = LT_GROUP_maps,
	.create = create, .finish = finish, .destroy = free,
};
