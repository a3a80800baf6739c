/* SPDX-License-Identifier: MIT */
/* What the tables of page faults share. */
#include "analyze_faults.h"

#include <stdio.h>
#include <string.h>

#include "units.h"

#define LOST_SHARE_NOTED 0.01

bool faults_have_addresses(const struct analysis_context *context)
{
	const char *method = trace_meta(context->trace, "fault_method");

	return analysis_has_group(context, LT_GROUP_faults) && method &&
	       !strncmp(method, "perf rings", 10);
}

double faults_lost_share(const struct analysis_context *context)
{
	return faults_have_addresses(context) ? fault_model_lost_share(&context->model->faults) : 0;
}

void faults_set(const struct analysis_context *context, struct table *table, size_t row,
		const struct fault_sums *sums)
{
	unsigned slow_class = fault_model_slow_class(&context->model->faults);

	table_set_u64(table, row, "fault_count", sums->fault_count);
	table_set_u64(table, row, "major_count", sums->major_count);
	table_set_u64(table, row, "slow_count", fault_sums_slow(sums, slow_class));
	table_set_u64(table, row, "fault_stall_ns", sums->stall_ns);
}

void faults_note_loss(const struct analysis_context *context, struct table *table)
{
	double lost = faults_lost_share(context);
	char note[128];

	if (lost <= LOST_SHARE_NOTED)
		return;
	snprintf(note, sizeof(note), "page faults are a lower bound: %.3g%% of them were lost",
		 lost * 100);
	table_add_note(table, note);
}

static void note_method(const struct analysis_context *context, struct table *table)
{
	const char *method = trace_meta(context->trace, "fault_method");
	const char *reason = trace_meta(context->trace, "fault_method_reason");
	char note[256];

	if (!analysis_has_group(context, LT_GROUP_faults))
		return;
	snprintf(note, sizeof(note),
		 "page faults were counted (%s) and not recorded one by one%s%s",
		 method ? method : "the kernel's counters", reason ? ": " : "",
		 reason ? reason : "");
	table_add_note(table, note);
}

void faults_note(const struct analysis_context *context, struct table *table)
{
	unsigned slow_class = fault_model_slow_class(&context->model->faults);
	char note[160], time[UNITS_BYTES];

	if (!faults_have_addresses(context)) {
		note_method(context, table);
		return;
	}
	snprintf(note, sizeof(note), "slow: a stall of %s or more; that is near to ten times the "
		 "median of the run's own minor faults, or to 20 us",
		 units_ns(time, (double)fault_class_ns(slow_class)));
	if (table_row_count(table))
		table_add_note(table, note);
	faults_note_loss(context, table);
	analysis_note_bound(context, table);
}
