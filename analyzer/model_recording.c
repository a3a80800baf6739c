/* SPDX-License-Identifier: MIT */
/* Gaps in the recording; see model_recording.h. Calls nothing. One thread. */
#include "model_recording.h"

void recording_apply(struct recording_gaps *gaps, const struct lt_record *record,
		     uint64_t known_since_ns, const struct heap_totals *heap)
{
	if (LT_STATE_AUX(record->state) == LT_recording_change_off) {
		if (gaps->is_off)
			return;
		gaps->is_off = true;
		gaps->off_since_ns = record->time;
		gaps->off_count++;
		gaps->live_count = heap->live_count;
		gaps->live_bytes = heap->live_bytes;
		return;
	}
	/* a bound may have dropped the event of its begin */
	if (!gaps->is_off) {
		gaps->off_since_ns = known_since_ns;
		gaps->off_count++;
		gaps->live_count = heap->live_count;
		gaps->live_bytes = heap->live_bytes;
	}
	if (record->time > gaps->off_since_ns)
		gaps->off_ns += record->time - gaps->off_since_ns;
	gaps->is_off = false;
}

uint64_t recording_off_ns(const struct recording_gaps *gaps, uint64_t end_ns)
{
	uint64_t open_ns = gaps->is_off && end_ns > gaps->off_since_ns ?
			   end_ns - gaps->off_since_ns : 0;

	return gaps->off_ns + open_ns;
}
