/* SPDX-License-Identifier: MIT */
/*
 * LEB128 and CRC-32C: the reader's fast forms against the plain ones of wire.h, and those against
 * values from the standards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "decode_varint.h"
#include "llmtrace/wire.h"

#define COUNT 4000

static uint64_t random_value(void)
{
	uint64_t value = (uint64_t)rand() << 62 ^ (uint64_t)rand() << 31 ^ (uint64_t)rand();

	return value >> (rand() % 64);
}

static void test_crc_of_the_rfc(void **state)
{
	uint8_t bytes[32];

	(void)state;
	/* RFC 3720, appendix B.4 */
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(lt_crc32c(0, bytes, 32), 0x8a9136aa);
	assert_int_equal(blocks_crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(blocks_crc32c(0, bytes, 32), 0x62a8ab43);
	assert_int_equal(lt_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(blocks_crc32c(0, "123456789", 9), 0xe3069283);
}

static void test_crc_in_parts(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand();
	for (size_t at = 0; at <= sizeof(bytes); at++) {
		uint32_t crc = blocks_crc32c(0, bytes, at);

		crc = blocks_crc32c(crc, bytes + at, sizeof(bytes) - at);
		assert_int_equal(crc, lt_crc32c(0, bytes, sizeof(bytes)));
	}
}

static void test_varint_bytes(void **state)
{
	/* DWARF 5, section 7.6, figure C.1 and the largest value */
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t length;
	} cases[] = {
		{2, "\x02", 1},
		{127, "\x7f", 1},
		{128, "\x80\x01", 2},
		{12857, "\xb9\x64", 2},
		{UINT64_MAX, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[LT_VARINT_MAX_BYTES];
		struct lt_wire_in in = { (const uint8_t *)cases[i].bytes,
					 (const uint8_t *)cases[i].bytes + cases[i].length, false };

		assert_int_equal(lt_varint_put(bytes, cases[i].value) - bytes, cases[i].length);
		assert_memory_equal(bytes, cases[i].bytes, cases[i].length);
		assert_true(lt_get_varint(&in) == cases[i].value);
		assert_false(in.is_bad);
	}
}

static void test_zigzag(void **state)
{
	(void)state;
	assert_true(lt_zigzag(0) == 0 && lt_zigzag(-1) == 1 && lt_zigzag(1) == 2);
	assert_true(lt_zigzag(INT64_MIN) == UINT64_MAX);
	assert_true(lt_unzigzag(UINT64_MAX) == INT64_MIN && lt_unzigzag(3) == -2);
}

/* Many values of all lengths, in every position to the eight bytes that the fast form loads. */
static void test_fast_varints(void **state)
{
	uint8_t *bytes = malloc(COUNT * LT_VARINT_MAX_BYTES);
	uint64_t values[COUNT], read[COUNT];

	(void)state;
	for (int round = 0; round < 50; round++) {
		uint8_t *end = bytes;
		const uint8_t *at = bytes;
		int shift = round % 10 * 7;

		for (size_t i = 0; i < COUNT; i++) {
			values[i] = shift ? random_value() >> (64 - shift) : random_value();
			end = lt_varint_put(end, values[i]);
		}
		assert_true(varints_decode(&at, end, read, COUNT));
		assert_ptr_equal(at, end);
		assert_memory_equal(values, read, sizeof(values));
		at = bytes;
		assert_false(varints_decode(&at, end - 1, read, COUNT));
	}
	free(bytes);
}

static void test_too_long_varint(void **state)
{
	uint8_t bytes[24];
	uint64_t value;
	const uint8_t *at = bytes;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	assert_false(varints_decode(&at, bytes + sizeof(bytes), &value, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_of_the_rfc),
		cmocka_unit_test(test_crc_in_parts),
		cmocka_unit_test(test_varint_bytes),
		cmocka_unit_test(test_zigzag),
		cmocka_unit_test(test_fast_varints),
		cmocka_unit_test(test_too_long_varint),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
