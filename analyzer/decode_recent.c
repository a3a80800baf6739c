/* SPDX-License-Identifier: MIT */
/* The walk of decode_recent.h. */
#include "decode_recent.h"

#include <string.h>

#include "decode_varint.h"
#include "llmtrace/wire.h"

void recent_walk_begin(struct recent_walk *walk)
{
	walk->column_count = 0;
	memset(walk->of_kind, 0, sizeof(walk->of_kind));
}

static struct recent_column *need_column(struct recent_walk *walk, unsigned kind)
{
	struct recent_column *column;

	if (walk->of_kind[kind])
		return &walk->columns[walk->of_kind[kind] - 1];
	if (walk->column_count == RECENT_MAX_COLUMNS)
		return NULL;
	column = &walk->columns[walk->column_count++];
	walk->of_kind[kind] = (uint8_t)walk->column_count;
	column->kind = kind;
	column->has_codes = column->has_shift = false;
	column->previous = 0;
	column->news.at = column->news.end = NULL;
	column->news.next = column->news.count = 0;
	return column;
}

bool recent_walk_add(struct recent_walk *walk, unsigned kind, const struct column_in *in,
		     size_t count, uint8_t *to, size_t stride_bytes)
{
	struct recent_column *column = need_column(walk, kind);
	struct recent_ints *ints;

	if (!column || in->element_count != 1)
		return false;
	ints = in->codec == LT_CODEC_new ? &column->news : &column->codes;
	if (ints == &column->codes) {
		if (column->has_codes)
			return false;
		column->has_codes = true;
		column->left = count;
		column->to = to;
		column->stride_bytes = stride_bytes;
	}
	ints->at = in->bytes;
	ints->end = in->bytes + in->length;
	ints->next = ints->count = 0;
	return true;
}

static bool refill_codes(struct recent_column *column)
{
	struct recent_ints *codes = &column->codes;

	codes->next = 0;
	codes->count = (uint32_t)(column->left < RECENT_CHUNK ? column->left : RECENT_CHUNK);
	column->left -= codes->count;
	return codes->count && varints_decode(&codes->at, codes->end, codes->values, codes->count);
}

/* How many addresses follow is not known: as many as have room, then one by one. */
static bool refill_news(struct recent_ints *news)
{
	struct lt_wire_in in = {news->at, news->end, false};
	size_t whole = (size_t)(news->end - news->at) / LT_VARINT_MAX_BYTES;

	news->next = 0;
	if (whole > 1) {
		news->count = whole < RECENT_CHUNK ? (uint32_t)whole : RECENT_CHUNK;
		return varints_decode(&news->at, news->end, news->values, news->count);
	}
	news->values[0] = lt_get_varint(&in);
	news->count = 1;
	news->at = in.at;
	return !in.is_bad;
}

static bool next_int(struct recent_ints *news, uint64_t *ret_value)
{
	if (news->next == news->count && !refill_news(news))
		return false;
	*ret_value = news->values[news->next++];
	return true;
}

static bool next_new(struct recent_column *column, uint64_t *ret_addr)
{
	uint64_t value;

	if (!column->has_shift) {
		if (!next_int(&column->news, &value) || value > 63)
			return false;
		column->shift = (unsigned)value;
		column->has_shift = true;
	}
	if (!next_int(&column->news, &value))
		return false;
	column->previous += (uint64_t)lt_unzigzag(value);
	*ret_addr = column->previous << column->shift;
	return true;
}

static inline void store_addr(struct recent_column *column, uint64_t addr)
{
	if (!column->to)
		return;
	*(uint64_t *)column->to = addr;
	column->to += column->stride_bytes;
}

bool recent_walk_run(struct recent_walk *walk, const uint8_t *kinds, size_t event_count,
		     uint64_t *sequence)
{
	size_t known = 0;

	if (!walk->column_count)
		return true;
	for (size_t i = 0; i < event_count; i++) {
		unsigned number = walk->of_kind[kinds[i]];
		struct recent_column *column;
		struct recent_ints *codes;
		uint64_t code, addr;

		if (!number)
			continue;
		column = &walk->columns[number - 1];
		codes = &column->codes;
		if (!column->has_codes)
			continue;
		if (codes->next == codes->count && !refill_codes(column))
			return false;
		code = codes->values[codes->next++];
		if (code > LT_RECENT_NEW) {
			if (code - 1 > known)
				return false;
			addr = sequence[known - (code - 1)];
		} else if (code == LT_RECENT_NULL) {
			store_addr(column, 0);
			continue;
		} else if (!next_new(column, &addr)) {
			return false;
		}
		sequence[known++] = addr;
		store_addr(column, addr);
	}
	return true;
}
