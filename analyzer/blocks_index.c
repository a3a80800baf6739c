/* SPDX-License-Identifier: MIT */
/*
 * The walk over the frames of a trace file: each block's place and checksum, the end, and what is
 * left when a frame is not what it should be. After damage it searches for the next block header
 * whose checksum is right; the work of that search is bounded, since a hostile file could make it
 * quadratic.
 */
#define _GNU_SOURCE 1		/* memmem */
#include "blocks_index.h"

#include <string.h>

#include "blocks_bundle.h"
#include "blocks_window.h"

#define FRAME_BYTES sizeof(struct lt_frame_header)
#define SEARCH_BUDGET_FACTOR 8

/* The range of magic numbers that zstd leaves to skippable frames. */
#define SKIPPABLE_FIRST 0x184d2a50u
#define SKIPPABLE_LAST 0x184d2a5fu

enum frame_kind {
	FRAME_IS_BLOCK,
	FRAME_IS_END,
	FRAME_IS_FOREIGN,	/* a skippable frame of a later format */
	FRAME_IS_CUT,		/* begins right, and the file ends before it does */
	FRAME_IS_BAD,
};

struct frame {
	enum frame_kind kind;
	uint64_t next_offset;
	uint64_t summed_bytes;	/* what checking it has cost */
	const char *reason;
	struct block block;
	struct lt_file_end end;
};

static struct frame bad_frame(const char *reason)
{
	return (struct frame){ .kind = FRAME_IS_BAD, .reason = reason };
}

static struct frame cut_frame(void)
{
	return (struct frame){ .kind = FRAME_IS_CUT, .reason = "the file ends inside a block" };
}

static void block_from_header(struct block *block, const struct lt_block_header *header,
			      uint64_t payload_offset)
{
	*block = (struct block){
		.payload_offset = payload_offset,
		.first_position = header->first_position,
		.end_position = header->end_position,
		.begin_ns = header->begin_ns,
		.end_ns = header->end_ns,
		.compressed_bytes = header->compressed_bytes,
		.raw_bytes = header->raw_bytes,
		.payload_bytes = header->raw_bytes,
		.event_count = header->event_count,
		.stream = header->stream,
		.type = header->type,
		.flags = header->flags,
		.time_shift = header->time_shift,
	};
}

/* Events of a block, of all members of a bundle, or definitions. */
static uint32_t max_count(const struct lt_block_header *header)
{
	return header->type == LT_BLOCK_EVENTS || header->type == LT_BLOCK_LIVE ? BLOCK_MAX_EVENTS
										 : BLOCK_MAX_ROWS;
}

static bool is_header_sane(const struct lt_block_header *header)
{
	return header->magic == LT_BLOCK_MAGIC && header->raw_bytes <= BLOCK_RAW_MAX_BYTES &&
	       header->compressed_bytes <= BLOCK_RAW_MAX_BYTES && header->stream < TRACE_MAX_ID &&
	       header->event_count <= max_count(header) && header->time_shift <= LT_TIME_SHIFT_MAX &&
	       (header->type != LT_BLOCK_BUNDLE || header->raw_bytes <= LT_BUNDLE_MAX_BYTES);
}

static struct frame look_at_block(struct window *window, uint64_t offset, uint32_t content_bytes)
{
	struct frame frame = { .kind = FRAME_IS_BLOCK };
	struct lt_block_header header;
	uint64_t payload_offset = offset + FRAME_BYTES + content_bytes;
	const uint8_t *bytes;
	uint32_t stored, crc;

	if (content_bytes < sizeof(header))
		return bad_frame("a block header is too short");
	bytes = window_at(window, offset + FRAME_BYTES, sizeof(header));
	if (!bytes)
		return cut_frame();
	memcpy(&header, bytes, sizeof(header));
	if (!is_header_sane(&header))
		return bad_frame("a block header is damaged");
	bytes = window_at(window, payload_offset, header.compressed_bytes);
	if (!bytes)
		return cut_frame();
	stored = header.crc;
	header.crc = 0;
	crc = blocks_crc32c(0, &header, sizeof(header));
	crc = blocks_crc32c(crc, bytes, header.compressed_bytes);
	frame.summed_bytes = header.compressed_bytes;
	if (crc != stored) {
		frame.kind = FRAME_IS_BAD;
		frame.reason = "the checksum of a block is wrong";
		return frame;
	}
	block_from_header(&frame.block, &header, payload_offset);
	frame.next_offset = payload_offset + header.compressed_bytes;
	return frame;
}

static struct frame look_at_end(struct window *window, uint64_t offset, uint32_t content_bytes)
{
	struct frame frame = { .kind = FRAME_IS_END };
	const uint8_t *bytes;
	uint32_t stored;

	if (content_bytes < sizeof(frame.end))
		return bad_frame("the end of the trace is damaged");
	bytes = window_at(window, offset + FRAME_BYTES, content_bytes);
	if (!bytes)
		return cut_frame();
	memcpy(&frame.end, bytes, sizeof(frame.end));
	stored = frame.end.crc;
	frame.end.crc = 0;
	if (frame.end.magic != LT_END_MAGIC ||
	    blocks_crc32c(0, &frame.end, sizeof(frame.end)) != stored)
		return bad_frame("the end of the trace is damaged");
	frame.next_offset = offset + FRAME_BYTES + content_bytes;
	return frame;
}

static struct frame look(struct window *window, uint64_t offset)
{
	struct lt_frame_header head;
	const uint8_t *bytes = window_at(window, offset, sizeof(head));

	if (!bytes)
		return cut_frame();
	memcpy(&head, bytes, sizeof(head));
	if (head.magic == LT_FRAME_BLOCK)
		return look_at_block(window, offset, head.content_bytes);
	if (head.magic == LT_FRAME_END)
		return look_at_end(window, offset, head.content_bytes);
	if (head.magic < SKIPPABLE_FIRST || head.magic > SKIPPABLE_LAST)
		return bad_frame("there is no block where one should begin");
	if (window->file_bytes - offset - FRAME_BYTES < head.content_bytes)
		return cut_frame();
	return (struct frame){ .kind = FRAME_IS_FOREIGN,
			       .next_offset = offset + FRAME_BYTES + head.content_bytes };
}

/*
 * @return the next offset at or behind from where a frame of ours may begin, the file's end without
 * one.
 */
static uint64_t find_magic(struct window *window, uint64_t from)
{
	static const uint8_t tail[3] = { 0x2a, 0x4d, 0x18 };

	while (from + FRAME_BYTES < window->file_bytes) {
		size_t length;
		const uint8_t *bytes = window_some(window, from, &length);
		const uint8_t *hit;

		if (!bytes)
			break;
		if (length < FRAME_BYTES) {
			bytes = window_at(window, from, FRAME_BYTES);
			length = FRAME_BYTES;
			if (!bytes)
				break;
		}
		hit = memmem(bytes + 1, length - 1, tail, sizeof(tail));
		if (!hit) {
			from += length - sizeof(tail);
			continue;
		}
		from += (uint64_t)(hit - 1 - bytes);
		if (hit[-1] == (uint8_t)LT_FRAME_BLOCK || hit[-1] == (uint8_t)LT_FRAME_END)
			return from;
		from++;
	}
	return window->file_bytes;
}

/* @return where the next whole frame begins, the file's end when there is none. */
static uint64_t resynchronise(struct window *window, uint64_t from, uint64_t *budget_bytes)
{
	for (;;) {
		struct frame frame;

		from = find_magic(window, from);
		if (from >= window->file_bytes)
			return window->file_bytes;
		frame = look(window, from);
		if (frame.kind == FRAME_IS_BLOCK || frame.kind == FRAME_IS_END)
			return from;
		if (frame.summed_bytes > *budget_bytes)
			return window->file_bytes;
		*budget_bytes -= frame.summed_bytes;
		from++;
	}
}

static bool append(struct block_list *list, const struct block *block)
{
	if (!grow((void **)&list->blocks, list->count, &list->capacity, sizeof(*list->blocks)))
		return false;
	list->blocks[list->count++] = *block;
	return true;
}

/* Parts that do not follow each other belong to an attempt that was not finished. */
static bool add_pool_part(struct block_index *index, const struct block *block)
{
	struct block_list *list = &index->pool_parts;
	uint64_t end = list->count ? list->blocks[list->count - 1].end_position : 0;

	if (index->is_pool_whole)
		return true;
	if (block->first_position == 0)
		end = list->count = 0;
	if (block->first_position != end || block->end_position != end + block->raw_bytes ||
	    block->end_position > POOL_MAX_BYTES) {
		list->count = 0;
		return true;
	}
	index->is_pool_whole = block->flags & LT_BLOCK_IS_LAST_PART;
	return append(list, block);
}

static void note_stretch(struct block_index *index, uint64_t offset, uint64_t end,
			 const char *reason)
{
	struct trace_damage damage = {
		.offset = offset, .byte_count = end - offset, .reason = reason,
	};

	damage_add(&index->damage, &damage);
}

static bool add_block(struct block_index *index, const struct block *block)
{
	switch (block->type) {
	case LT_BLOCK_TABLE:
		return append(&index->tables, block);
	case LT_BLOCK_DEFS:
		return append(&index->definitions, block) &&
		       (!(block->flags & LT_BLOCK_BEGINS_SEGMENT) || !block->first_position ||
			append(&index->segments, block));
	case LT_BLOCK_LIVE:
		return append(&index->live, block);
	case LT_BLOCK_EVENTS:
		return append(&index->events, block);
	case LT_BLOCK_POOL:
		return add_pool_part(index, block);
	default:
		return true;
	}
}

/* Its members are blocks of events like any other. @return false when memory is short. */
static bool add_bundle(struct block_index *index, const struct block *block,
		       struct block_buffer *buffer)
{
	struct bundle_walk walk;
	const char *fault = block_read(index, block, buffer);
	struct block member;

	if (!fault)
		fault = bundle_begin(&walk, block, buffer->raw);
	while (!fault && bundle_next(&walk, &member))
		if (!append(&index->events, &member))
			return false;
	if (fault)
		note_stretch(index, block->payload_offset,
			     block->payload_offset + block->compressed_bytes, fault);
	return true;
}

/* @return where to go on after a frame that is cut or bad. */
static uint64_t step_over(struct block_index *index, struct window *window, uint64_t offset,
			  const struct frame *frame, uint64_t *budget_bytes)
{
	uint64_t next = resynchronise(window, offset + 1, budget_bytes);
	bool is_last = next >= window->file_bytes;

	if (frame->kind == FRAME_IS_CUT && is_last) {
		index->is_cut = true;
		index->cut_offset = offset;
	} else if (index->has_end && is_last) {
		note_stretch(index, offset, next, "bytes behind the end of the trace");
	} else {
		note_stretch(index, offset, next, frame->reason);
	}
	return next;
}

static bool walk(struct block_index *index, struct window *window, uint64_t offset,
		 struct block_buffer *buffer)
{
	uint64_t budget_bytes = (index->file_bytes + (1u << 20)) * SEARCH_BUDGET_FACTOR;

	while (offset < index->file_bytes) {
		struct frame frame = look(window, offset);

		if (frame.kind == FRAME_IS_CUT || frame.kind == FRAME_IS_BAD) {
			offset = step_over(index, window, offset, &frame, &budget_bytes);
			continue;
		}
		if (frame.kind == FRAME_IS_BLOCK) {
			index->has_end = false;
			if (!(frame.block.type == LT_BLOCK_BUNDLE ?
				      add_bundle(index, &frame.block, buffer) :
				      add_block(index, &frame.block)))
				return false;
		} else if (frame.kind == FRAME_IS_END) {
			index->has_end = true;
			index->end = frame.end;
		}
		offset = frame.next_offset;
	}
	return true;
}

bool block_index_walk(struct block_index *index, uint64_t offset)
{
	struct block_buffer buffer = { 0 };
	struct window window;
	bool is_done;

	window_init(&window, index->fd, index->file_bytes);
	if (offset > index->file_bytes) {
		offset = FRAME_BYTES + sizeof(struct lt_file_header);
		note_stretch(index, 0, offset, "the length of the file header is damaged");
	}
	is_done = walk(index, &window, offset, &buffer);
	block_buffer_release(&buffer);
	window_release(&window);
	return is_done;
}
