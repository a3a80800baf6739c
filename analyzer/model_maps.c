/* SPDX-License-Identifier: MIT */
/*
 * The mappings of the process. Calls win over what /proc/self/maps says: a line of it fills only
 * ranges that no call is known to have mapped. Memory follows groups and live ranges.
 */
#include "model_maps.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "model_maps_inner.h"
#include "report_alloc.h"

#define PAGE_MASK 4095ull

/* The range that a thread's mremap has taken away and not yet put back. */
struct stream_remap {
	uint64_t addr, length_bytes, shift;
	uint32_t group;
	bool is_known;
};

void map_model_init(struct map_model *model, uint32_t stream_limit)
{
	*model = (struct map_model){ 0 };
	model->remaps = report_alloc(stream_limit, sizeof(*model->remaps));
}

void map_model_release(struct map_model *model)
{
	interval_map_release(&model->ranges);
	interval_map_release(&model->unknowns);
	interval_map_release(&model->blocks);
	free(model->groups);
	key_index_release(&model->group_keys);
	free(model->remaps);
}

uint32_t map_model_group_of(struct map_model *model, enum map_label kind, uint32_t label,
			    uint32_t stack)
{
	uint64_t key = (uint64_t)kind << 56 | (uint64_t)label << 24 | stack; /* stacks end at 2^24 */
	uint32_t i = key_index_put(&model->group_keys, key);
	struct map_group *group;

	if (i < model->group_count)
		return i;
	model->groups = report_grow(model->groups, &model->group_capacity, model->group_count + 1,
				    sizeof(*group));
	group = &model->groups[model->group_count];
	group->label_kind = kind;
	group->label = label;
	group->stack = stack;
	return (uint32_t)model->group_count++;
}

static uint64_t whole_pages(uint64_t bytes)
{
	return bytes > UINT64_MAX - PAGE_MASK ? bytes : (bytes + PAGE_MASK) & ~PAGE_MASK;
}

/* ---- ranges ---- */

static void take_live(void *context, const struct interval *part)
{
	struct map_model *model = context;

	model->groups[part->value].live_bytes -= part->end - part->begin;
}

static void clear_range(struct map_model *model, uint64_t addr, uint64_t bytes)
{
	interval_map_overlaps(&model->ranges, addr, bytes, take_live, model);
	interval_map_clear(&model->ranges, addr, bytes);
	interval_map_clear(&model->unknowns, addr, bytes);	/* what comes is something else */
}

static void set_range(struct map_model *model, uint64_t addr, uint64_t bytes, uint32_t group,
		      uint64_t shift)
{
	struct interval range = { addr, map_range_end(addr, bytes), group, shift };

	clear_range(model, addr, bytes);
	interval_map_put(&model->ranges, &range);
	model->groups[group].live_bytes += range.end - range.begin;
}

/* The group that the first byte of a range belongs to; memory of libc when nothing is known. */
static uint32_t group_index_at(struct map_model *model, uint64_t addr)
{
	const struct interval *range = interval_map_find(&model->ranges, addr);

	return range ? range->value : map_model_group_of(model, MAP_LABEL_SEEN_ANONYMOUS, 0, 0);
}

/* Valid until the next group is made. */
static struct map_group *group_at(struct map_model *model, uint64_t addr)
{
	uint32_t i = group_index_at(model, addr);	/* this may move the groups */

	return &model->groups[i];
}

/* ---- calls ---- */

static void apply_map(struct map_model *model, const struct lt_ev_map *event, uint32_t file,
		      bool is_counted)
{
	bool is_file = event->fd >= 0 && !(event->flags & MAP_ANONYMOUS);
	uint32_t i = map_model_group_of(model, is_file ? MAP_LABEL_FILE : MAP_LABEL_ANONYMOUS,
					is_file ? file : 0, event->head.stack);
	struct map_group *group = &model->groups[i];

	if (!event->error)
		set_range(model, event->addr, whole_pages(event->length_bytes), i,
			  event->offset_bytes - event->addr);
	if (!is_counted)
		return;
	group->call_ns += event->duration_ns;
	group->call_minor_count += event->minor_fault_count;
	group->call_major_count += event->major_fault_count;
	if (event->error) {
		group->failed_count++;
		return;
	}
	group->map_count++;
	group->length_bytes += event->length_bytes;
	group->prot = event->prot;
	group->flags = event->flags;
	group->has_flags = true;
}

static void apply_unmap(struct map_model *model, const struct lt_ev_unmap *event, bool is_counted)
{
	if (is_counted)
		group_at(model, event->addr)->unmap_ns += event->duration_ns;
	if (!event->error)
		clear_range(model, event->addr, whole_pages(event->length_bytes));
}

static void apply_remap_begin(struct map_model *model, const struct lt_ev_remap_begin *event,
			      uint32_t stream)
{
	struct stream_remap *remap = &model->remaps[stream];
	const struct interval *range = interval_map_find(&model->ranges, event->addr);

	*remap = (struct stream_remap){ .addr = event->addr, .is_known = true,
					.length_bytes = whole_pages(event->length_bytes),
					.shift = range ? range->shift : 0 };
	remap->group = group_index_at(model, event->addr);
	clear_range(model, remap->addr, remap->length_bytes);
}

static void apply_remap_end(struct map_model *model, const struct lt_ev_remap_end *event,
			    uint32_t stream, bool is_counted)
{
	struct stream_remap remap = model->remaps[stream];
	struct map_group *group;

	if (!remap.is_known)
		remap.group = group_index_at(model, event->addr);
	model->remaps[stream].is_known = false;
	if (remap.is_known && (event->error || event->flags & MREMAP_DONTUNMAP))
		set_range(model, remap.addr, remap.length_bytes, remap.group, remap.shift);
	if (!event->error)
		set_range(model, event->addr, whole_pages(event->length_bytes), remap.group,
			  remap.addr + remap.shift - event->addr);
	group = &model->groups[remap.group];
	if (!is_counted)
		return;
	group->call_ns += event->duration_ns;
	group->failed_count += event->error != 0;
	if (!event->error && event->length_bytes > remap.length_bytes)
		group->length_bytes += event->length_bytes - remap.length_bytes;
}

static unsigned advice_bit(const struct lt_ev_advise *event)
{
	switch (LT_STATE_AUX(event->head.state)) {
	case LT_advise_call_madvise:
	case LT_advise_call_posix_madvise:
		return event->advice < 32 ? event->advice : MAP_ADVICE_OTHER;
	case LT_advise_call_munlock:
	case LT_advise_call_munlockall:
		return MAP_ADVICE_MUNLOCK;
	case LT_advise_call_msync:
		return MAP_ADVICE_MSYNC;
	default:
		return MAP_ADVICE_MLOCK;
	}
}

static void count_lock(struct map_model *model, const struct lt_ev_advise *event)
{
	struct lock_failures *failures = &model->lock_failures;

	model->lock_count++;
	if (!event->error)
		return;
	if (!failures->count++) {
		failures->error = event->error;
		failures->stack = event->head.stack;
	}
	failures->bytes += event->length_bytes;
}

static void apply_advise(struct map_model *model, const struct lt_ev_advise *event)
{
	unsigned bit = advice_bit(event);
	struct map_group *group = group_at(model, event->addr);

	if (bit == MAP_ADVICE_MLOCK)
		count_lock(model, event);
	group->advise_ns += event->duration_ns;
	group->call_minor_count += event->minor_fault_count;
	group->call_major_count += event->major_fault_count;
	if (event->error) {
		group->failed_count++;
		return;
	}
	group->advice |= 1ull << bit;
	if (bit == MAP_ADVICE_MLOCK)
		group->locked_bytes += event->length_bytes;
}

static void apply_protect(struct map_model *model, const struct lt_ev_protect *event)
{
	struct map_group *group = group_at(model, event->addr);

	group->advise_ns += event->duration_ns;
	group->failed_count += event->error != 0;
}

/* ---- lines of /proc/self/maps ---- */

static bool is_seen_group(const struct map_group *group)
{
	return group->label_kind == MAP_LABEL_SEEN || group->label_kind == MAP_LABEL_SEEN_ANONYMOUS;
}

/* What only an earlier reading knew, and this one does not have, is gone. */
static void clear_seen(struct map_model *model, uint64_t begin, uint64_t end)
{
	while (begin < end) {
		const struct interval *next = interval_map_next(&model->ranges, begin);
		struct interval range;

		if (!next || next->begin >= end)
			return;
		range = *next;
		if (range.begin < begin)
			range.begin = begin;
		if (range.end > end)
			range.end = end;
		if (is_seen_group(&model->groups[range.value]))
			clear_range(model, range.begin, range.end - range.begin);
		begin = range.end;
	}
}

struct resolution {
	struct map_model *model;
	const struct interval *line;
};

static void resolve_unknown(void *context, const struct interval *part)
{
	const struct resolution *resolution = context;
	struct map_group *group = &resolution->model->groups[part->value];

	if (group->unknown_addr >= resolution->line->begin &&
	    group->unknown_addr < resolution->line->end)
		group->resolved = resolution->line->value + 1;
}

/* Faults in memory that a line shows only now: it grew, or came, after the lines before. */
static void resolve_unknowns(struct map_model *model, const struct interval *line)
{
	struct resolution resolution = { model, line };

	if (!model->unknowns.count)
		return;
	interval_map_overlaps(&model->unknowns, line->begin, line->end - line->begin,
			      resolve_unknown, &resolution);
	interval_map_clear(&model->unknowns, line->begin, line->end - line->begin);
}

static void apply_seen(struct map_model *model, const struct lt_ev_map_seen *event)
{
	enum map_label kind = event->path ? MAP_LABEL_SEEN : MAP_LABEL_SEEN_ANONYMOUS;
	uint32_t i = map_model_group_of(model, kind, event->path, 0);
	struct map_group *group = &model->groups[i];
	struct interval line = { event->addr, map_range_end(event->addr, event->length_bytes), i,
				 event->offset_bytes - event->addr };
	uint64_t filled;

	if (model->snapshot_end && event->addr > model->snapshot_end)
		clear_seen(model, model->snapshot_end, event->addr);
	model->snapshot_end = line.end;
	filled = interval_map_fill(&model->ranges, &line);
	resolve_unknowns(model, &line);
	group->live_bytes += filled;
	group->length_bytes += filled;
	group->map_count += filled != 0;
	group->prot |= event->prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

void map_model_apply(struct map_model *model, const struct lt_record *record, uint32_t stream,
		     uint32_t file, bool is_counted)
{
	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_map:
		apply_map(model, (const struct lt_ev_map *)record, file, is_counted);
		return;
	case LT_KIND_unmap:
		apply_unmap(model, (const struct lt_ev_unmap *)record, is_counted);
		return;
	case LT_KIND_remap_begin:
		apply_remap_begin(model, (const struct lt_ev_remap_begin *)record, stream);
		return;
	case LT_KIND_remap_end:
		apply_remap_end(model, (const struct lt_ev_remap_end *)record, stream, is_counted);
		return;
	case LT_KIND_map_seen:
		apply_seen(model, (const struct lt_ev_map_seen *)record);
		return;
	case LT_KIND_advise:
		if (is_counted)
			apply_advise(model, (const struct lt_ev_advise *)record);
		return;
	case LT_KIND_protect:
		if (is_counted)
			apply_protect(model, (const struct lt_ev_protect *)record);
		return;
	}
}
