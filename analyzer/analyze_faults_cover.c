/* SPDX-License-Identifier: MIT */
/*
 * The coverage of page faults. Four ways see them: perf events in user mode, getrusage around the
 * calls that fault much inside the kernel, the shim's own threads, and nobody; together they are
 * what the kernel counts for the process.
 */
#include "analyze_faults.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

#define NOTE_BYTES 384

static uint64_t user_count(const struct fault_model *faults)
{
	uint64_t counted = faults->totals.minor_count + faults->totals.major_count;

	/* of a killed process the last totals are older than the last faults */
	return counted > faults->served_count ? counted : faults->served_count;
}

static bool process_count(const struct analysis_context *context, enum sample_metric metric,
			  uint64_t *ret_count)
{
	const struct sample_series *series = &context->model->samples;
	uint64_t first, last;

	*ret_count = 0;
	if (series->count < 2)
		return false;
	first = series->samples[0].values[metric];
	last = series->samples[series->count - 1].values[metric];
	*ret_count = last > first ? last - first : 0;
	return true;
}

static void lost_text(const struct fault_model *faults, char *ret_text, size_t bytes)
{
	const struct lt_ev_fault_totals *totals = &faults->totals;
	uint64_t lost = totals->minor_count + totals->major_count - totals->taken_count;
	char count[UNITS_BYTES], first[UNITS_BYTES], last[UNITS_BYTES];

	if (!totals->lost_count && fault_model_lost_share(faults) <= 0)
		return;
	if (fault_model_lost_share(faults) <= 0)
		lost = 0;
	snprintf(ret_text, bytes, "%s lost to full rings of the kernel, between %s and %s",
		 units_count(count, (double)lost), units_ns(first, totals->first_lost_ms * 1e6),
		 units_ns(last, totals->last_lost_ms * 1e6));
}

/* What stands behind "; ": nothing when all is well. */
static void join(char *note, const char *part)
{
	size_t used = strlen(note);

	if (part && part[0])
		snprintf(note + used, NOTE_BYTES - used, "%s%s", used ? "; " : "", part);
}

static void cover_addresses(const struct analysis_context *context, struct report *report)
{
	const struct fault_model *faults = &context->model->faults;
	const char *method = trace_meta(context->trace, "fault_method");
	char note[NOTE_BYTES] = "", part[160] = "";

	lost_text(faults, part, sizeof(part));
	join(note, part);
	if (faults->totals.unpaired_count) {
		snprintf(part, sizeof(part), "%" PRIu64 " without a stall: their begin was lost",
			 faults->totals.unpaired_count);
		join(note, part);
	}
	if (faults->unfinished_count) {
		snprintf(part, sizeof(part), "%" PRIu64 " more began and were not completed",
			 faults->unfinished_count);
		join(note, part);
	}
	join(note, trace_meta(context->trace, "fault_method_reason"));
	report_add_coverage(report, "page faults with an address", faults->served_count,
			    user_count(faults), true, method, note[0] ? note : NULL);
}

static void cover_nothing(const struct analysis_context *context, struct report *report)
{
	const struct fault_model *faults = &context->model->faults;
	const char *method = trace_meta(context->trace, "fault_method");
	const char *reason = trace_meta(context->trace, "fault_method_reason");
	uint64_t total = user_count(faults);
	bool is_known = faults->has_totals;

	if (!analysis_has_group(context, LT_GROUP_faults))
		reason = "LLMTRACE_EVENTS left them out";
	else if (!reason)
		reason = "they are counted and not recorded one by one";
	if (!is_known)
		is_known = process_count(context, SAMPLE_FAULT_COUNT, &total);
	report_add_unmeasured(report, "page faults with an address", total, is_known,
			      method ? method : "the kernel's counters", reason);
}

static void cover_calls(const struct analysis_context *context, struct report *report)
{
	uint64_t count = context->model->faults.call_count;
	char note[NOTE_BYTES], text[UNITS_BYTES];

	if (!analysis_has_group(context, LT_GROUP_maps) &&
	    !analysis_has_group(context, LT_GROUP_files))
		return;
	snprintf(note, sizeof(note), "%s in mmap, madvise, mlock and reads of 64 KiB and more, by "
		 "getrusage of the calling thread: the kernel touches the memory there",
		 units_count(text, (double)count));
	report_add_coverage(report, "page faults inside calls", count, 0, false,
			    "getrusage(RUSAGE_THREAD)", note);
}

/* Some of it was known as such only when the next lines of /proc/self/maps were read. */
static uint64_t own_count(const struct model *model)
{
	uint64_t count = model->faults.own_count;

	for (uint32_t i = 0; i < model->maps.group_count; i++) {
		uint32_t group = map_model_resolved(&model->maps, i);

		if (group != i && model_map_is_own(model, &model->maps.groups[group]))
			count += fault_model_group(&model->faults, i).sums.fault_count;
	}
	return count;
}

static void cover_own(const struct analysis_context *context, struct report *report)
{
	const struct model *model = context->model;
	uint64_t own = model->samples.own.minor_fault_count;
	char note[NOTE_BYTES], text[UNITS_BYTES], more[UNITS_BYTES];

	if (!model->samples.has_own)
		return;
	snprintf(note, sizeof(note), "%s in its threads; %s of those with an address were in its "
		 "memory and are in no table", units_count(text, (double)own),
		 units_count(more, (double)own_count(model)));
	report_add_coverage(report, "page faults of llmtrace", own, 0, false, "getrusage", note);
}

/* Then the threads that did not live to get a ring are not in the kernel's totals either. */
static bool is_by_thread(const struct analysis_context *context)
{
	const char *method = trace_meta(context->trace, "fault_method");

	return method && !strcmp(method, "perf rings for each thread");
}

static void cover_all(const struct analysis_context *context, struct report *report)
{
	const struct model *model = context->model;
	uint64_t own = model->samples.own.minor_fault_count, total;
	uint64_t seen = user_count(&model->faults) + model->faults.call_count + own;
	bool is_known = process_count(context, SAMPLE_ALL_FAULT_COUNT, &total);
	char note[NOTE_BYTES], text[UNITS_BYTES];

	if (!is_known)
		return;
	snprintf(note, sizeof(note), "%s not visible: in kernel mode, outside of these calls%s%s",
		 units_count(text, total > seen ? (double)(total - seen) : 0),
		 model->faults.has_totals ? "" : ", or in user mode",
		 is_by_thread(context) ? ", or in threads that ended within 20 ms" : "");
	report_add_coverage(report, "page faults", seen, total, true,
			    "the three above, of the kernel's count for the process", note);
}

void faults_cover(const struct analysis_context *context, struct report *report)
{
	if (faults_have_addresses(context))
		cover_addresses(context, report);
	else
		cover_nothing(context, report);
	cover_calls(context, report);
	cover_own(context, report);
	cover_all(context, report);
}
