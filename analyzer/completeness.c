/* SPDX-License-Identifier: MIT */
/* The exit code that a trace leads to; see completeness.h. */
#include "completeness.h"

#include <inttypes.h>

#include "report_data.h"

#define LOST_SHARE_MAX 100u	/* more than one event in a hundred: data are missing */
#define LOST_FAULT_SHARE_MAX 0.1	/* above it the order of the rows may be wrong */

int completeness(const struct trace *trace, struct error *ret_error)
{
	const struct trace_facts *facts = trace_facts(trace);
	uint64_t lost = facts->lost_event_count + facts->damage_event_count;

	if (facts->is_damaged)
		return error_set(ret_error, EXIT_DATA_MISSING,
				 "%s: damaged at byte %" PRIu64 ": %s; "
				 "the report has what could be read",
				 facts->path, facts->damage[0].offset, facts->damage[0].reason);
	if (facts->is_cut && facts->state == TRACE_KILLED && facts->rings != TRACE_RINGS_READ)
		return error_set(ret_error, EXIT_DATA_MISSING,
				 "%s: cut at byte %" PRIu64 "; the report "
				 "has what comes before it",
				 facts->path, facts->cut_offset);
	if (facts->state == TRACE_KILLED && facts->rings != TRACE_RINGS_READ)
		return error_set(ret_error, EXIT_DATA_MISSING,
				 "%s: ends at byte %" PRIu64 " without "
				 "its end: the process ended without closing it, and its rings are gone; its last "
				 "moments may be missing",
				 facts->path, facts->file_bytes);
	if (lost > (lost + facts->event_count) / LOST_SHARE_MAX)
		return error_set(ret_error, EXIT_DATA_MISSING, "%s: %" PRIu64 " of %" PRIu64
				 " events were lost; counts are too low", facts->path, lost,
				 lost + facts->event_count);
	return 0;
}

int completeness_of_faults(const struct trace *trace, const struct report *report,
			   struct error *ret_error)
{
	double share = report->run.lost_fault_share;

	if (share <= LOST_FAULT_SHARE_MAX)
		return 0;
	return error_set(ret_error, EXIT_DATA_MISSING,
			 "%s: %.3g%% of the page faults were lost: their tables are a lower bound",
			 trace_facts(trace)->path, share * 100);
}
