/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C of blocks, built into the shim and into the report. Four bits a step from a table of 16
 * words: blocks are compressed before they are summed, so speed hardly matters, and the shim stays
 * free of set-up code and of processor-specific instructions.
 */
#include "llmtrace/wire.h"

uint32_t lt_crc32c(uint32_t crc, const void *bytes, size_t length)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *at = bytes;

	crc = ~crc;
	while (length--) {
		crc ^= *at++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}
