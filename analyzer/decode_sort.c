/* SPDX-License-Identifier: MIT */
/*
 * Time order within a block. A natural merge sort: stable, one pass when the records are in order
 * already, a few when single records are late, never worse than n log n.
 */
#include <stdlib.h>
#include <string.h>

#include "decode.h"

typedef const struct lt_record *record_ref;

/* @return the end of the run that begins at from. */
static size_t run_end(const record_ref *records, size_t from, size_t count)
{
	size_t end = from + 1;

	while (end < count && records[end]->time >= records[end - 1]->time)
		end++;
	return end;
}

static void merge_runs(const record_ref *left, const record_ref *middle, const record_ref *right,
		       record_ref *to)
{
	const record_ref *a = left, *b = middle;

	while (a < middle && b < right)
		*to++ = (*b)->time < (*a)->time ? *b++ : *a++;
	memcpy(to, a, (size_t)(middle - a) * sizeof(*to));
	memcpy(to + (middle - a), b, (size_t)(right - b) * sizeof(*to));
}

/* Merges neighbouring runs of from into to. @return how many runs there are now. */
static size_t merge_pass(const record_ref *from, record_ref *to, size_t count)
{
	size_t runs = 0;

	for (size_t begin = 0; begin < count; runs++) {
		size_t middle = run_end(from, begin, count);
		size_t end = middle < count ? run_end(from, middle, count) : middle;

		merge_runs(from + begin, from + middle, from + end, to + begin);
		begin = end;
	}
	return runs;
}

static void swap_buffers(struct decoded *decoded)
{
	const struct lt_record **records = decoded->records;
	size_t capacity = decoded->record_capacity;

	decoded->records = decoded->scratch;
	decoded->record_capacity = decoded->scratch_capacity;
	decoded->scratch = records;
	decoded->scratch_capacity = capacity;
}

bool decoded_sort(struct decoded *decoded)
{
	if (run_end(decoded->records, 0, decoded->count) >= decoded->count)
		return true;
	if (decoded->scratch_capacity < decoded->record_capacity) {
		free(decoded->scratch);
		decoded->scratch = calloc(decoded->record_capacity, sizeof(*decoded->scratch));
		decoded->scratch_capacity = decoded->scratch ? decoded->record_capacity : 0;
		if (!decoded->scratch)
			return false;
	}
	while (merge_pass(decoded->records, decoded->scratch, decoded->count) > 1)
		swap_buffers(decoded);
	swap_buffers(decoded);
	return true;
}
