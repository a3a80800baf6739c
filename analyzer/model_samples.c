/* SPDX-License-Identifier: MIT */
/*
 * The series of process samples. Memory follows the samples: the writer takes a few per second.
 */
#include "model_samples.h"

#include <stdlib.h>

#include "report_alloc.h"

#define EDGE_SHARE 20u	/* of the span */

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

/* @return the index of the last sample at or before a time; SIZE_MAX when there is none. */
static size_t sample_before(const struct sample_series *series, uint64_t time_ns)
{
	size_t low = 0, high = series->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (series->samples[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* The value at a time, between the samples around it; *edge_ns grows by the way to the nearest one.
 */
static double value_at(const struct sample_series *series, enum sample_metric metric,
		       uint64_t time_ns, uint64_t *edge_ns)
{
	size_t i = sample_before(series, time_ns);
	const struct sample *before = &series->samples[i == SIZE_MAX ? 0 : i], *after = before;
	double share = 0;

	if (i != SIZE_MAX && i + 1 < series->count)
		after++;
	if (after != before)
		share = (double)(time_ns - before->time_ns) /
			(double)(after->time_ns - before->time_ns);
	*edge_ns += distance(time_ns, before->time_ns) < distance(time_ns, after->time_ns)
			    ? distance(time_ns, before->time_ns)
			    : distance(time_ns, after->time_ns);
	return (double)before->values[metric] +
	       share * ((double)after->values[metric] - (double)before->values[metric]);
}

bool sample_series_growth(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, struct sample_growth *ret_growth)
{
	bool is_io = metric == SAMPLE_LOGICAL_BYTES || metric == SAMPLE_STORAGE_BYTES;
	double begin, end;

	*ret_growth = (struct sample_growth){ .span_ns = end_ns - begin_ns };
	if (series->count < 2 || (is_io && !series->has_io))
		return false;
	begin = value_at(series, metric, begin_ns, &ret_growth->edge_ns);
	end = value_at(series, metric, end_ns, &ret_growth->edge_ns);
	ret_growth->amount = end > begin ? end - begin : 0;
	return true;
}

bool sample_growth_is_known(const struct sample_growth *growth)
{
	return growth->span_ns && growth->edge_ns <= growth->span_ns / EDGE_SHARE;
}
