/* SPDX-License-Identifier: MIT */
/*
 * The loop of decode_varint.h: eight bytes are loaded, the highest bits tell where the value ends, and
 * three shifts squeeze the groups of seven bits together. Eight small values in a row, and values of
 * nine bytes and more, take ways of their own.
 */
#include "decode_varint.h"

#include <string.h>

#include "llmtrace/wire.h"

#define HIGH_BITS 0x8080808080808080u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie in the file");

/* word: only the bytes of one value, high bits and all. */
static inline uint64_t squeeze(uint64_t word)
{
	word = (word & 0x007f007f007f007fu) | (word & 0x7f007f007f007f00u) >> 1;
	word = (word & 0x00003fff00003fffu) | (word & 0x3fff00003fff0000u) >> 2;
	return (word & 0x000000000fffffffu) | (word & 0x0fffffff00000000u) >> 4;
}

static bool decode_slowly(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
	struct lt_wire_in in = { *at, end, false };

	*ret_value = lt_get_varint(&in);
	*at = in.at;
	return !in.is_bad;
}

bool varints_decode(const uint8_t **at, const uint8_t *end, uint64_t *ret_values, size_t count)
{
	const uint8_t *from = *at;
	size_t i = 0;

	while (i < count) {
		uint64_t word, stops;

		if (end - from < 8) {
			if (!decode_slowly(&from, end, &ret_values[i++]))
				return false;
			continue;
		}
		memcpy(&word, from, sizeof(word));
		stops = ~word & HIGH_BITS;
		if (stops == HIGH_BITS && count - i >= 8) {
			for (unsigned j = 0; j < 8; j++)
				ret_values[i + j] = from[j];
			from += 8;
			i += 8;
			continue;
		}
		if (!stops) {
			if (!decode_slowly(&from, end, &ret_values[i++]))
				return false;
			continue;
		}
		ret_values[i++] = squeeze(word & (stops ^ (stops - 1)));
		from += ((unsigned)__builtin_ctzll(stops) + 1) / 8;
	}
	*at = from;
	return true;
}
