/* SPDX-License-Identifier: MIT */
/*
 * The series of process samples. Memory follows the samples: the writer takes a few per second.
 */
#include "model_samples.h"

#include <stdlib.h>

#include "report_alloc.h"

/* A time that far outside the samples, of the span asked for, is still taken as their first or last. */
#define OUTSIDE_SHARE 20u

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

struct reading {
	double low, likely, high;
};

static struct reading reading_at(const struct sample_series *series, enum sample_metric metric,
				 uint64_t time_ns)
{
	size_t i = sample_before(series, time_ns);
	const struct sample *before, *after;
	double low, high, share;

	if (i == SIZE_MAX)
		i = 0;
	before = &series->samples[i];
	after = i + 1 < series->count && before->time_ns < time_ns ? before + 1 : before;
	low = (double)before->values[metric];
	high = (double)after->values[metric];
	if (after == before)
		return (struct reading){ low, low, low };
	share = (double)(time_ns - before->time_ns) / (double)(after->time_ns - before->time_ns);
	return (struct reading){ low, low + (high - low) * share, high };
}

static bool is_covered(const struct sample_series *series, uint64_t begin_ns, uint64_t end_ns)
{
	uint64_t slack = (end_ns - begin_ns) / OUTSIDE_SHARE;

	return series->count >= 2 && end_ns > begin_ns &&
	       begin_ns + slack >= series->samples[0].time_ns &&
	       end_ns <= series->samples[series->count - 1].time_ns + slack;
}

bool sample_series_growth(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, struct sample_growth *ret_growth)
{
	bool is_io = metric == SAMPLE_LOGICAL_BYTES || metric == SAMPLE_STORAGE_BYTES;
	struct reading begin, end;

	if (!is_covered(series, begin_ns, end_ns) || (is_io && !series->has_io))
		return false;
	begin = reading_at(series, metric, begin_ns);
	end = reading_at(series, metric, end_ns);
	ret_growth->likely = end.likely > begin.likely ? end.likely - begin.likely : 0;
	ret_growth->low = end.low > begin.high ? end.low - begin.high : 0;
	ret_growth->high = end.high > begin.low ? end.high - begin.low : 0;
	return true;
}

bool sample_growth_is_known(const struct sample_growth *growth)
{
	return growth->high - growth->low <= growth->high / 10;
}
