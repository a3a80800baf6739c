/* SPDX-License-Identifier: MIT */
/*
 * The form in which the fuzzer sees a trace: the same blocks, but with payloads that are neither
 * compressed nor covered by checksums, so that a change of one byte reaches what decodes it.
 *
 *   8 bytes of start_ns, then blocks: struct lt_block_header, then its payload; compressed_bytes is
 *   the length of the payload here, and the last block takes what is left.
 *
 * flat_pack makes a trace file of it, with zstd frames and checksums that are right. Two more types
 * of blocks stand for what is no block in a file: an end, and bytes as they are.
 */
#ifndef LLMTRACE_TESTS_FLAT_H
#define LLMTRACE_TESTS_FLAT_H

#include <stddef.h>
#include <stdint.h>

#include "llmtrace/format.h"

enum { FLAT_END = 14, FLAT_RAW = 15 };

struct flat_block {
	struct lt_block_header header;
	const uint8_t *payload;
	size_t bytes;
};

struct flat {
	uint64_t start_ns;
	struct flat_block blocks[256];
	size_t count;
};

/* Bytes that grow. Zero before the first use; data is for free(). */
struct bytes {
	uint8_t *data;
	size_t length, capacity;
};

void bytes_put(struct bytes *bytes, const void *data, size_t length);
void bytes_put_varint(struct bytes *bytes, uint64_t value);

/* Any input is a flat trace; flat points into data. */
void flat_parse(struct flat *flat, const uint8_t *data, size_t length);
/* Writes a flat trace. @return its length, 0 when it does not fit. */
size_t flat_store(const struct flat *flat, uint8_t *data, size_t capacity);
/* The trace file. pool_path may be "". */
void flat_pack(const struct flat *flat, const char *pool_path, struct bytes *ret_file);
/* The reverse: bytes of a trace file. Payloads are added to store, which must outlive flat. */
void flat_unpack(struct flat *flat, const uint8_t *file, size_t length, struct bytes *store);

#endif
