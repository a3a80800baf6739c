/* SPDX-License-Identifier: MIT */
/*
 * Page faults: where each one lies in the memory of its moment, and sums of them. A record may
 * stand for many faults at a constant distance: it is cut where it crosses from one mapping into
 * another, exactly by count, the stall in proportion. One thread.
 */
#ifndef LLMTRACE_MODEL_FAULTS_H
#define LLMTRACE_MODEL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"

#define FAULT_CLASS_COUNT 16u
#define FAULT_HUGE_BYTES (2u << 20)

struct model;

/* Faults that follow each other at a constant distance. */
struct fault_part {
	uint64_t addr;			/* of the first one */
	uint64_t stride_bytes;		/* to the next one, modulo 2^64 */
	uint64_t count;
	uint64_t stall_ns;
	uint64_t begin_ns, end_ns;	/* from the begin of the first one to the last end */
	bool is_major, is_huge;
	bool is_single;			/* class_counts says nothing: stall_ns does */
	uint32_t class_counts[FAULT_CLASS_COUNT];
	uint32_t group;			/* of mappings */
	uint64_t file_offset;		/* of the first one; only groups of files have one */
};

struct fault_sums {
	uint64_t fault_count, major_count, huge_count, stall_ns;
	/*
	 * By stall: below 1,024 ns, then twice as long each class. Left out are those of which no
	 * stall is known, and minor faults that cleared a huge page: they are long without a wait.
	 */
	uint64_t class_counts[FAULT_CLASS_COUNT];
};

struct fault_group {
	struct fault_sums sums;		/* inside the phase that is looked at */
	uint64_t wait_ns;		/* in which at least one thread was held up */
	uint64_t covered_ns;		/* time up to which wait_ns is known */
	/* of these, inside decodes of one token */
	uint64_t token_count, token_stall_ns, token_wait_ns;
	bool is_looked_up, is_own;
};

/* Zeroed memory is an empty model. */
struct fault_model {
	/* where the faults of the newest record lie, those in memory of the shim left out */
	struct fault_part *parts;
	size_t part_count, part_capacity;
	struct fault_group *groups;	/* by group of mappings; ask fault_model_group() */
	size_t group_capacity;

	/* of the whole run */
	uint64_t served_count, own_count, unfinished_count;
	uint64_t call_count;		/* inside calls that were measured, by getrusage */
	uint64_t warm_counts[FAULT_CLASS_COUNT];	/* minor faults of small pages by stall */
	struct lt_ev_fault_totals totals;		/* the newest */
	bool has_totals;
};

void fault_model_release(struct fault_model *faults);

/* Applies a record of kind fault, fault_run or fault_totals. */
void fault_model_apply(struct model *model, const struct lt_record *record);

/* Counts the faults that the calling thread had inside a call, of any kind of call. */
void fault_model_count_call(struct fault_model *faults, const struct lt_record *record);

/* @return what is known of a group of mappings. */
struct fault_group fault_model_group(const struct fault_model *faults, uint32_t group);

void fault_sums_add(struct fault_sums *sums, const struct fault_part *part);
void fault_sums_join(struct fault_sums *sums, const struct fault_sums *added);

/*
 * Takes those faults off the front of a part that lie in [begin, end), where its first one lies.
 * @return them; part keeps the others.
 */
struct fault_part fault_part_take(struct fault_part *part, uint64_t begin, uint64_t end);
/* The same with how many; at most all. */
struct fault_part fault_part_take_count(struct fault_part *part, uint64_t count);

/*
 * The first class of slow faults: the one that begins nearest to ten times the median of the run's
 * own minor faults, or to 20 us when that is more. Whole classes, since folded records know no
 * more.
 */
unsigned fault_model_slow_class(const struct fault_model *faults);

/* @return the shortest stall of a class. */
uint64_t fault_class_ns(unsigned class_index);

uint64_t fault_sums_slow(const struct fault_sums *sums, unsigned slow_class);

/* @return the share of completed faults that found no room in the rings of the kernel, 0 to 1. */
double fault_model_lost_share(const struct fault_model *faults);

#endif
