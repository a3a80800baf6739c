/* SPDX-License-Identifier: MIT */
/* The pools of pool_builder.h: built in memory in the layout of the file, written in one go. */
#include "pool_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace_builder.h"

#define HEADER_BYTES ((sizeof(struct lt_pool_header) + 4095u) & ~4095u)

struct pool_builder {
	struct lt_pool_header *header;	/* and all behind it */
	struct lt_ring *ring;
	uint8_t *arena;
	uint32_t next_grain;
	uint64_t file_bytes;
};

static void need(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "pool_builder: %s\n", what);
	abort();
}

static void add_extent(struct pool_builder *builder, enum lt_extent_type type, uint64_t bytes)
{
	builder->header->extents[builder->header->extent_count++] =
		(struct lt_extent){ builder->file_bytes, bytes, type, 0 };
	builder->file_bytes += bytes;
}

struct pool_builder *pool_builder_new(const struct lt_file_header *file)
{
	struct pool_builder *builder = calloc(1, sizeof(*builder));
	uint64_t bytes = HEADER_BYTES + LT_RING_BYTES + LT_ARENA_BYTES;
	struct lt_pool_header *header = aligned_alloc(4096, bytes);

	need(builder && header, "no memory");
	memset(header, 0, bytes);
	builder->header = header;
	memcpy(header->magic, LT_POOL_MAGIC, sizeof(header->magic));
	header->version = LT_POOL_VERSION;
	header->header_bytes = sizeof(*header);
	header->pid = file->pid;
	header->process_start_ticks = file->process_start_ticks;
	memcpy(header->boot_id, file->boot_id, sizeof(header->boot_id));
	header->first_clock = (struct lt_clock_pair){ 0, POOL_START_NS };
	header->clocks[1] = (struct lt_clock_pair){ 2000, POOL_TIME_NS(2000) };
	header->clocks[0] = (struct lt_clock_pair){ 4000, POOL_TIME_NS(4000) };
	header->clock_count = 2;
	builder->file_bytes = HEADER_BYTES;
	add_extent(builder, LT_EXTENT_RINGS, LT_RING_BYTES);
	add_extent(builder, LT_EXTENT_ARENA, LT_ARENA_BYTES);
	builder->ring = (struct lt_ring *)((uint8_t *)header + HEADER_BYTES);
	builder->ring->state = LT_RING_IN_USE;
	builder->ring->stream = 2;
	builder->ring->tid = 77;
	builder->ring->slot_count = LT_RING_SLOTS;
	builder->arena = (uint8_t *)(builder->ring + 1);
	builder->next_grain = 1;
	return builder;
}

struct lt_pool_header *pool_builder_header(struct pool_builder *builder)
{
	return builder->header;
}

struct lt_ring *pool_builder_ring(struct pool_builder *builder)
{
	return builder->ring;
}

void pool_builder_zeros(struct pool_builder *builder, uint64_t bytes)
{
	add_extent(builder, LT_EXTENT_INDEX, bytes);
}

static struct lt_record *slot_at(struct lt_ring *ring, uint64_t position)
{
	return (struct lt_record *)(ring->slots + position % LT_RING_SLOTS * LT_SLOT_BYTES);
}

static uint64_t reserve(struct lt_ring *ring, unsigned slots)
{
	unsigned left = LT_RING_SLOTS - (unsigned)(ring->head % LT_RING_SLOTS);
	uint64_t position;

	if (left < slots) {
		slot_at(ring, ring->head)->state = LT_STATE(LT_KIND_PAD, left, 0,
							    LT_LAP(ring->head));
		ring->head += left;
	}
	position = ring->head;
	ring->head += slots;
	return position;
}

uint64_t pool_ring_add(struct lt_ring *ring, unsigned kind, unsigned aux, const void *record)
{
	const struct lt_event_info *info = lt_event_info(kind);
	uint64_t position = reserve(ring, info->slots);
	struct lt_record *slot = slot_at(ring, position);

	memcpy(slot, record, builder_record_bytes(info));
	slot->state = LT_STATE(kind, info->slots, aux, LT_LAP(position));
	return position;
}

uint64_t pool_ring_hole(struct lt_ring *ring, unsigned slots, bool is_begun)
{
	uint64_t position = reserve(ring, slots);

	if (is_begun)
		slot_at(ring, position)->state = LT_STATE(0, slots, 0, LT_LAP(position));
	return position;
}

uint64_t pool_ring_alloc(struct lt_ring *ring, uint64_t ticks, uint32_t stack, uint64_t addr)
{
	struct lt_ev_alloc event = { .head = { .time = ticks, .stack = stack }, .addr = addr,
				     .size_bytes = 8 };

	return pool_ring_add(ring, LT_KIND_alloc, LT_alloc_call_malloc, &event);
}

static uint32_t intern(struct pool_builder *builder, enum lt_intern_type type, uint32_t file_id,
		       const void *data, size_t bytes)
{
	uint32_t grain = builder->next_grain;
	struct lt_intern_entry *entry =
		(struct lt_intern_entry *)(builder->arena + (size_t)grain * LT_ARENA_GRAIN);

	*entry = (struct lt_intern_entry){ .state = type, .length = (uint32_t)bytes,
					   .file_id = file_id };
	memcpy(entry->data, data, bytes);
	builder->next_grain += (uint32_t)(sizeof(*entry) + bytes + LT_ARENA_GRAIN - 1) /
			       LT_ARENA_GRAIN;
	return LT_INTERN_ID(0, grain);
}

uint32_t pool_intern_stack(struct pool_builder *builder, uint32_t file_id, const uint64_t *addrs,
			   size_t count)
{
	return intern(builder, LT_INTERN_STACK, file_id, addrs, count * sizeof(*addrs));
}

uint32_t pool_intern_string(struct pool_builder *builder, uint32_t file_id, const char *text)
{
	return intern(builder, LT_INTERN_STRING, file_id, text, strlen(text));
}

void pool_builder_finish(struct pool_builder *builder, const char *path)
{
	FILE *file = fopen(path, "we");
	size_t bytes = HEADER_BYTES + LT_RING_BYTES + LT_ARENA_BYTES;

	need(file && fwrite(builder->header, 1, bytes, file) == bytes,
	     "the file cannot be written");
	need(fflush(file) == 0 && ftruncate(fileno(file), (off_t)builder->file_bytes) == 0 &&
	     fclose(file) == 0, "the file cannot be written");
	free(builder->header);
	free(builder);
}
