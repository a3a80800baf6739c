/* SPDX-License-Identifier: MIT */
/*
 * The ring of bytes of a bounded trace; see trace_space.h. Segments are known by the place of their
 * first frame; what lies between the place of writing and the oldest segment that begins behind it
 * is free. The writer thread alone; calls nothing.
 */
#include "trace_space.h"

#define SEGMENTS_MAX 1024u

/* The place of a segment whose first frame is not written yet. */
#define NO_PLACE UINT64_MAX

static struct {
	uint64_t max_bytes, head_bytes;
	uint64_t write_at;
	uint64_t file_end;
	uint64_t begins[SEGMENTS_MAX]; /* by number % SEGMENTS_MAX */
	uint64_t oldest, newest;       /* numbers, from 1 */
	uint64_t newest_bytes;
	/*
	 * segments up to this one went past the bound: parts of them lie where the oldest segment
	 * would not tell
	 */
	uint64_t scattered;
} space;

void space_init(uint64_t max_bytes, uint64_t head_bytes)
{
	space.max_bytes = max_bytes;
	space.head_bytes = space.write_at = space.file_end = head_bytes;
	space.oldest = 1;
	space.newest = space.newest_bytes = space.scattered = 0;
}

static void drop_oldest(void)
{
	space.oldest++;
}

void space_begin_segment(void)
{
	space.newest++;
	space.newest_bytes = 0;
	if (space.newest - space.oldest == SEGMENTS_MAX)
		drop_oldest();
	space.begins[space.newest % SEGMENTS_MAX] = NO_PLACE;
}

uint64_t space_segment(void)
{
	return space.newest;
}

uint64_t space_oldest_segment(void)
{
	return space.oldest;
}

uint64_t space_segment_bytes(void)
{
	return space.newest_bytes;
}

uint64_t space_file_end(void)
{
	return space.file_end;
}

/* @return where the first segment at or behind the place of writing begins; the file's end. */
static uint64_t free_end(void)
{
	uint64_t end = space.file_end;

	for (uint64_t i = space.oldest; i <= space.newest; i++) {
		uint64_t begin = space.begins[i % SEGMENTS_MAX];

		if (begin >= space.write_at && begin < end)
			end = begin;
	}
	return end;
}

/* Back to the head. What went past the bound has parts everywhere: it must be gone first. */
static void wrap(void)
{
	while (space.oldest <= space.scattered)
		drop_oldest();
	space.write_at = space.head_bytes;
}

static bool may_wrap(void)
{
	return space.scattered < space.newest && space.oldest < space.newest;
}

/* What lies past the bound is not used again: the file is cut there. */
static bool fits(uint64_t bytes, uint64_t room)
{
	return space.write_at + bytes <= space.max_bytes &&
	       (room == bytes || room >= bytes + SPACE_VOID_BYTES);
}

/* Behind the last frame of the file. @return false when the bound is reached there. */
static bool try_append(uint64_t bytes, struct space_plan *plan)
{
	if (space.write_at + bytes > space.max_bytes) {
		if (may_wrap()) {
			wrap();
			return false;
		}
		space.scattered = space.newest;
	}
	plan->is_append = true;
	return true;
}

/* Into what the oldest segments leave. */
static bool try_overwrite(uint64_t bytes, bool is_new_place, struct space_plan *plan)
{
	uint64_t room = free_end() - space.write_at;
	bool is_dropped = is_new_place;

	while (!fits(bytes, room) && space.write_at + room < space.file_end &&
	       space.oldest < space.newest) {
		drop_oldest();
		is_dropped = true;
		room = free_end() - space.write_at;
	}
	if (fits(bytes, room)) {
		plan->void_bytes = is_dropped ? room : 0;
		plan->rest_bytes = room - bytes;
		return true;
	}
	if (space.write_at + room < space.file_end) {
		/* the newest segment alone is left: on behind the end of the file */
		plan->void_bytes = 0;
		space.scattered = space.newest;
		space.write_at = space.file_end;
		return false;
	}
	plan->is_truncated = true;
	plan->truncate_at = space.file_end = space.write_at;
	return false;
}

void space_take(uint64_t bytes, struct space_plan *plan)
{
	bool is_new_place = false;

	*plan = (struct space_plan){.is_append = false};
	for (;;) {
		bool is_behind_end = space.write_at == space.file_end;

		if (is_behind_end ? try_append(bytes, plan)
				  : try_overwrite(bytes, is_new_place, plan))
			break;
		is_new_place = is_behind_end;
	}
	plan->offset = space.write_at;
	if (space.begins[space.newest % SEGMENTS_MAX] == NO_PLACE)
		space.begins[space.newest % SEGMENTS_MAX] = plan->offset;
	space.write_at += bytes;
	space.newest_bytes += bytes;
	if (plan->is_append)
		space.file_end = space.write_at;
}

void space_give_back(const struct space_plan *plan)
{
	if (plan->is_append)
		space.write_at = space.file_end = plan->offset;
}
