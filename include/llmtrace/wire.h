/* SPDX-License-Identifier: MIT */
/*
 * Bounded writing and reading of the byte sequences of blocks: LEB128 integers, zigzag, strings,
 * and the checksum. Used by the writer and by the reader alike, so that one cannot drift from the
 * other.
 *
 * A cursor never passes its end: a read or write that would is refused and sets is_bad, which
 * sticks; callers check it once after a batch. No function allocates, blocks or touches errno. Not
 * thread-safe: a cursor belongs to one thread.
 */
#ifndef LLMTRACE_WIRE_H
#define LLMTRACE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Longest LEB128 form of a 64-bit value. */
#define LT_VARINT_MAX_BYTES 10u

struct lt_wire_in {
	const uint8_t *at;
	const uint8_t *end;
	bool is_bad;
};

struct lt_wire_out {
	uint8_t *at;
	uint8_t *end;
	bool is_bad;
};

static inline uint64_t lt_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t lt_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ -(value & 1));
}

/*
 * Writes a LEB128 integer without a bounds check: the caller has made sure of LT_VARINT_MAX_BYTES,
 * of which those behind the integer may change, too.
 * @return the first byte behind it.
 */
static inline uint8_t *lt_varint_put(uint8_t *at, uint64_t value)
{
	if (value < 1u << 14) { /* nearly all: one or two bytes, and no branch that could go either way */
		unsigned is_long = value >= 0x80;

		at[0] = (uint8_t)(value | is_long << 7);
		at[1] = (uint8_t)(value >> 7);
		return at + 1 + is_long;
	}
	while (value >= 0x80) {
		*at++ = (uint8_t)value | 0x80;
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static inline void lt_put_varint(struct lt_wire_out *out, uint64_t value)
{
	uint8_t bytes[LT_VARINT_MAX_BYTES];
	size_t length = (size_t)(lt_varint_put(bytes, value) - bytes);

	if ((size_t)(out->end - out->at) < length) {
		out->is_bad = true;
		return;
	}
	memcpy(out->at, bytes, length);
	out->at += length;
}

static inline void lt_put_bytes(struct lt_wire_out *out, const void *bytes, size_t length)
{
	if ((size_t)(out->end - out->at) < length) {
		out->is_bad = true;
		return;
	}
	memcpy(out->at, bytes, length);
	out->at += length;
}

/* A length and that many bytes. */
static inline void lt_put_text(struct lt_wire_out *out, const void *text, size_t length)
{
	lt_put_varint(out, length);
	lt_put_bytes(out, text, length);
}

/* @return the value; 0 with is_bad set at the end of the input or for more than 64 bits. */
static inline uint64_t lt_get_varint(struct lt_wire_in *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	in->is_bad = true;
	return 0;
}

/*
 * @return a pointer into the input, valid as long as it is; NULL with is_bad set when it is too
 * short.
 */
static inline const uint8_t *lt_get_bytes(struct lt_wire_in *in, uint64_t length)
{
	const uint8_t *bytes = in->at;

	if (in->is_bad || (uint64_t)(in->end - in->at) < length) {
		in->is_bad = true;
		return NULL;
	}
	in->at += length;
	return bytes;
}

/* Reads what lt_put_text wrote. @return as lt_get_bytes; the bytes are not terminated. */
static inline const uint8_t *lt_get_text(struct lt_wire_in *in, uint64_t *ret_length)
{
	*ret_length = lt_get_varint(in);
	return lt_get_bytes(in, *ret_length);
}

/*
 * CRC-32C (Castagnoli, reflected 0x82f63b78, as in RFC 3720 appendix B.4). Pass 0 first, then the
 * last result to go on. Lives in crc32c.c.
 */
uint32_t lt_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
