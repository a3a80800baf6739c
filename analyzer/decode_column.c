/* SPDX-License-Identifier: MIT */
/*
 * Columns into strided fields, in two steps for each chunk: integers into an array, then the array
 * into the records. Both loops are simple enough for the compiler to keep everything in registers.
 */
#include "decode_column.h"

#include <string.h>

#include "decode_varint.h"
#include "llmtrace/wire.h"

static inline unsigned field_width(const struct lt_field_info *field)
{
	return field->type == LT_TYPE_u64 || field->type == LT_TYPE_i64 ? 8 : 4;
}

/* Undoes the codec in place. previous: the base of deltas, moved on. */
static void undo_codec(uint64_t *values, size_t count, uint64_t codec, uint64_t *previous)
{
	if (codec == LT_CODEC_signed) {
		for (size_t i = 0; i < count; i++)
			values[i] = (uint64_t)lt_unzigzag(values[i]);
	} else if (codec == LT_CODEC_delta) {
		uint64_t value = *previous;

		for (size_t i = 0; i < count; i++) {
			value += (uint64_t)lt_unzigzag(values[i]);
			values[i] = value;
		}
		*previous = value;
	}
}

static void limit_ids(uint64_t *values, size_t count, uint32_t limit)
{
	for (size_t i = 0; i < count; i++)
		values[i] = values[i] < limit ? values[i] : 0;
}

static void store_u64(uint8_t *at, size_t stride, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++, at += stride)
		*(uint64_t *)at = values[i];
}

static void store_u32(uint8_t *at, size_t stride, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++, at += stride)
		*(uint32_t *)at = (uint32_t)values[i];
}

static void store(uint8_t *at, size_t stride, unsigned width, const uint64_t *values, size_t count)
{
	if (width == 8)
		store_u64(at, stride, values, count);
	else
		store_u32(at, stride, values, count);
}

/* @return elements that were taken from the column and lie in values now; 0 for a torn column. */
static size_t next_chunk(const uint8_t **at, const uint8_t *end, uint64_t codec, uint64_t *previous,
			 uint64_t *values, size_t wanted)
{
	size_t count = wanted < COLUMN_CHUNK ? wanted : COLUMN_CHUNK;

	if (!varints_decode(at, end, values, count))
		return 0;
	undo_codec(values, count, codec, previous);
	return count;
}

static bool store_scalars(const struct column_in *in, const struct column_out *out,
			  const struct lt_field_info *field, uint32_t limit)
{
	const uint8_t *at = in->bytes, *end = in->bytes + in->length;
	uint64_t values[COLUMN_CHUNK], previous = 0;
	uint8_t *to = out->base + field->offset;

	for (size_t done = 0; done < out->count;) {
		size_t count =
			next_chunk(&at, end, in->codec, &previous, values, out->count - done);

		if (!count)
			return false;
		if (field->unit == LT_UNIT_stack)
			limit_ids(values, count, limit);
		store(to, out->stride_bytes, field_width(field), values, count);
		to += count * out->stride_bytes;
		done += count;
	}
	return true;
}

static bool store_arrays(const struct column_in *in, const struct column_out *out,
			 const struct lt_field_info *field, uint32_t limit)
{
	const uint8_t *at = in->bytes, *end = in->bytes + in->length;
	uint64_t values[COLUMN_MAX_ELEMENTS], previous = 0;
	unsigned width = field_width(field);

	column_clear(out, field);
	for (size_t i = 0; i < out->count; i++) {
		uint8_t *to = out->base + i * out->stride_bytes + field->offset;

		if (!varints_decode(&at, end, values, in->element_count))
			return false;
		undo_codec(values, in->element_count, in->codec, &previous);
		if (field->unit == LT_UNIT_stack)
			limit_ids(values, in->element_count, limit);
		store(to, width, width, values,
		      in->element_count < field->count ? in->element_count : field->count);
	}
	return true;
}

bool column_store(const struct column_in *in, const struct column_out *out,
		  const struct lt_field_info *field, uint32_t limit)
{
	if (in->codec > LT_CODEC_delta || in->element_count == 0 ||
	    in->element_count > COLUMN_MAX_ELEMENTS)
		return false;
	if (in->element_count == 1 && field->count == 1)
		return store_scalars(in, out, field, limit);
	return store_arrays(in, out, field, limit);
}

void column_clear(const struct column_out *out, const struct lt_field_info *field)
{
	size_t bytes = (size_t)field_width(field) * field->count;
	uint8_t *at = out->base + field->offset;

	for (size_t i = 0; i < out->count; i++, at += out->stride_bytes)
		memset(at, 0, bytes);
}

bool column_store_stack(const struct column_in *in, const struct column_out *out, uint32_t limit)
{
	static const struct lt_field_info head_stack = {
		.offset = offsetof(struct lt_record, stack), .type = LT_TYPE_u32,
		.unit = LT_UNIT_stack, .count = 1,
	};

	return column_store(in, out, &head_stack, limit);
}

bool column_store_aux(const struct column_in *in, const struct column_out *out)
{
	uint8_t *at = out->base + offsetof(struct lt_record, state);

	if (in->length != out->count)
		return false;
	for (size_t i = 0; i < out->count; i++, at += out->stride_bytes)
		*(uint32_t *)at |= (uint32_t)in->bytes[i] << 16;
	return true;
}
