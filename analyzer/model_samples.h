/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of the process over time (process_sample), with the cost of the shim's own
 * writer (own_cost) taken off. Gives the growth of a number between two times, when the samples are
 * close enough to know it. One thread.
 */
#ifndef LLMTRACE_MODEL_SAMPLES_H
#define LLMTRACE_MODEL_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"

enum sample_metric {
	SAMPLE_CPU_NS, SAMPLE_FAULT_COUNT, SAMPLE_LOGICAL_BYTES, SAMPLE_STORAGE_BYTES,
	SAMPLE_ALL_FAULT_COUNT,		/* those of the writer too */
	SAMPLE_METRIC_COUNT,
};

struct sample {
	uint64_t time_ns;
	uint64_t values[SAMPLE_METRIC_COUNT];
};

/* Zeroed memory is an empty series. */
struct sample_series {
	struct sample *samples;		/* in order of time */
	size_t count, capacity;
	bool has_io;			/* every sample could read /proc/self/io */
	struct lt_ev_own_cost own;	/* the newest */
	bool has_own;
	uint64_t peak_rss_bytes;
};

void sample_series_release(struct sample_series *series);

/* Applies a record of kind process_sample or own_cost. */
void sample_series_apply(struct sample_series *series, const struct lt_record *record);

/*
 * How much a metric grew between the samples nearest to two times.
 * @return false when they are not close enough to both to tell: a twentieth of the span, or the two
 * milliseconds that the writer needs at most to take the sample that belongs to a phase.
 */
bool sample_series_growth(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, uint64_t *ret_growth);

/*
 * How much a metric grew between two times, when growth between two samples is spread evenly: an
 * estimate for spans that are shorter than the samples are apart, whose sum over a run is exact.
 * @return false when no sample lies on one of the two sides.
 */
bool sample_series_spread(const struct sample_series *series, enum sample_metric metric,
			  uint64_t begin_ns, uint64_t end_ns, double *ret_growth);

#endif
