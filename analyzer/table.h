/* SPDX-License-Identifier: MIT */
/*
 * The report as data: tables, findings and coverage lines. Analyses fill it, renderers read it, and
 * neither knows the other. The JSON form of these structs is the report's contract.
 *
 * One thread builds a report. Every string that is handed over is copied into the report and
 * released with it; a NULL string is the value null.
 */
#ifndef LLMTRACE_TABLE_H
#define LLMTRACE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_NULL,		/* not measured: never 0 */
	VALUE_U64,
	VALUE_I64,
	VALUE_F64,
	VALUE_TEXT,
	VALUE_STACK,		/* frame names, leaf first */
	VALUE_BOOL,
};

struct value {
	enum value_type type;
	union {
		uint64_t u64;
		int64_t i64;
		double f64;
		const char *text;
		bool is_true;
		struct {
			const char *const *frames;	/* leaf first */
			uint32_t count;
		} stack;
	};
};

/* A column: what the contract says of it. id carries the unit (_ns, _bytes, _count, _pct). */
struct column {
	const char *id;
	const char *unit; /* "ns" "bytes" "count" "pct" "text" "stack" "per_s" "bool" "number" */
	enum value_type type;
	bool is_key;		/* rows of two reports are matched by the key columns */
	bool is_timing; /* false: the same in every run of the same build on the same input */
	const char *doc;
	const char *label;	/* heading in text; NULL: made from id */
	bool is_detail;		/* text leaves it out where the line is too short */
};

struct report;
struct table;

struct report *report_new(void);
void report_free(struct report *report);

/*
 * Adds a table. columns must live as long as the report (they are static arrays in the analyses).
 * @return the table, owned by the report.
 */
struct table *report_add_table(struct report *report, const char *id, const char *title,
			       const struct column *columns, unsigned column_count);

/* Adds a row of nulls. @return its index. */
size_t table_add_row(struct table *table);
void table_set_u64(struct table *table, size_t row, const char *column, uint64_t value);
void table_set_i64(struct table *table, size_t row, const char *column, int64_t value);
void table_set_f64(struct table *table, size_t row, const char *column, double value);
void table_set_text(struct table *table, size_t row, const char *column, const char *value);
void table_set_bool(struct table *table, size_t row, const char *column, bool value);
/* frames: leaf first, count names; the array and the names must outlive the report. */
void table_set_stack(struct table *table, size_t row, const char *column, const char *const *frames,
		     uint32_t count);
const struct value *table_get(const struct table *table, size_t row, const char *column);
/* Sorts by a numeric column, largest first; nulls last; stable. */
void table_sort_descending(struct table *table, const char *column);
size_t table_row_count(const struct table *table);
/* A sentence that every renderer prints below the table; copied. May be called several times. */
void table_add_note(struct table *table, const char *note);
/* For text: rows to print when --top is not given (0: the default), and a column to draw as bars
 * (or NULL). */
void table_set_text_form(struct table *table, size_t row_limit, const char *bar_column);
/* @return the table of that id, NULL when the report has none. */
struct table *report_find_table(const struct report *report, const char *id);
/* @return the row whose text column holds that text, SIZE_MAX when there is none. */
size_t table_find_text(const struct table *table, const char *column, const char *text);

/* A line of coverage: seen of total, by which means. total_is_known false prints null. */
void report_add_coverage(struct report *report, const char *subject, uint64_t seen, uint64_t total,
			 bool is_total_known, const char *means, const char *note);
/* The same for what nobody looked at: seen is null, not 0. */
void report_add_unmeasured(struct report *report, const char *subject, uint64_t total,
			   bool is_total_known, const char *means, const char *note);

/* What the report says of the run itself; strings are copied. A number that is not known is null.
 */
struct run_facts {
	const char *path;		/* of the trace */
	const char *version;		/* of the shim */
	const char *const *command;
	unsigned command_count;
	const char *exe, *host, *kernel, *cpu_model;
	uint32_t pid;
	uint64_t start_unix_ns;
	struct value cpu_count, duration_ns;
	const char *exit_kind;		/* "exit" "signal" "killed" "running" "exec" */
	const char *exit_program;	/* what replaced it by exec, NULL when that is not known */
	struct value exit_code;
	bool is_complete;
	const char *incomplete_reason;	/* NULL when complete */
	uint64_t event_count, lost_event_count;
	struct value wait_ns, file_bytes, own_cpu_ns, own_memory_bytes;
	const char *phase_filter;	/* --phase, NULL: the whole run */
	double lost_fault_share;	/* page faults that the tables lack, 0 to 1 */
};

void report_set_run(struct report *report, const struct run_facts *run);

enum severity { SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW, SEVERITY_INFO };

struct finding {
	const char *id;
	enum severity severity;
	const char *phase;		/* NULL: the whole run */
	const char *statement;		/* what happened, with numbers */
	const char *advice;		/* what to do, with the real flag */
	uint64_t saving_ns;
	bool is_saving_known;
};

struct evidence {
	const char *table;
	size_t row;
};

/* Adds a finding; everything is copied. evidence: rows of tables that are already in the report. */
void report_add_finding(struct report *report, const struct finding *finding,
			const struct evidence *evidence, unsigned evidence_count);

#endif
