/* SPDX-License-Identifier: MIT */
/*
 * Rules that turn the tables into findings. A rule states what happened with numbers of the tables,
 * and what to do with the real flag of the program that was traced; without evidence it says
 * nothing. One thread.
 */
#ifndef LLMTRACE_FINDINGS_H
#define LLMTRACE_FINDINGS_H

#include "analysis.h"
#include "findings_engine.h"

/* Small reads through FILE streams, gathered while the events pass. */
struct small_reads {
	uint64_t call_count, bytes, duration_ns;
};

struct findings {
	const struct analysis_context *context;
	struct report *report;
	struct engine engine;
	struct small_reads *small;	/* by file */
	size_t small_capacity;
};

struct finding_text {
	const char *id;
	enum severity severity;
	const char *phase;		/* NULL: the whole run */
	const char *advice;
	const char *table;		/* evidence; NULL: the coverage lines */
	size_t row;
	uint64_t saving_ns;		/* 0: not known */
	const char *also_table;		/* more evidence, NULL: none */
	size_t also_row;
};

/* Adds a finding; the statement follows printf. A row of SIZE_MAX adds no evidence. */
void findings_add(struct findings *findings, const struct finding_text *text, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));

/* @return a number of a table, false when it was not measured or there is no such row. */
bool findings_number(const struct findings *findings, const char *table, size_t row,
		     const char *column, double *ret_number);

/* @return wall time of all rows of a kind. */
uint64_t findings_phase_ns(const struct findings *findings, enum phase_kind kind);

/* @return the row whose text column is key; SIZE_MAX when there is none. */
size_t findings_row_of(const struct findings *findings, const char *table, const char *column,
		       const char *key);

/* Of the whole run, from the samples of the process; false when that is not known. */
bool findings_storage_bytes(const struct findings *findings, double *ret_bytes);

void findings_of_faults(struct findings *findings);
void findings_of_memory(struct findings *findings);
void findings_of_files(struct findings *findings);
void findings_of_threads(struct findings *findings);
void findings_of_trace(struct findings *findings);

#endif
