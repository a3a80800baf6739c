/* SPDX-License-Identifier: MIT */
/*
 * The table `faults_over_time`: when the process waited for memory. The length of a run is not
 * known beforehand: fine buckets become ten times as wide, by joining tens, whenever time runs past
 * the last one; at the end they are joined to rows of a round width.
 */
#include "analyze.h"

#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "report_alloc.h"

#define ROWS_MAX 60u
#define JOINED 10u
#define BUCKET_COUNT (ROWS_MAX * JOINED)
#define FIRST_WIDTH_NS 1000000u

struct faults_over_time {
	const struct analysis_context *context;
	uint64_t start_ns, width_ns;
	struct fault_sums buckets[BUCKET_COUNT];
};

static const struct column columns[] = {
	{ "time_ns", "ns", VALUE_U64, true, true,
	  "start of the interval, since the start of recording", "from", false },
	{ "duration_ns", "ns", VALUE_U64, false, true, "length of the interval", "length", true },
	FAULT_COLUMNS,
	{ "storage_bytes", "bytes", VALUE_U64, false, true,
	  "bytes read from storage by the process; between two samples spread evenly", "storage",
	  false },
};

static void *create(const struct analysis_context *context)
{
	struct faults_over_time *faults = report_alloc(1, sizeof(*faults));

	faults->context = context;
	faults->start_ns = trace_facts(context->trace)->start_ns;
	faults->width_ns = FIRST_WIDTH_NS;
	return faults;
}

static void widen(struct faults_over_time *faults)
{
	for (unsigned i = 0; i < BUCKET_COUNT; i++) {
		struct fault_sums bucket = faults->buckets[i];

		memset(&faults->buckets[i], 0, sizeof(bucket));
		fault_sums_join(&faults->buckets[i / JOINED], &bucket);
	}
	faults->width_ns *= JOINED;
}

static unsigned bucket_of(struct faults_over_time *faults, uint64_t time_ns)
{
	time_ns = time_ns > faults->start_ns ? time_ns - faults->start_ns : 0;
	while (time_ns / faults->width_ns >= BUCKET_COUNT)
		widen(faults);
	return (unsigned)(time_ns / faults->width_ns);
}

/* A run of faults in time: at which time the one of an index was. */
struct burst {
	uint64_t begin_ns, span_ns;
	uint64_t count, next;		/* next: index of the first one that is not counted */
};

static uint64_t time_of(const struct burst *burst, uint64_t index)
{
	if (burst->count < 2)
		return burst->begin_ns + burst->span_ns;
	return burst->begin_ns + (uint64_t)((double)burst->span_ns * (double)index /
					    (double)(burst->count - 1));
}

/* The first index behind `first` whose time is not before end_ns: by halves, as times only grow. */
static uint64_t index_behind(const struct burst *burst, uint64_t first, uint64_t last,
			     uint64_t end_ns)
{
	while (first < last) {
		uint64_t middle = first + (last - first) / 2;

		if (time_of(burst, middle) < end_ns)
			first = middle + 1;
		else
			last = middle;
	}
	return first;
}

static void count_part(struct faults_over_time *faults, struct burst *burst, struct fault_part part)
{
	while (part.count) {
		unsigned i = bucket_of(faults, time_of(burst, burst->next));
		uint64_t end_ns = faults->start_ns + (i + 1) * faults->width_ns;
		uint64_t behind = index_behind(burst, burst->next + 1, burst->next + part.count,
					       end_ns);
		struct fault_part taken = fault_part_take_count(&part, behind - burst->next);

		fault_sums_add(&faults->buckets[i], &taken);
		burst->next = behind;
	}
}

static void event(void *state, const struct lt_record *record, uint32_t stream)
{
	struct faults_over_time *faults = state;
	const struct fault_model *model = &faults->context->model->faults;
	const struct lt_ev_fault_run *run = (const struct lt_ev_fault_run *)record;
	struct burst burst = { .begin_ns = record->time, .count = 1 };

	(void)stream;
	if (LT_STATE_KIND(record->state) == LT_KIND_fault_run) {
		burst.count = run->count;
		burst.span_ns = run->span_ns < record->time ? run->span_ns : 0;
		burst.begin_ns = record->time - burst.span_ns;
		bucket_of(faults, record->time);	/* widens before anything is counted */
	}
	for (size_t i = 0; i < model->part_count; i++)
		count_part(faults, &burst, model->parts[i]);
}

/* ---- rows ---- */

static const struct phase_row *filter_of(const struct analysis_context *context)
{
	for (size_t i = 0; context->phase_filter && i < context->phase_count; i++)
		if (!strcmp(context->phases[i].name, context->phase_filter))
			return &context->phases[i];
	return NULL;
}

/* Of the spans of the phase that is looked at, if one is. */
static bool storage_between(const struct analysis_context *context, uint64_t begin_ns,
			    uint64_t end_ns, double *ret_bytes)
{
	const struct sample_series *samples = &context->model->samples;
	const struct phase_row *filter = filter_of(context);
	bool is_known = false;

	if (!filter)
		return sample_series_spread(samples, SAMPLE_STORAGE_BYTES, begin_ns, end_ns,
					    ret_bytes);
	*ret_bytes = 0;
	for (size_t i = 0; i < filter->span_count; i++) {
		const struct phase_span *span = &filter->spans[i];
		uint64_t begin = begin_ns > span->begin_ns ? begin_ns : span->begin_ns;
		uint64_t end = end_ns < span->end_ns ? end_ns : span->end_ns;
		double bytes;

		if (begin < end && sample_series_spread(samples, SAMPLE_STORAGE_BYTES, begin, end,
							&bytes)) {
			is_known = true;
			*ret_bytes += bytes;
		}
	}
	return is_known;
}

/* How many buckets make a row: 1, 2, 5 or 10, so that its width is as round as theirs. */
static unsigned buckets_of_row(const struct faults_over_time *faults, uint64_t run_ns)
{
	static const unsigned counts[] = { 1, 2, 5, JOINED };
	unsigned i = 0;

	while (i < 3 && run_ns > faults->width_ns * counts[i] * ROWS_MAX)
		i++;
	return counts[i];
}

static void add_row(const struct faults_over_time *faults, struct table *table, uint64_t begin_ns,
		    uint64_t end_ns, const struct fault_sums *sums)
{
	double storage;
	bool is_known = storage_between(faults->context, faults->start_ns + begin_ns,
					faults->start_ns + end_ns, &storage);
	size_t row;

	if (!sums->fault_count && (!is_known || storage < 1))
		return;
	row = table_add_row(table);
	table_set_u64(table, row, "time_ns", begin_ns);
	table_set_u64(table, row, "duration_ns", end_ns - begin_ns);
	faults_set(faults->context, table, row, sums);
	analysis_set(table, row, "storage_bytes", (uint64_t)(storage + 0.5), is_known);
}

static void add_rows(struct faults_over_time *faults, struct table *table, uint64_t run_ns)
{
	unsigned joined = buckets_of_row(faults, run_ns);

	for (unsigned i = 0; i < BUCKET_COUNT && i * faults->width_ns < run_ns; i += joined) {
		struct fault_sums sums = { 0 };
		uint64_t end_ns = (i + joined) * faults->width_ns;

		for (unsigned k = 0; k < joined; k++)
			fault_sums_join(&sums, &faults->buckets[i + k]);
		add_row(faults, table, i * faults->width_ns, end_ns < run_ns ? end_ns : run_ns,
			&sums);
	}
}

static void finish(void *state, struct report *report)
{
	struct faults_over_time *faults = state;
	uint64_t run_ns = faults->context->end_ns - faults->start_ns + 1;
	struct table *table;

	table = report_add_table(report, "faults_over_time", "Page faults over time", columns,
				 sizeof(columns) / sizeof(columns[0]));
	table_set_text_form(table, ROWS_MAX, "fault_stall_ns");
	if (faults_have_addresses(faults->context)) {
		bucket_of(faults, faults->start_ns + run_ns - 1);
		add_rows(faults, table, run_ns);
		table_add_note(table, "intervals without faults and storage reads are left out");
	}
	faults_note(faults->context, table);
}

const struct analysis analyze_faults_over_time = {
	.name = "faults_over_time",
	.doc = "when the process waited for memory",
	.group = LT_GROUP_faults,
	.kinds = { LT_KIND_fault, LT_KIND_fault_run },
	.create = create, .event = event, .finish = finish, .destroy = free,
};
