/* SPDX-License-Identifier: MIT */
/* The window over a file; see model_source.h. Entered by the writer thread alone. */
#include "model_source.h"

#include <string.h>

bool source_fill(struct model_source *source)
{
	uint64_t wanted = source_left(source);
	long taken;

	if (source->at < source->have)
		return true;
	if (wanted > MODEL_PIECE_BYTES)
		wanted = MODEL_PIECE_BYTES;
	source->base += source->at;
	source->at = source->have = 0;
	taken = wanted ? source->read(source->context, source->buffer, wanted, source->base) : 0;
	if (taken <= 0 || (uint64_t)taken > wanted) {
		source->is_bad = true;
		return false;
	}
	source->have = (size_t)taken;
	return true;
}

bool source_bytes(struct model_source *source, void *bytes, size_t count)
{
	uint8_t *to = bytes;

	memset(bytes, 0, count);
	if (count > source_left(source))
		source->is_bad = true;
	while (count && !source->is_bad && source_fill(source)) {
		size_t part = source->have - source->at;

		if (part > count)
			part = count;
		memcpy(to, source->buffer + source->at, part);
		source->at += part;
		to += part;
		count -= part;
	}
	return !source->is_bad;
}

/* What lies outside the window is not read. */
bool source_skip(struct model_source *source, uint64_t count)
{
	if (count > source_left(source))
		source->is_bad = true;
	if (source->is_bad)
		return false;
	if (count <= source->have - source->at) {
		source->at += (size_t)count;
		return true;
	}
	source->base += source->at + count;
	source->at = source->have = 0;
	return true;
}

static uint64_t number(struct model_source *source, unsigned bytes)
{
	uint8_t digits[8];
	uint64_t value = 0;

	source_bytes(source, digits, bytes);
	for (unsigned i = bytes; i-- > 0 && !source->is_bad;)
		value = value << 8 | digits[i];
	return value;
}

uint32_t source_u32(struct model_source *source)
{
	return (uint32_t)number(source, 4);
}

uint64_t source_u64(struct model_source *source)
{
	return number(source, 8);
}
