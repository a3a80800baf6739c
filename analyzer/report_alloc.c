/* SPDX-License-Identifier: MIT */
/*
 * Memory of the report. Any thread may call report_alloc() and report_grow(); an arena belongs to
 * one thread.
 */
#include "report_alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64u << 10)
#define ALIGN_BYTES 16u

struct arena_chunk {
	struct arena_chunk *next;
	size_t used_bytes, room_bytes;
	_Alignas(ALIGN_BYTES) unsigned char data[];
};

static _Noreturn void out_of_memory(void)
{
	fputs("llmtrace-report: out of memory\n", stderr);
	_Exit(2);
}

void *report_alloc(size_t count, size_t element_bytes)
{
	void *memory = calloc(count ? count : 1, element_bytes);

	if (!memory)
		out_of_memory();
	return memory;
}

void *report_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes)
{
	size_t count = *capacity ? *capacity : 16;
	unsigned char *grown;

	if (needed <= *capacity)
		return array;
	while (count < needed)
		count += count / 2 + 1;
	grown = reallocarray(array, count, element_bytes);
	if (!grown)
		out_of_memory();
	memset(grown + *capacity * element_bytes, 0, (count - *capacity) * element_bytes);
	*capacity = count;
	return grown;
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t bytes)
{
	size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
	struct arena_chunk *chunk = report_alloc(1, sizeof(*chunk) + room);

	chunk->room_bytes = room;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = arena->chunks;
	void *memory;

	bytes = (bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
	if (!chunk || chunk->room_bytes - chunk->used_bytes < bytes)
		chunk = add_chunk(arena, bytes);
	memory = chunk->data + chunk->used_bytes;
	chunk->used_bytes += bytes;
	return memory;
}

char *arena_text(struct arena *arena, const char *text)
{
	size_t bytes;

	if (!text)
		return NULL;
	bytes = strlen(text) + 1;
	return memcpy(arena_alloc(arena, bytes), text, bytes);
}

void arena_release(struct arena *arena)
{
	while (arena->chunks) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}
