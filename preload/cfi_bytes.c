/* SPDX-License-Identifier: MIT */
/*
 * Numbers of variable length and of fixed size in call frame information. Pure functions on mapped
 * memory: any thread, signal handlers.
 */
#include "cfi.h"

static uint8_t next_byte(struct cfi_bytes *bytes)
{
	if (bytes->at >= bytes->end) {
		bytes->is_bad = true;
		return 0;
	}
	return *bytes->at++;
}

static uint64_t leb(struct cfi_bytes *bytes, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = next_byte(bytes);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && shift < 70);
	if (byte & 0x80)
		bytes->is_bad = true;
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~(uint64_t)0 << shift;
	return bytes->is_bad ? 0 : value;
}

uint64_t cfi_uleb(struct cfi_bytes *bytes)
{
	return leb(bytes, false);
}

int64_t cfi_sleb(struct cfi_bytes *bytes)
{
	return (int64_t)leb(bytes, true);
}

uint64_t cfi_unsigned(struct cfi_bytes *bytes, unsigned size)
{
	uint64_t value = 0;

	if (bytes->is_bad || (size_t)(bytes->end - bytes->at) < size) {
		bytes->is_bad = true;
		return 0;
	}
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)bytes->at[i] << i * 8;
	bytes->at += size;
	return value;
}

int64_t cfi_signed(struct cfi_bytes *bytes, unsigned size)
{
	unsigned unused_bits = 64 - size * 8;

	/* NOLINTNEXTLINE: size is 1 to 8 */
	return (int64_t)(cfi_unsigned(bytes, size) << unused_bits) >> unused_bits;
}

void cfi_skip(struct cfi_bytes *bytes, uint64_t count)
{
	if (bytes->is_bad || (uint64_t)(bytes->end - bytes->at) < count)
		bytes->is_bad = true;
	else
		bytes->at += count;
}
