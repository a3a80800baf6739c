/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a trace file > reader > analyses > report. The first byte of the input says what to
 * print and whether the rest is a file as it is (for the walk over frames) or a flat trace (for all
 * that lies behind checksums and compression).
 */
#include <stdlib.h>
#include <string.h>

#include "flat.h"
#include "flat_mutate.h"
#include "harness.h"

#define IS_FILE 0x80u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *left, size_t left_size, const uint8_t *right,
				 size_t right_size, uint8_t *out, size_t max_size, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory_file file;
	static struct flat flat;
	static struct bytes packed;

	if (!size)
		return 0;
	if (data[0] & IS_FILE) {
		memory_file_set(&file, data + 1, size - 1);
	} else {
		packed.length = 0;
		flat_parse(&flat, data + 1, size - 1);
		flat_pack(&flat, "", &packed);
		memory_file_set(&file, packed.data, packed.length);
	}
	harness_report(file.path, data[0] & HOW_ALL);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (size < 2 || data[0] & IS_FILE || seed % 64 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	if (seed % 32 == 1)
		data[0] = (uint8_t)(seed >> 8) & ~IS_FILE;
	return 1 + flat_mutate(data + 1, size - 1, max_size - 1, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *left, size_t left_size, const uint8_t *right,
				 size_t right_size, uint8_t *out, size_t max_size, unsigned seed)
{
	if (left_size < 2 || right_size < 2 || left[0] & IS_FILE || right[0] & IS_FILE)
		return 0;
	out[0] = left[0];
	return 1 + flat_cross(left + 1, left_size - 1, right + 1, right_size - 1, out + 1,
			      max_size - 1, seed);
}
