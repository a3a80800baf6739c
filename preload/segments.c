/* SPDX-License-Identifier: MIT */
/*
 * Segments of a bounded trace; see segments.h. A segment begins at a cut: all rings were drained up
 * to one moment, so the heap as it is known is the net effect of all blocks before. Entered by the
 * writer thread (the first segment by start-up); takes no lock.
 */
#include "segments.h"

#include "clock.h"
#include "control.h"
#include "definitions.h"
#include "drain.h"
#include "encode.h"
#include "live_heap.h"
#include "proc_samples.h"
#include "sys.h"
#include "trace_file.h"
#include "trace_space.h"

#define SEGMENTS_WANTED 8u /* that many fill the file */
#define SEGMENT_MAX_BYTES (512u << 20)
#define CHECKPOINT_SHARE 2u	/* a segment is at least so much larger than its checkpoint */
#define SEGMENT_SHARE_MAX 3u	/* but not larger than this part of the bound */
#define PATIENCE_NS 5000000000u /* for a record that a thread does not complete */
#define COUNTS_KEPT 1024u
#define LIVE_BLOCKS_A_BLOCK (ENCODE_EVENTS_MAX / LT_SLOTS(live_block))

static uint64_t wanted_bytes, most_bytes;
static uint64_t checkpoint_bytes;
static uint64_t due_at_ns;	     /* 0: none is due */
static uint64_t counts[COUNTS_KEPT]; /* events before a segment, by its number */

static void begin_segment(uint64_t begin_ns)
{
	struct lt_block_header header = {.type = LT_BLOCK_DEFS,
					 .flags = LT_BLOCK_IS_CHECKPOINT | LT_BLOCK_BEGINS_SEGMENT};
	uint64_t written_bytes = trace_file_bytes();
	const uint8_t *rows;
	size_t bytes;

	space_begin_segment();
	counts[space_segment() % COUNTS_KEPT] = trace_file_event_count();
	definitions_segment(&(struct definitions_segment){
		.number = space_segment(),
		.begin_ns = begin_ns,
		.event_count = trace_file_event_count(),
		.written_bytes = written_bytes,
		.live_count = live_heap_count(),
		.live_bytes = live_heap_bytes(),
	});
	header.first_position = space_segment();
	header.begin_ns = header.end_ns = begin_ns;
	definitions_take(&rows, &bytes, &header.event_count);
	trace_file_write_block(&header, rows, bytes);
}

bool segments_init(uint64_t max_bytes, bool has_heap)
{
	if (!max_bytes)
		return true;
	if (!trace_file_bound(max_bytes) || (has_heap && !live_heap_init()))
		return false;
	wanted_bytes = max_bytes / SEGMENTS_WANTED;
	if (wanted_bytes > SEGMENT_MAX_BYTES)
		wanted_bytes = SEGMENT_MAX_BYTES;
	most_bytes = max_bytes / SEGMENT_SHARE_MAX;
	begin_segment(trace_file_start_ns());
	return true;
}

bool segments_are_used(void)
{
	return wanted_bytes;
}

uint64_t segments_dropped_event_count(void)
{
	return segments_are_used() ? counts[space_oldest_segment() % COUNTS_KEPT] : 0;
}

/* ---- live blocks ---- */
static void write_live(void)
{
	struct lt_block_header header = {
		.type = LT_BLOCK_LIVE, .stream = 1, .time_shift = ENCODE_TIME_SHIFT};

	header.event_count = encode_count();
	header.begin_ns = encode_begin_ns();
	header.end_ns = encode_end_ns();
	if (header.event_count)
		drain_write_encoded(&header);
	encode_begin();
}

static void write_live_blocks(uint64_t cut_ticks)
{
	struct live_heap_block block;
	uint64_t position = 0;

	encode_begin();
	while (live_heap_is_kept && live_heap_next(&position, &block)) {
		struct lt_ev_live_block event = {
			.head = {cut_ticks, block.stack,
				 LT_STATE(LT_KIND_live_block, LT_SLOTS(live_block), 0, 0)},
			.addr = block.addr,
			.size_bytes = block.size_bytes,
			.age_ms = (uint32_t)(drain_span_ns(cut_ticks - block.ticks) / 1000000u),
			.stream = block.stream,
		};

		encode_add(&event.head);
		if (encode_count() == LIVE_BLOCKS_A_BLOCK)
			write_live();
	}
	write_live();
}

/* ---- when ---- */
/*
 * A segment pays for its checkpoint, unless that would leave too few of them. What is written past
 * that limit while a cut is waited for, or in one pass over the rings, is the file's slack.
 */
static bool is_due(void)
{
	uint64_t bytes = space_segment_bytes(), wanted = checkpoint_bytes * CHECKPOINT_SHARE;

	if (wanted < wanted_bytes)
		wanted = wanted_bytes;
	return bytes >= (wanted < most_bytes ? wanted : most_bytes);
}

static void write_checkpoint(uint64_t cut_ticks)
{
	uint64_t written_bytes = trace_file_bytes();

	trace_file_write_definitions(0);
	if (live_heap_is_kept)
		live_heap_sweep();
	begin_segment(drain_now_ns());
	write_live_blocks(cut_ticks);
	definitions_repeat();
	drain_define_streams_again();
	trace_file_write_definitions(LT_BLOCK_IS_CHECKPOINT);
	checkpoint_bytes = trace_file_bytes() - written_bytes;
	proc_sample_fds(LT_seen_at_segment);
	proc_sample_maps(LT_seen_at_segment);
	proc_sample_process(LT_seen_at_segment);
	proc_sample_names();
	control_repeat_mark();
}

void segments_look(void)
{
	uint64_t cut_ticks;

	if (!segments_are_used() || !is_due())
		return;
	if (!due_at_ns)
		due_at_ns = drain_now_ns();
	if (!drain_cut(&cut_ticks) && drain_now_ns() - due_at_ns < PATIENCE_NS)
		return;
	due_at_ns = 0;
	write_checkpoint(cut_ticks);
}
