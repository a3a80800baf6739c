/* SPDX-License-Identifier: MIT */
/*
 * What the tables of page faults share: the columns of the contract, whether anything was measured,
 * and the notes that every reader of such numbers must see.
 */
#ifndef LLMTRACE_ANALYZE_FAULTS_H
#define LLMTRACE_ANALYZE_FAULTS_H

#include "analysis.h"

/* Behind the key columns of each of these tables. */
#define FAULT_COLUMNS \
	{ "fault_count", "count", VALUE_U64, false, true, "page faults in user mode", "faults", \
	  false }, \
	{ "major_count", "count", VALUE_U64, false, true, \
	  "of these: major ones by the kernel's word; a minor one may wait for storage, too", \
	  "major", true }, \
	{ "slow_count", "count", VALUE_U64, false, true, \
	  "of these: ones that took long; the note says how long", "slow", false }, \
	{ "fault_stall_ns", "ns", VALUE_U64, false, true, \
	  "from the entry of each fault to its completion, of all threads", "stall", false }, \
	{ "touched_bytes", "bytes", VALUE_U64, false, true, "bytes that were touched", "touched", \
	  true }

/* @return whether single faults were recorded: else their columns are null. */
bool faults_have_addresses(const struct analysis_context *context);

/* @return the share of the faults that are in no table, 0 to 1; 0 where none were recorded. */
double faults_lost_share(const struct analysis_context *context);

/* Fills fault_count, major_count, slow_count and fault_stall_ns. */
void faults_set(const struct analysis_context *context, struct table *table, size_t row,
		const struct fault_sums *sums);

/* Says in a note that the faults of a table are a lower bound, when too many were lost. */
void faults_note_loss(const struct analysis_context *context, struct table *table);

/* All notes of a table of faults: why there are none, what a slow one is, what was lost. */
void faults_note(const struct analysis_context *context, struct table *table);

/* The lines of coverage: each way to see faults, and what all of them see of the kernel's count. */
void faults_cover(const struct analysis_context *context, struct report *report);

#endif
