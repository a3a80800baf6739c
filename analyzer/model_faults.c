/* SPDX-License-Identifier: MIT */
/*
 * The faults of a run. Nearly all records are single faults near the one before: these cost a look
 * at the mapping of the last one and a few additions.
 */
#include "model_faults.h"

#include <stdlib.h>

#include "model.h"
#include "report_alloc.h"

#define PAGE_BYTES 4096u
#define CLASS_FIRST_NS 512u		/* doubled: what class 1 begins with */
#define SLOW_MIN_NS 20000u
#define SLOW_FACTOR 10u
#define PARTS_MAX 4096u			/* of a record: a damaged one must not take hours */

void fault_model_release(struct fault_model *faults)
{
	free(faults->parts);
	free(faults->groups);
}

/* ---- sums ---- */

static unsigned class_of(uint64_t stall_ns)
{
	unsigned bits = stall_ns ? 64u - (unsigned)__builtin_clzll(stall_ns) : 0;

	if (bits <= 10)
		return 0;
	return bits - 10 < FAULT_CLASS_COUNT ? bits - 10 : FAULT_CLASS_COUNT - 1;
}

uint64_t fault_class_ns(unsigned class_index)
{
	return class_index ? (uint64_t)CLASS_FIRST_NS << class_index : 0;
}

static void add_classes(uint64_t *counts, const struct fault_part *part)
{
	if (!part->stall_ns)
		return;
	if (part->is_single) {
		counts[class_of(part->stall_ns)]++;
		return;
	}
	for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++)
		counts[i] += part->class_counts[i];
}

void fault_sums_add(struct fault_sums *sums, const struct fault_part *part)
{
	sums->fault_count += part->count;
	sums->major_count += part->is_major ? part->count : 0;
	sums->huge_count += part->is_huge ? part->count : 0;
	sums->stall_ns += part->stall_ns;
	if (part->is_major || !part->is_huge)
		add_classes(sums->class_counts, part);
}

void fault_sums_join(struct fault_sums *sums, const struct fault_sums *added)
{
	sums->fault_count += added->fault_count;
	sums->major_count += added->major_count;
	sums->huge_count += added->huge_count;
	sums->stall_ns += added->stall_ns;
	for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++)
		sums->class_counts[i] += added->class_counts[i];
}

uint64_t fault_sums_slow(const struct fault_sums *sums, unsigned slow_class)
{
	uint64_t count = 0;

	for (unsigned i = slow_class; i < FAULT_CLASS_COUNT; i++)
		count += sums->class_counts[i];
	return count;
}

/* Inside its class the median is where its rank would be if they were spread evenly. */
static uint64_t median_ns(const uint64_t *counts)
{
	uint64_t count = 0, below = 0;

	for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++)
		count += counts[i];
	for (unsigned i = 0; i < FAULT_CLASS_COUNT; below += counts[i++]) {
		double into = (double)count / 2 - (double)below, low = (double)fault_class_ns(i);

		if (counts[i] && into <= (double)counts[i])
			return (uint64_t)(low + into / (double)counts[i] *
						((double)fault_class_ns(i + 1) - low));
	}
	return 0;
}

unsigned fault_model_slow_class(const struct fault_model *faults)
{
	uint64_t least_ns = SLOW_FACTOR * median_ns(faults->warm_counts);
	unsigned i = 0;

	if (least_ns < SLOW_MIN_NS)
		least_ns = SLOW_MIN_NS;
	/* the bound of a class that is nearest: next to the root of 2 times as long, or as short */
	while (i + 1 < FAULT_CLASS_COUNT && fault_class_ns(i) < least_ns - least_ns / 10 * 3)
		i++;
	return i;
}

double fault_model_lost_share(const struct fault_model *faults)
{
	const struct lt_ev_fault_totals *totals = &faults->totals;
	uint64_t all = totals->minor_count + totals->major_count;

	if (!faults->has_totals || !all || totals->taken_count >= all)
		return 0;
	return (double)(all - totals->taken_count) / (double)all;
}

/* ---- parts ---- */

/* whole * count / all, without overflow. */
static uint64_t share(uint64_t whole, uint64_t count, uint64_t all)
{
	return whole / all * count + whole % all * count / all;
}

/* How many faults from addr on lie in [begin, end), at most `most`. */
static uint64_t count_inside(const struct fault_part *part, uint64_t begin, uint64_t end)
{
	int64_t stride = (int64_t)part->stride_bytes;
	uint64_t inside;

	if (!stride)
		return part->count;
	if (stride > 0)
		inside = (end - 1 - part->addr) / (uint64_t)stride + 1;
	else
		inside = (part->addr - begin) / (0 - part->stride_bytes) + 1;
	return inside < part->count ? inside : part->count;
}

struct fault_part fault_part_take(struct fault_part *part, uint64_t begin, uint64_t end)
{
	return fault_part_take_count(part, count_inside(part, begin, end));
}

struct fault_part fault_part_take_count(struct fault_part *part, uint64_t count)
{
	struct fault_part taken = *part;

	taken.count = count;
	if (count == part->count) {
		part->count = 0;
		return taken;
	}
	taken.stall_ns = share(part->stall_ns, taken.count, part->count);
	for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++) {
		taken.class_counts[i] = (uint32_t)share(part->class_counts[i], taken.count,
							part->count);
		part->class_counts[i] -= taken.class_counts[i];
	}
	part->addr += taken.count * part->stride_bytes;
	part->file_offset += taken.count * part->stride_bytes;
	part->stall_ns -= taken.stall_ns;
	part->count -= taken.count;
	return taken;
}

static uint64_t minus(uint64_t value, uint64_t taken)
{
	return value > taken ? value - taken : 0;
}

static bool is_major(unsigned kind)
{
	return kind == LT_fault_kind_major || kind == LT_fault_kind_major_huge;
}

static bool is_huge(unsigned kind)
{
	return kind == LT_fault_kind_minor_huge || kind == LT_fault_kind_major_huge;
}

static void part_of_fault(const struct lt_ev_fault *event, struct fault_part *ret_part)
{
	unsigned kind = LT_STATE_AUX(event->head.state);

	*ret_part = (struct fault_part){ .addr = event->page * PAGE_BYTES, .count = 1,
					 .stall_ns = event->stall_ns, .is_single = true,
					 .begin_ns = minus(event->head.time, event->stall_ns),
					 .end_ns = event->head.time,
					 .is_major = is_major(kind), .is_huge = is_huge(kind) };
}

static void part_of_run(const struct lt_ev_fault_run *event, struct fault_part *ret_part)
{
	unsigned kind = LT_STATE_AUX(event->head.state);
	uint64_t first_ns = event->stall_ns / (event->count ? event->count : 1);

	*ret_part = (struct fault_part){ .addr = event->page * PAGE_BYTES, .count = event->count,
					 .begin_ns = minus(minus(event->head.time, event->span_ns),
							   first_ns),
					 .end_ns = event->head.time,
					 .stride_bytes = (uint64_t)event->stride_pages * PAGE_BYTES,
					 .stall_ns = event->stall_ns,
					 .is_major = is_major(kind), .is_huge = is_huge(kind) };
	for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++)
		ret_part->class_counts[i] = event->class_count[i];
}

static struct fault_group *group_of(struct model *model, uint32_t group)
{
	struct fault_model *faults = &model->faults;
	struct fault_group *found;

	if (group >= faults->group_capacity)
		faults->groups = report_grow(faults->groups, &faults->group_capacity,
					     model->maps.group_capacity, sizeof(*faults->groups));
	found = &faults->groups[group];
	if (!found->is_looked_up) {
		found->is_looked_up = true;
		found->is_own = model_map_is_own(model, &model->maps.groups[group]);
	}
	return found;
}

/* Records come by their ends: what one adds to the time before it begins behind the last end. */
static uint64_t new_wait_ns(struct fault_group *group, const struct fault_part *part)
{
	uint64_t begin_ns = part->begin_ns > group->covered_ns ? part->begin_ns : group->covered_ns;
	uint64_t wait_ns = minus(part->end_ns, begin_ns);

	group->covered_ns = part->end_ns;
	return wait_ns < part->stall_ns ? wait_ns : part->stall_ns;
}

static void count_part(struct model *model, struct fault_group *group,
		       const struct fault_part *part)
{
	uint64_t wait_ns = new_wait_ns(group, part);

	fault_sums_add(&group->sums, part);
	group->wait_ns += wait_ns;
	if (!phases_is_token_open(model->phases))
		return;
	group->token_count += part->count;
	group->token_stall_ns += part->stall_ns;
	group->token_wait_ns += wait_ns;
}

static void add_part(struct model *model, const struct fault_part *part)
{
	struct fault_model *faults = &model->faults;
	struct fault_group *group = group_of(model, part->group);

	if (group->is_own) {
		faults->own_count += part->count;
		return;
	}
	if (model->is_counted)
		count_part(model, group, part);
	model->totals.fault_stall_ns += part->stall_ns;
	faults->parts = report_grow(faults->parts, &faults->part_capacity, faults->part_count + 1,
				    sizeof(*part));
	faults->parts[faults->part_count++] = *part;
}

/* Cuts what is left into what lies in one mapping each. */
static void add_parts(struct model *model, struct fault_part *left)
{
	for (unsigned i = 1; left->count; i++) {
		struct map_place place = map_model_place(&model->maps, left->addr);
		struct fault_part part = *left;

		if (i < PARTS_MAX)
			part = fault_part_take(left, place.begin, place.end);
		else
			left->count = 0;
		part.group = place.group;
		part.file_offset = part.addr + place.shift;
		add_part(model, &part);
	}
}

static void count_thread(struct model *model, uint32_t tid, uint64_t time_ns)
{
	uint64_t stall_ns = 0;

	for (size_t i = 0; i < model->faults.part_count; i++)
		stall_ns += model->faults.parts[i].stall_ns;
	if (model->is_counted && tid)
		thread_model_of_tid(&model->threads, tid, time_ns)->fault_stall_ns += stall_ns;
}

static void apply_faults(struct model *model, struct fault_part *part, uint32_t tid,
			 const struct lt_record *record)
{
	struct fault_model *faults = &model->faults;

	faults->served_count += part->count;
	if (!part->is_major && !part->is_huge)
		add_classes(faults->warm_counts, part);
	add_parts(model, part);
	count_thread(model, tid, record->time);
}

void fault_model_apply(struct model *model, const struct lt_record *record)
{
	struct fault_model *faults = &model->faults;
	const struct lt_ev_fault *fault = (const struct lt_ev_fault *)record;
	const struct lt_ev_fault_run *run = (const struct lt_ev_fault_run *)record;
	unsigned kind = LT_STATE_KIND(record->state);
	struct fault_part part;

	faults->part_count = 0;
	if (kind == LT_KIND_fault_totals) {
		faults->totals = *(const struct lt_ev_fault_totals *)record;
		faults->has_totals = true;
	} else if (LT_STATE_AUX(record->state) == LT_fault_kind_unfinished) {
		faults->unfinished_count += kind == LT_KIND_fault_run ? run->count : 1;
	} else if (kind == LT_KIND_fault_run) {
		part_of_run(run, &part);
		apply_faults(model, &part, run->tid, record);
	} else {
		part_of_fault(fault, &part);
		apply_faults(model, &part, fault->tid, record);
	}
}

void fault_model_count_call(struct fault_model *faults, const struct lt_record *record)
{
	const struct lt_ev_map *map = (const struct lt_ev_map *)record;
	const struct lt_ev_advise *advise = (const struct lt_ev_advise *)record;
	const struct lt_ev_read *read = (const struct lt_ev_read *)record;
	const struct lt_ev_stream_read *stream = (const struct lt_ev_stream_read *)record;

	switch (LT_STATE_KIND(record->state)) {
	case LT_KIND_map:
		faults->call_count += (uint64_t)map->minor_fault_count + map->major_fault_count;
		return;
	case LT_KIND_advise:
		faults->call_count += (uint64_t)advise->minor_fault_count +
				      advise->major_fault_count;
		return;
	case LT_KIND_read:
		faults->call_count += (uint64_t)read->minor_fault_count + read->major_fault_count;
		return;
	case LT_KIND_stream_read:
		faults->call_count += (uint64_t)stream->minor_fault_count +
				      stream->major_fault_count;
		return;
	}
}

struct fault_group fault_model_group(const struct fault_model *faults, uint32_t group)
{
	static const struct fault_group nothing;

	return group < faults->group_capacity ? faults->groups[group] : nothing;
}
