/* SPDX-License-Identifier: MIT */
/*
 * Mutations of flat traces that keep the frame of a trace whole: of one payload, of one column or
 * row in it, of one field of a block's header, and of the list of blocks. See flat_mutate.h.
 */
#include "flat_mutate.h"

#include <stdlib.h>
#include <string.h>

#include "llmtrace/wire.h"

/* Of libFuzzer. @return the new size. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define GROWTH_BYTES 256u
#define MAX_PARTS 1024u

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Lets libFuzzer change bytes; the result lives until the next call. */
static const uint8_t *mutated(const uint8_t *bytes, size_t length, size_t *ret_length)
{
	static struct bytes copy;
	const uint8_t room[GROWTH_BYTES] = { 0 };

	copy.length = 0;
	bytes_put(&copy, bytes, length);
	bytes_put(&copy, room, sizeof(room));
	*ret_length = LLVMFuzzerMutate(copy.data, length, copy.length);
	return copy.data;
}

/* A part of a payload whose length stands in the payload: a column, or a row of definitions. */
struct part {
	const uint8_t *bytes;
	size_t length;
	uint64_t head[4];		/* the numbers in front of its length */
};

struct parts {
	struct part rows[MAX_PARTS];
	size_t count;
	uint64_t event_count;
	const uint8_t *rest;
	size_t rest_length;
};

static bool take_part(struct parts *parts, const uint8_t *bytes, size_t length)
{
	if (!bytes)
		return false;
	parts->rows[parts->count - 1].bytes = bytes;
	parts->rows[parts->count - 1].length = length;
	return true;
}

static bool split_events(struct parts *parts, struct lt_wire_in *in)
{
	uint64_t lengths[MAX_PARTS], count;

	parts->event_count = lt_get_varint(in);
	count = lt_get_varint(in);
	if (in->is_bad || count > MAX_PARTS)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		for (unsigned j = 0; j < 4; j++)
			parts->rows[i].head[j] = lt_get_varint(in);
		lengths[i] = lt_get_varint(in);
	}
	for (uint64_t i = 0; i < count; i++) {
		parts->count++;
		if (!take_part(parts, lt_get_bytes(in, lengths[i]), (size_t)lengths[i]))
			return false;
	}
	return true;
}

static bool split_rows(struct parts *parts, struct lt_wire_in *in)
{
	while (in->at < in->end && parts->count < MAX_PARTS) {
		uint64_t kind = lt_get_varint(in), length;
		const uint8_t *bytes = lt_get_text(in, &length);

		parts->rows[parts->count++].head[0] = kind;
		if (!take_part(parts, bytes, (size_t)length))
			return false;
	}
	return true;
}

static void join(const struct parts *parts, unsigned type, struct bytes *out)
{
	if (type == LT_BLOCK_EVENTS) {
		bytes_put_varint(out, parts->event_count);
		bytes_put_varint(out, parts->count);
	}
	for (size_t i = 0; i < parts->count; i++) {
		for (unsigned j = 0; j < (type == LT_BLOCK_EVENTS ? 4 : 1); j++)
			bytes_put_varint(out, parts->rows[i].head[j]);
		bytes_put_varint(out, parts->rows[i].length);
		if (type != LT_BLOCK_EVENTS)
			bytes_put(out, parts->rows[i].bytes, parts->rows[i].length);
	}
	for (size_t i = 0; type == LT_BLOCK_EVENTS && i < parts->count; i++)
		bytes_put(out, parts->rows[i].bytes, parts->rows[i].length);
}

static void change_part(struct parts *parts, uint32_t *random)
{
	struct part *part = &parts->rows[next_random(random) % parts->count];

	switch (next_random(random) % 8) {
	case 0:
		part->head[next_random(random) % 4] = next_random(random) % 256;
		break;
	case 1:
		*part = parts->rows[next_random(random) % parts->count];
		break;
	case 2:
		*part = parts->rows[--parts->count];
		break;
	case 3:
		parts->event_count = next_random(random) % 4096;
		break;
	default:
		part->bytes = mutated(part->bytes, part->length, &part->length);
	}
}

/* Changes one column or one row; what cannot be taken apart is changed as a whole. */
static void change_payload(struct flat_block *block, uint32_t *random)
{
	struct lt_wire_in in = { block->payload, block->payload + block->bytes, false };
	static struct parts parts;
	static struct bytes out;
	bool is_split = false;

	parts.count = 0;
	out.length = 0;
	if (block->header.type == LT_BLOCK_EVENTS && next_random(random) % 8)
		is_split = split_events(&parts, &in);
	else if (block->header.type == LT_BLOCK_DEFS && next_random(random) % 8)
		is_split = split_rows(&parts, &in);
	if (!is_split || !parts.count) {
		block->payload = mutated(block->payload, block->bytes, &block->bytes);
		return;
	}
	change_part(&parts, random);
	join(&parts, block->header.type, &out);
	block->payload = out.data;
	block->bytes = out.length;
	if (block->header.type == LT_BLOCK_DEFS)
		block->header.event_count = (uint32_t)parts.count;
}

static void change_header(struct lt_block_header *header, uint32_t *random)
{
	static const uint64_t odd[] = { 0, 1, 2, 0x7fffffff, 0xffffffff, 1u << 20, (1u << 24) - 1,
					INT64_MAX, UINT64_MAX };
	uint64_t value = odd[next_random(random) % 9] + next_random(random) % 3 - 1;

	switch (next_random(random) % 10) {
	case 0: header->type = (uint16_t)(next_random(random) % 6); break;
	case 1: header->flags = (uint16_t)next_random(random); break;
	case 2: header->stream = (uint32_t)value; break;
	case 3: header->stream = next_random(random) % 16; break;
	case 4: header->first_position = value; break;
	case 5: header->end_position = value; break;
	case 6: header->begin_ns = value; break;
	case 7: header->end_ns = value; break;
	case 8: header->event_count = (uint32_t)value; break;
	default: header->time_shift = next_random(random) % 24; break;
	}
}

static void change_list(struct flat *flat, uint32_t *random)
{
	size_t a = next_random(random) % flat->count, b = next_random(random) % flat->count;
	struct flat_block block = flat->blocks[a];

	switch (next_random(random) % 3) {
	case 0:
		flat->blocks[a] = flat->blocks[b];
		flat->blocks[b] = block;
		break;
	case 1:
		if (flat->count < 256)
			flat->blocks[flat->count++] = block;
		break;
	default:
		memmove(&flat->blocks[a], &flat->blocks[a + 1],
			(--flat->count - a) * sizeof(flat->blocks[0]));
	}
}

size_t flat_mutate(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static struct flat flat;
	struct flat_block *block;
	uint8_t *copy = malloc(max_size);
	uint32_t random = seed;
	size_t length = 0;

	if (!copy)
		abort();
	flat_parse(&flat, data, size);
	if (flat.count && next_random(&random) % 16) {
		block = &flat.blocks[next_random(&random) % flat.count];
		if (next_random(&random) % 16 == 0)
			change_list(&flat, &random);
		else if (next_random(&random) % 8 == 0)
			change_header(&block->header, &random);
		else
			change_payload(block, &random);
		length = flat_store(&flat, copy, max_size);
	}
	if (length)
		memcpy(data, copy, length);
	else
		length = LLVMFuzzerMutate(data, size, max_size);
	free(copy);
	return length;
}

size_t flat_cross(const uint8_t *left, size_t left_size, const uint8_t *right, size_t right_size,
		  uint8_t *out, size_t max_size, unsigned seed)
{
	static struct flat a, b;
	uint32_t random = seed;
	size_t from;

	flat_parse(&a, left, left_size);
	flat_parse(&b, right, right_size);
	if (!a.count || !b.count)
		return 0;
	a.count = next_random(&random) % a.count + 1;
	from = next_random(&random) % b.count;
	while (from < b.count && a.count < 256)
		a.blocks[a.count++] = b.blocks[from++];
	return flat_store(&a, out, max_size);
}
