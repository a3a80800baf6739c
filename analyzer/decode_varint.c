/* SPDX-License-Identifier: MIT */
/*
 * The loop of decode_varint.h: eight bytes are loaded, the highest bits tell where values end, and
 * three shifts squeeze the groups of seven bits of each together. Eight small values in a row,
 * values of nine bytes and more, and the last few take ways of their own.
 */
#include "decode_varint.h"

#include <string.h>

#include "llmtrace/wire.h"

#define HIGH_BITS 0x8080808080808080u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "words are loaded as they lie in the file");

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

/* What is left of a word while values are taken off its lower end. */
struct word_walk {
	uint64_t word;
	uint64_t stops;			/* high bit of each byte that ends a value */
	uint64_t taken;			/* mask of the bytes that were taken */
	unsigned taken_bits;
};

static inline uint64_t take_value(struct word_walk *walk)
{
	uint64_t mask = walk->stops ^ (walk->stops - 1);
	uint64_t value = squeeze((walk->word & mask & ~walk->taken) >> walk->taken_bits);

	walk->taken = mask;
	walk->taken_bits = (unsigned)__builtin_ctzll(walk->stops) + 1;
	walk->stops &= walk->stops - 1;
	return value;
}

/*
 * Takes four values, two or one from a word of which at least one ends in it. The values of a word
 * do not wait for each other, and how many there are hardly changes within a column.
 */
static inline size_t take_values(struct word_walk *walk, uint64_t *ret_values)
{
	uint64_t second = walk->stops & (walk->stops - 1);
	uint64_t third = second & (second - 1);

	ret_values[0] = take_value(walk);
	if (!second)
		return 1;
	ret_values[1] = take_value(walk);
	if (!(third & (third - 1)))
		return 2;
	ret_values[2] = take_value(walk);
	ret_values[3] = take_value(walk);
	return 4;
}

bool varints_decode(const uint8_t **at, const uint8_t *end, uint64_t *ret_values, size_t count)
{
	const uint8_t *from = *at;
	size_t i = 0;

	while (i < count) {
		struct word_walk walk = { .taken = 0 };

		if (end - from >= 8) {
			memcpy(&walk.word, from, sizeof(walk.word));
			walk.stops = ~walk.word & HIGH_BITS;
		}
		if (count - i < 8 || !walk.stops) {
			if (!decode_slowly(&from, end, &ret_values[i++]))
				return false;
			continue;
		}
		if (walk.stops == HIGH_BITS) {
			for (unsigned j = 0; j < 8; j++)
				ret_values[i + j] = from[j];
			from += 8;
			i += 8;
			continue;
		}
		i += take_values(&walk, ret_values + i);
		from += walk.taken_bits / 8;
	}
	*at = from;
	return true;
}
