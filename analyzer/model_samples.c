/* SPDX-License-Identifier: MIT */
/*
 * The series of process samples. Memory follows the samples: the writer takes a few per second.
 */
#include "model_samples.h"

#include <stdlib.h>

#include "report_alloc.h"

#define EDGE_SHARE 20u		/* of the span */
#define EDGE_NS 2000000u	/* whatever the span */

void sample_series_release(struct sample_series *series)
{
	free(series->samples);
	*series = (struct sample_series){ 0 };
}

static uint64_t minus(uint64_t value, uint64_t own)
{
	return value > own ? value - own : 0;
}

static void add_sample(struct sample_series *series, const struct lt_ev_process_sample *event)
{
	struct sample *sample;

	series->samples = report_grow(series->samples, &series->capacity, series->count + 1,
				      sizeof(*sample));
	sample = &series->samples[series->count];
	sample->time_ns = event->head.time;
	sample->values[SAMPLE_CPU_NS] = minus(event->user_cpu_ns + event->system_cpu_ns,
					      series->own.cpu_ns);
	sample->values[SAMPLE_FAULT_COUNT] = minus(event->minor_fault_count +
						   event->major_fault_count,
						   series->own.minor_fault_count);
	sample->values[SAMPLE_ALL_FAULT_COUNT] = event->minor_fault_count +
						 event->major_fault_count;
	sample->values[SAMPLE_LOGICAL_BYTES] = event->logical_read_bytes;
	sample->values[SAMPLE_STORAGE_BYTES] = event->storage_read_bytes;
	series->has_io = event->has_io && (series->has_io || !series->count);
	if (event->rss_bytes > series->peak_rss_bytes)
		series->peak_rss_bytes = event->rss_bytes;
	series->count++;
}

void sample_series_apply(struct sample_series *series, const struct lt_record *record)
{
	if (LT_STATE_KIND(record->state) == LT_KIND_process_sample) {
		add_sample(series, (const struct lt_ev_process_sample *)record);
		return;
	}
	series->own = *(const struct lt_ev_own_cost *)record;
	series->has_own = true;
}

/* @return the index of the first sample behind a time. */
static size_t first_behind(const struct sample_series *series, uint64_t time_ns)
{
	size_t low = 0, high = series->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (series->samples[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t distance(const struct sample *sample, uint64_t time_ns)
{
	return sample->time_ns > time_ns ? sample->time_ns - time_ns : time_ns - sample->time_ns;
}

/* There must be one. */
static const struct sample *nearest(const struct sample_series *series, uint64_t time_ns)
{
	size_t i = first_behind(series, time_ns);
	const struct sample *behind = &series->samples[i];

	if (i == 0)
		return behind;
	if (i == series->count || distance(behind - 1, time_ns) <= distance(behind, time_ns))
		return behind - 1;
	return behind;
}

/* A sample further away than half of the span says nothing about it. */
static uint64_t edge_max_ns(uint64_t span_ns)
{
	if (span_ns / EDGE_SHARE > EDGE_NS)
		return span_ns / EDGE_SHARE;
	return span_ns / 2 < EDGE_NS ? span_ns / 2 : EDGE_NS;
}

bool sample_series_growth(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, uint64_t *ret_growth)
{
	bool is_io = metric == SAMPLE_LOGICAL_BYTES || metric == SAMPLE_STORAGE_BYTES;
	uint64_t edge_ns = edge_max_ns(end_ns - begin_ns);
	const struct sample *begin, *end;

	*ret_growth = 0;
	if (!series->count || (is_io && !series->has_io))
		return false;
	begin = nearest(series, begin_ns);
	end = nearest(series, end_ns);
	if (begin >= end || distance(begin, begin_ns) > edge_ns || distance(end, end_ns) > edge_ns)
		return false;
	*ret_growth = minus(end->values[metric], begin->values[metric]);
	return true;
}

/* What the metric was at a time; before the first sample and behind the last as there. */
static double value_at(const struct sample_series *series, enum sample_metric metric,
		       uint64_t time_ns)
{
	size_t i = first_behind(series, time_ns);
	const struct sample *behind = &series->samples[i], *before = behind - 1;
	double grown, share;

	if (i == 0)
		return (double)behind->values[metric];
	if (i == series->count)
		return (double)before->values[metric];
	grown = (double)minus(behind->values[metric], before->values[metric]);
	share = (double)(time_ns - before->time_ns) / (double)(behind->time_ns - before->time_ns);
	return (double)before->values[metric] + grown * share;
}

bool sample_series_spread(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, double *ret_growth)
{
	bool is_io = metric == SAMPLE_LOGICAL_BYTES || metric == SAMPLE_STORAGE_BYTES;

	*ret_growth = 0;
	if (series->count < 2 || (is_io && !series->has_io) ||
	    end_ns <= series->samples[0].time_ns ||
	    begin_ns >= series->samples[series->count - 1].time_ns)
		return false;
	*ret_growth = value_at(series, metric, end_ns) - value_at(series, metric, begin_ns);
	return true;
}
