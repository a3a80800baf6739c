/* SPDX-License-Identifier: MIT */
/*
 * See scrub_pool.h. Offsets and lengths in the pool are checked before they are used: it may be
 * anything.
 */
#include "scrub_pool.h"

#include <string.h>
#include <sys/mman.h>

#include "llmtrace/pool.h"
#include "pool_extents.h"

const char *scrub_pool_open(struct scrub_pool *pool, const struct block_index *index)
{
	const struct block_list *parts = &index->pool_parts;
	struct block_buffer buffer = {0};
	const char *fault = NULL;

	pool->length = (size_t)parts->blocks[parts->count - 1].end_position;
	if (pool->length < sizeof(struct lt_pool_header))
		return "the saved rings are too short";
	pool->bytes = mmap(NULL, pool->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (pool->bytes == MAP_FAILED)
		return "not enough memory for the saved rings";
	for (size_t i = 0; i < parts->count && !fault; i++) {
		const struct block *part = &parts->blocks[i];

		fault = block_read(index, part, &buffer);
		if (!fault)
			memcpy(pool->bytes + part->first_position, buffer.raw, part->raw_bytes);
	}
	block_buffer_release(&buffer);
	if (fault)
		scrub_pool_close(pool);
	return fault;
}

void scrub_pool_close(struct scrub_pool *pool)
{
	if (pool->bytes)
		munmap(pool->bytes, pool->length);
	*pool = (struct scrub_pool){0};
}

static const struct lt_pool_header *header_of(const struct scrub_pool *pool)
{
	return (const struct lt_pool_header *)(const void *)pool->bytes;
}

typedef void (*visit_fn)(struct lt_intern_entry *entry, struct scrub_facts *facts,
			 struct scrub_rows *rows);

/* Entries follow each other, whole grains each; one without a length is the last. */
static void visit_arena(uint8_t *bytes, size_t length, visit_fn visit, struct scrub_facts *facts,
			struct scrub_rows *rows)
{
	size_t at = LT_ARENA_GRAIN;

	while (at + sizeof(struct lt_intern_entry) <= length) {
		struct lt_intern_entry *entry = (struct lt_intern_entry *)(void *)(bytes + at);
		size_t room = length - at - sizeof(*entry);

		if ((!entry->state && !entry->length) || entry->length > room)
			return;
		if ((entry->state & ~LT_INTERN_IS_DUPLICATE) == LT_INTERN_STRING || !entry->state)
			visit(entry, facts, rows);
		at += (sizeof(*entry) + entry->length + LT_ARENA_GRAIN - 1) / LT_ARENA_GRAIN *
		      LT_ARENA_GRAIN;
	}
}

static void visit_strings(const struct scrub_pool *pool, visit_fn visit, struct scrub_facts *facts,
			  struct scrub_rows *rows)
{
	for (uint32_t i = 0; i < LT_EXTENT_MAX; i++) {
		const struct lt_extent *extent = pool_extent(header_of(pool), i, pool->length);

		if (extent && extent->type == LT_EXTENT_ARENA)
			visit_arena(pool->bytes + extent->offset, (size_t)extent->bytes, visit,
				    facts, rows);
	}
}

static void learn(struct lt_intern_entry *entry, struct scrub_facts *facts, struct scrub_rows *rows)
{
	(void)rows;
	lt_privacy_learn(&facts->privacy, (const char *)entry->data, entry->length);
	if (entry->file_id > facts->last_string && entry->file_id < TRACE_MAX_ID)
		facts->last_string = entry->file_id;
}

void scrub_pool_learn(const struct scrub_pool *pool, struct scrub_facts *facts)
{
	visit_strings(pool, learn, facts, NULL);
}

/* An entry that was never finished has a length and bytes, and no state: it is of no use. */
static void clean(struct lt_intern_entry *entry, struct scrub_facts *facts, struct scrub_rows *rows)
{
	const char *text = (const char *)entry->data;

	if (entry->state && !lt_privacy_is_private(&facts->privacy, text, entry->length)) {
		entry->hash = 0;
		return;
	}
	if (entry->state && (!entry->file_id || entry->file_id >= TRACE_MAX_ID))
		entry->file_id = ++facts->last_string;
	if (entry->state)
		scrub_add_string(facts, entry->file_id, text, entry->length, rows);
	memset(entry->data, 0, entry->length);
	entry->hash = 0;
}

/* A text of a child's message has a place of its own. */
static void replace(const struct scrub_facts *facts, char *text)
{
	char replaced[LT_CHILD_TEXT_BYTES];

	memset(replaced, 0, sizeof(replaced));
	lt_privacy_path(&facts->privacy, text, strnlen(text, sizeof(replaced)), replaced,
			sizeof(replaced));
	memcpy(text, replaced, sizeof(replaced));
}

void scrub_pool_clean(struct scrub_pool *pool, struct scrub_facts *facts, struct scrub_rows *rows)
{
	struct lt_pool_header *header = (struct lt_pool_header *)(void *)pool->bytes;

	memset(header->trace_path, 0, sizeof(header->trace_path));
	for (uint32_t i = 0; i < LT_CHILD_MESSAGES; i++) {
		replace(facts, header->children[i].program);
		replace(facts, header->children[i].trace);
	}
	visit_strings(pool, clean, facts, rows);
	/* an index holds hashes of the strings, which only the shim uses */
	for (uint32_t i = 0; i < LT_EXTENT_MAX; i++) {
		const struct lt_extent *extent = pool_extent(header_of(pool), i, pool->length);

		if (extent && extent->type == LT_EXTENT_INDEX)
			memset(pool->bytes + extent->offset, 0, extent->bytes);
	}
}

bool scrub_pool_write(const struct scrub_pool *pool, struct block_writer *writer)
{
	for (size_t begin = 0; begin < pool->length;) {
		size_t end = begin + LT_POOL_PART_BYTES < pool->length ? begin + LT_POOL_PART_BYTES
								       : pool->length;
		struct lt_block_header part = {
			.type = LT_BLOCK_POOL,
			.flags = end == pool->length ? LT_BLOCK_IS_LAST_PART : 0,
			.first_position = begin,
			.end_position = end,
		};

		if (!block_writer_block(writer, &part, pool->bytes + begin, end - begin))
			return false;
		begin = end;
	}
	return true;
}
