/* SPDX-License-Identifier: MIT */
/*
 * The pool file: is it that of this trace, which rings does it have, and copies of them; see
 * pool_reader.h. Offsets and counts in it are checked before they are used: the process may have
 * died at any instruction.
 */
#include "pool_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks_window.h"
#include "pool_extents.h"
#include "pool_reader_parts.h"
#include "private_path.h"
#include "regular_file.h"

static const char *check_header(const struct lt_pool_header *pool,
				const struct lt_file_header *file)
{
	if (memcmp(pool->magic, LT_POOL_MAGIC, sizeof(pool->magic)) != 0)
		return "the ring file is not one";
	if (pool->version != LT_POOL_VERSION || pool->header_bytes != sizeof(*pool))
		return "the ring file has another version";
	if (pool->pid != file->pid || pool->process_start_ticks != file->process_start_ticks ||
	    memcmp(pool->boot_id, file->boot_id, sizeof(pool->boot_id)) != 0)
		return "the ring file belongs to another process";
	/* both stand for one process, whose recording began later */
	if (pool->first_clock.ns > file->start_ns)
		return "the ring file belongs to a later program of the process";
	return NULL;
}

/* The name of the file that the header gives may have a user's name replaced. */
static int open_path(const char *path)
{
	char *found = private_path_find(path);
	int fd = found ? regular_file_open(found, O_NOFOLLOW) : -1;

	free(found);
	return fd;
}

static const char *read_header(struct pool *pool, const struct lt_file_header *file)
{
	struct stat status;

	if (pool->fd < 0)
		return "the ring file cannot be opened";
	if (fstat(pool->fd, &status) != 0 || !S_ISREG(status.st_mode))
		return "the ring file is not one";
	pool->file_bytes = (uint64_t)status.st_size;
	pool->header = malloc(sizeof(*pool->header));
	if (!pool->header)
		return "not enough memory for the rings";
	if (window_pread(pool->fd, pool->header, sizeof(*pool->header), 0) != sizeof(*pool->header))
		return "the ring file is too short";
	return check_header(pool->header, file);
}

static void init_clock(struct pool_clock *clock, const struct lt_pool_header *header)
{
	const struct lt_clock_pair *first = &header->first_clock, *newest = &header->clocks[0];

	if (header->clocks[1].ns > newest->ns)
		newest = &header->clocks[1];
	if (newest->ns < first->ns)
		newest = first;
	clock->anchor = *newest;
	clock->ticks = (int64_t)(newest->ticks - first->ticks);
	clock->ns = (int64_t)(newest->ns - first->ns);
	if (clock->ticks <= 0 || clock->ns <= 0)
		clock->ticks = clock->ns = 1;
}

static uint64_t scale(const struct pool_clock *clock, int64_t ticks)
{
	return (uint64_t)(int64_t)((__int128)ticks * clock->ns / clock->ticks);
}

uint64_t pool_time_ns(const struct pool_clock *clock, uint64_t ticks)
{
	return clock->anchor.ns + scale(clock, (int64_t)(ticks - clock->anchor.ticks));
}

uint64_t pool_duration_ns(const struct pool_clock *clock, uint64_t ticks)
{
	return ticks <= INT64_MAX ? scale(clock, (int64_t)ticks) : 0;
}

/*
 * Where to begin: behind what the file has, when the ring still holds that; else at the tail, the
 * only other position that is known to begin a record.
 */
static uint64_t first_to_copy(const struct lt_ring *ring, uint64_t file_end)
{
	uint64_t from = file_end > ring->first_position ? file_end : ring->first_position;

	/* of a trace with a bound the file may have nothing of a stream any more */
	if (!file_end && ring->tail > from)
		from = ring->tail;
	if (ring->head - from > LT_RING_SLOTS || from > ring->head)
		from = ring->tail > ring->first_position ? ring->tail : ring->first_position;
	if (ring->head - from > LT_RING_SLOTS || from > ring->head)
		from = ring->head;
	return from;
}

/* Reads slots [from, to) of a ring that lies at offset; the ring's end may lie between them. */
static bool read_slots(const struct pool *pool, uint64_t offset, uint64_t from, uint64_t to,
		       uint8_t *ret_slots)
{
	offset += offsetof(struct lt_ring, slots);
	while (from < to) {
		uint64_t index = from % LT_RING_SLOTS;
		uint64_t count =
			to - from < LT_RING_SLOTS - index ? to - from : LT_RING_SLOTS - index;
		size_t bytes = (size_t)count * LT_SLOT_BYTES;

		if (window_pread(pool->fd, ret_slots, bytes, offset + index * LT_SLOT_BYTES) !=
		    bytes)
			return false;
		ret_slots += bytes;
		from += count;
	}
	return true;
}

/*
 * The slots are read twice: a record counts when its state word was committed in the first reading,
 * and its bytes come from the second, which began after that. Records that are overwritten
 * meanwhile are in the file, whose index is made later.
 */
static bool copy_slots(const struct pool *pool, uint64_t offset, struct ring_copy *copy)
{
	size_t count = (size_t)(copy->head->head - copy->from);

	copy->slots = malloc((count + 1) * LT_SLOT_BYTES);
	copy->states = malloc((count + 1) * sizeof(*copy->states));
	if (!copy->slots || !copy->states ||
	    !read_slots(pool, offset, copy->from, copy->head->head, copy->slots))
		return false;
	for (size_t i = 0; i < count; i++)
		memcpy(&copy->states[i],
		       copy->slots + i * LT_SLOT_BYTES + offsetof(struct lt_record, state),
		       sizeof(*copy->states));
	return read_slots(pool, offset, copy->from, copy->head->head, copy->slots);
}

static void release_copy(struct ring_copy *copy)
{
	free(copy->head);
	free(copy->slots);
	free(copy->states);
}

static bool copy_ring(const struct pool *pool, uint64_t offset, stream_position_fn position,
		      const void *context, struct ring_copy *copy)
{
	/* of the whole struct, though only its first pages are ever touched */
	struct lt_ring *head = aligned_alloc(_Alignof(struct lt_ring), sizeof(*head));

	*copy = (struct ring_copy){ .head = head };
	if (!head ||
	    window_pread(pool->fd, head, LT_RING_HEADER_BYTES, offset) != LT_RING_HEADER_BYTES)
		return false;
	if (head->state != LT_RING_IN_USE || head->stream == 0 ||
	    head->stream >= TRACE_MAX_ID || head->slot_count != LT_RING_SLOTS)
		return false;
	copy->from = first_to_copy(head, position(context, head->stream).end_position);
	return copy_slots(pool, offset, copy);
}

/* A ring that another thread took meanwhile was written out before: its stream is in the file. */
static bool is_still_the_same(const struct pool *pool, uint64_t offset, const struct lt_ring *head)
{
	uint32_t stream = 0;

	return window_pread(pool->fd, &stream, sizeof(stream),
			    offset + offsetof(struct lt_ring, stream)) == sizeof(stream) &&
	       stream == head->stream;
}

static void copy_extent(struct pool *pool, const struct lt_extent *extent,
			stream_position_fn position, const void *context)
{
	for (uint64_t at = 0; extent->bytes - at >= LT_RING_BYTES; at += LT_RING_BYTES) {
		struct ring_copy copy;
		uint64_t offset = extent->offset + at;

		if (copy_ring(pool, offset, position, context, &copy) &&
		    is_still_the_same(pool, offset, copy.head) &&
		    grow((void **)&pool->rings, pool->ring_count, &pool->ring_capacity,
			 sizeof(*pool->rings)))
			pool->rings[pool->ring_count++] = copy;
		else
			release_copy(&copy);
	}
}

static void copy_rings(struct pool *pool, stream_position_fn position, const void *context)
{
	uint32_t count = pool->header->extent_count;

	if (count > LT_EXTENT_MAX)
		count = LT_EXTENT_MAX;
	for (uint32_t i = 0; i < count; i++) {
		const struct lt_extent *extent = pool_extent(pool->header, i, pool->file_bytes);

		if (extent && extent->type == LT_EXTENT_RINGS)
			copy_extent(pool, extent, position, context);
	}
}

/* Takes over fd, which may be -1. */
static struct pool *new_pool(int fd, const struct lt_file_header *header, const char **ret_reason)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	*ret_reason = "not enough memory for the rings";
	if (!pool) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	pool->fd = fd;
	*ret_reason = read_header(pool, header);
	if (*ret_reason) {
		pool_close(pool);
		return NULL;
	}
	init_clock(&pool->clock, pool->header);
	return pool;
}

struct pool *pool_open(const struct lt_file_header *header, stream_position_fn position,
		       const void *context, const char **ret_reason)
{
	struct pool *pool = new_pool(open_path(header->pool_path), header, ret_reason);

	if (pool)
		copy_rings(pool, position, context);
	return pool;
}

int pool_open_file(const struct lt_file_header *header)
{
	const char *reason;
	struct pool *pool = new_pool(open_path(header->pool_path), header, &reason);
	int fd = pool ? pool->fd : -1;

	if (pool)
		pool->fd = -1;
	pool_close(pool);
	return fd;
}

/* Puts the parts one behind the other. @return NULL, or what is wrong. */
static const char *unpack(const struct block_index *index, int fd)
{
	struct block_buffer buffer = { 0 };
	const char *fault = fd < 0 ? "there is no room for the saved rings" : NULL;

	for (size_t i = 0; !fault && i < index->pool_parts.count; i++) {
		const struct block *part = &index->pool_parts.blocks[i];

		fault = block_read(index, part, &buffer);
		if (!fault && pwrite(fd, buffer.raw, part->raw_bytes,
				     (off_t)part->first_position) != (ssize_t)part->raw_bytes)
			fault = "there is no room for the saved rings";
	}
	block_buffer_release(&buffer);
	return fault;
}

struct pool *pool_open_saved(const struct block_index *index, stream_position_fn position,
			     const void *context, const char **ret_reason)
{
	int fd = memfd_create("llmtrace-pool", MFD_CLOEXEC);
	struct pool *pool;

	*ret_reason = unpack(index, fd);
	if (*ret_reason) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	pool = new_pool(fd, &index->header, ret_reason);
	if (pool)
		copy_rings(pool, position, context);
	return pool;
}

bool pool_is_closed(const struct pool *pool)
{
	uint32_t is_closed = 0;

	return window_pread(pool->fd, &is_closed, sizeof(is_closed),
			    offsetof(struct lt_pool_header, is_closed)) == sizeof(is_closed) &&
	       is_closed;
}

bool pool_is_partly_in_memory(const struct pool *pool)
{
	return pool->header->memory_extent_count != 0;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	if (pool->fd >= 0)
		close(pool->fd);
	for (size_t i = 0; i < pool->ring_count; i++)
		release_copy(&pool->rings[i]);
	for (size_t i = 0; i < pool->event_count; i++)
		decoded_release(&pool->events[i].events);
	free(pool->header);
	free(pool->rings);
	free(pool->events);
	free(pool->interns);
	free(pool);
}

static enum lt_intern_type intern_type(const struct lt_field_info *field)
{
	return field->unit == LT_UNIT_stack ? LT_INTERN_STACK : LT_INTERN_STRING;
}

static void resolve_record(struct pool *pool, const struct schema *schema, struct lt_record *record,
			   struct defs *defs)
{
	const struct lt_event_info *info = schema->kinds[LT_STATE_KIND(record->state)].info;

	record->stack = pool_intern_resolve(pool, record->stack, LT_INTERN_STACK, defs);
	for (unsigned i = 0; i < info->field_count; i++) {
		const struct lt_field_info *field = &info->fields[i];
		uint32_t *ids = (uint32_t *)((uint8_t *)record + field->offset);

		if (field->unit != LT_UNIT_stack && field->unit != LT_UNIT_string)
			continue;
		for (unsigned j = 0; j < field->count; j++)
			ids[j] = pool_intern_resolve(pool, ids[j], intern_type(field), defs);
	}
}

static void resolve_all(struct pool *pool, const struct schema *schema, struct defs *defs)
{
	pool_intern_start(pool, defs);
	for (size_t i = 0; i < pool->event_count; i++)
		for (size_t j = 0; j < pool->events[i].events.count; j++)
			resolve_record(
				pool, schema,
				(struct lt_record *)(uintptr_t)pool->events[i].events.records[j],
				defs);
}

const struct pool_events *pool_convert(struct pool *pool, const struct schema *schema,
				       stream_position_fn position, const void *context,
				       struct defs *defs, size_t *ret_count)
{
	for (size_t i = 0; i < pool->ring_count; i++) {
		const struct ring_copy *ring = &pool->rings[i];
		struct pool_events events = { .stream = ring->head->stream };

		if (!grow((void **)&pool->events, pool->event_count, &pool->event_capacity,
			  sizeof(*pool->events)) ||
		    !pool_ring_convert(pool, schema, ring, position(context, events.stream),
				       &events.events)) {
			decoded_release(&events.events);
			continue;
		}
		events.is_joined = position(context, events.stream).event_count != 0;
		defs_add_stream(defs, events.stream, ring->head->tid,
				pool_time_ns(&pool->clock, ring->head->start));
		pool->events[pool->event_count++] = events;
	}
	resolve_all(pool, schema, defs);
	pool_children_convert(pool, schema, defs);
	*ret_count = pool->event_count;
	return pool->events;
}
