/* SPDX-License-Identifier: MIT */
/*
 * The table `heap_sizes`: allocations by size, in classes of powers of two from 16 bytes on.
 */
#include "analyze.h"

#include <stdio.h>
#include <stdlib.h>

#include "report_alloc.h"
#include "units.h"

#define CLASS_COUNT 62u		/* 0, up to 16, up to 32, ... */

struct size_class {
	uint64_t alloc_count, alloc_bytes, temporary_count;
	uint64_t freed_count, freed_bytes;	/* less those that came back or were there */
};

struct heap_sizes {
	const struct analysis_context *context;
	struct size_class classes[CLASS_COUNT];
};

static const struct column columns[] = {
	{ "size_class", "text", VALUE_TEXT, true, false, "bytes asked for, at most", "size",
	  false },
	{ "alloc_count", "count", VALUE_U64, false, false, "allocations, reallocs included",
	  "allocs", false },
	{ "alloc_bytes", "bytes", VALUE_U64, false, false, "bytes asked for", "alloc'd", false },
	{ "live_bytes", "bytes", VALUE_U64, false, false, "live at the end", "at exit", false },
	{ "live_count", "count", VALUE_U64, false, false, "blocks live at the end",
	  "blocks at exit", false },
	{ "temporary_count", "count", VALUE_U64, false, false,
	  "released before their thread allocated anything else", "temporary", false },
};

static void *create(const struct analysis_context *context)
{
	struct heap_sizes *sizes = report_alloc(1, sizeof(*sizes));

	sizes->context = context;
	return sizes;
}

static inline unsigned class_of(uint64_t bytes)
{
	unsigned above = 61 - (unsigned)__builtin_clzll((bytes - 1) | 8);

	return bytes <= 16 ? bytes != 0 : above;
}

static void count_batch(void *state, const struct heap_batch *batch)
{
	struct heap_sizes *sizes = state;

	for (size_t i = 0; i < batch->added_count; i++) {
		const struct heap_added *added = &batch->added[i];
		struct size_class *class = &sizes->classes[class_of(added->size_bytes)];

		if (added->is_allocation) {
			class->alloc_count++;
			class->alloc_bytes += added->size_bytes;
		} else {
			class->freed_count--;
			class->freed_bytes -= added->size_bytes;
		}
	}
	for (size_t i = 0; i < batch->freed_count; i++) {
		const struct heap_freed *freed = &batch->freed[i];
		struct size_class *class = &sizes->classes[class_of(freed->size_bytes)];

		class->freed_count++;
		class->freed_bytes += freed->size_bytes;
		class->temporary_count += freed->is_temporary;
	}
}

static void class_name(char *ret_name, size_t bytes, unsigned class)
{
	char text[UNITS_BYTES];

	units_bytes(text, class ? (double)(8ull << class) : 0);
	snprintf(ret_name, bytes, "%s%s", class ? "<= " : "", text);
}

static void finish(void *state, struct report *report)
{
	struct heap_sizes *sizes = state;
	struct table *table;

	table = report_add_table(report, "heap_sizes", "Heap by size", columns,
				 sizeof(columns) / sizeof(columns[0]));
	table_set_text_form(table, CLASS_COUNT, "alloc_count");
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		const struct size_class *class = &sizes->classes[i];
		char name[64];
		size_t row;

		if (!class->alloc_count && !class->freed_count)
			continue;
		row = table_add_row(table);
		class_name(name, sizeof(name), i);
		table_set_text(table, row, "size_class", name);
		table_set_u64(table, row, "alloc_count", class->alloc_count);
		table_set_u64(table, row, "alloc_bytes", class->alloc_bytes);
		table_set_u64(table, row, "live_bytes", class->alloc_bytes - class->freed_bytes);
		table_set_u64(table, row, "live_count", class->alloc_count - class->freed_count);
		table_set_u64(table, row, "temporary_count", class->temporary_count);
	}
}

const struct analysis analyze_heap_sizes = {
	.name = "heap_sizes",
	.doc = "allocations by size",
	.group = LT_GROUP_heap,
	.create = create, .heap = count_batch, .finish = finish, .destroy = free,
};
