/* SPDX-License-Identifier: MIT */
/*
 * The interval map against an array with one value for each address: cutting, splitting, replacing,
 * filling and joining, by hand and at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "intervals.h"

#define SPACE 200u

/* No overlaps, in order, none empty. */
static void check_order(const struct interval_map *map)
{
	const struct interval *interval;
	uint64_t end = 0;
	size_t count = 0;

	for (; (interval = interval_map_next(map, end)); count++) {
		assert_true(interval->begin < interval->end && interval->begin >= end);
		end = interval->end;
	}
	assert_int_equal(count, map->count);
}

static struct interval nth(const struct interval_map *map, unsigned n)
{
	const struct interval *interval = interval_map_next(map, 0);

	for (; n; n--)
		interval = interval_map_next(map, interval->end);
	return *interval;
}

/* values[a]: value + 1 at address a, 0 for none. */
static void check_against(const struct interval_map *map, const uint32_t *values)
{
	check_order(map);
	for (uint64_t addr = 0; addr < SPACE; addr++) {
		const struct interval *found = interval_map_find(map, addr);

		assert_int_equal(found ? found->value + 1 : 0, values[addr]);
	}
}

static void test_partial_unmap(void **state)
{
	struct interval_map map = { 0 };

	(void)state;
	interval_map_set(&map, 100, 100, 7);
	interval_map_clear(&map, 140, 20);
	assert_int_equal(map.count, 2);
	assert_int_equal(nth(&map, 0).end, 140);
	assert_int_equal(nth(&map, 1).begin, 160);
	assert_null(interval_map_find(&map, 150));
	assert_int_equal(interval_map_find(&map, 199)->value, 7);
	interval_map_clear(&map, 90, 60);
	assert_int_equal(map.count, 1);
	interval_map_release(&map);
}

static void test_fixed_over_old(void **state)
{
	struct interval_map map = { 0 };

	(void)state;
	interval_map_set(&map, 100, 10, 1);
	interval_map_set(&map, 110, 10, 2);
	interval_map_set(&map, 120, 10, 3);
	interval_map_set(&map, 105, 20, 4);
	assert_int_equal(map.count, 3);
	assert_int_equal(nth(&map, 1).value, 4);
	assert_int_equal(nth(&map, 1).end, 125);
	assert_int_equal(interval_map_find(&map, 125)->value, 3);
	interval_map_release(&map);
}

static void test_ends_of_the_address_space(void **state)
{
	struct interval_map map = { 0 };

	(void)state;
	interval_map_set(&map, UINT64_MAX - 10, 100, 1);
	assert_int_equal(nth(&map, 0).end, UINT64_MAX);
	interval_map_clear(&map, 0, UINT64_MAX);
	assert_int_equal(map.count, 0);
	interval_map_set(&map, 5, 0, 1);
	assert_int_equal(map.count, 0);
	interval_map_release(&map);
}

static void random_step(struct interval_map *map, uint32_t *values)
{
	uint64_t begin = (uint64_t)rand() % SPACE, bytes = (uint64_t)rand() % (SPACE - begin + 1);
	uint32_t value = (uint32_t)rand() % 5;
	uint64_t filled = 0, expected = 0;

	switch (rand() % 3) {
	case 0:
		interval_map_set(map, begin, bytes, value);
		break;
	case 1:
		interval_map_clear(map, begin, bytes);
		memset(&values[begin], 0, bytes * sizeof(*values));
		return;
	default:
		filled = interval_map_fill(map, &(struct interval){ .begin = begin, .value = value,
								    .end = begin + bytes });
		for (uint64_t addr = begin; addr < begin + bytes; addr++)
			expected += !values[addr];
		assert_int_equal(filled, expected);
		for (uint64_t addr = begin; addr < begin + bytes; addr++)
			values[addr] = values[addr] ? values[addr] : value + 1;
		return;
	}
	for (uint64_t addr = begin; addr < begin + bytes; addr++)
		values[addr] = value + 1;
}

static void test_at_random(void **state)
{
	struct interval_map map = { 0 };
	uint32_t values[SPACE] = { 0 };

	(void)state;
	srand(1);
	for (unsigned i = 0; i < 3000; i++) {
		random_step(&map, values);
		check_against(&map, values);
	}
	interval_map_release(&map);
}

/* More intervals than a chunk holds, set and cleared in several orders. */
static void test_many(void **state)
{
	struct interval_map map = { 0 };
	const uint64_t count = 3000;

	(void)state;
	for (uint64_t i = 0; i < count; i++)
		interval_map_set(&map, (i * 1237 % count) * 10 + 1, 5, (uint32_t)(i * 1237 % count));
	assert_int_equal(map.count, count);
	check_order(&map);
	for (uint64_t i = 0; i < count; i++) {
		assert_int_equal(interval_map_find(&map, i * 10 + 3)->value, i);
		assert_null(interval_map_find(&map, i * 10 + 8));
	}
	interval_map_clear(&map, 5003, 20000);
	assert_int_equal(map.count, 500 + 1 + 500 - 1 + 1);
	check_order(&map);
	for (uint64_t i = 0; i < count; i++)
		interval_map_clear(&map, (count - 1 - i) * 10, 10);
	assert_int_equal(map.count, 0);
	assert_null(interval_map_next(&map, 0));
	interval_map_release(&map);
}

static void test_set_of_bytes(void **state)
{
	struct interval_map set = { 0 };
	char held[SPACE] = { 0 };

	(void)state;
	srand(2);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t begin = (uint64_t)rand() % SPACE, bytes = (uint64_t)rand() % 9, fresh = 0;

		bytes = begin + bytes > SPACE ? SPACE - begin : bytes;
		for (uint64_t addr = begin; addr < begin + bytes; addr++) {
			fresh += !held[addr];
			held[addr] = 1;
		}
		assert_int_equal(interval_set_add(&set, begin, bytes), fresh);
		check_order(&set);
	}
	interval_map_release(&set);
}

static void test_sets_join_neighbours(void **state)
{
	struct interval_map set = { 0 };

	(void)state;
	interval_set_add(&set, 0, 10);
	interval_set_add(&set, 20, 10);
	assert_int_equal(interval_set_add(&set, 10, 10), 10);
	assert_int_equal(set.count, 1);
	assert_int_equal(nth(&set, 0).end, 30);
	interval_map_release(&set);
}

/* What is left of an interval still says which offset of a file an address has. */
static void test_shift_of_parts(void **state)
{
	struct interval_map map = { 0 };
	struct interval file = { .begin = 100, .end = 200, .value = 1, .shift = 900 };
	struct interval line = { .begin = 90, .end = 210, .value = 2, .shift = 40 };

	(void)state;
	interval_map_put(&map, &file);
	interval_map_clear(&map, 120, 10);
	assert_int_equal(interval_map_find(&map, 119)->shift + 119, 1019);
	assert_int_equal(interval_map_find(&map, 130)->shift + 130, 1030);
	assert_int_equal(interval_map_fill(&map, &line), 30);
	assert_int_equal(interval_map_find(&map, 95)->shift, 40);
	assert_int_equal(interval_map_find(&map, 125)->shift, 40);
	assert_int_equal(interval_map_find(&map, 140)->shift, 900);
	interval_map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shift_of_parts),
		cmocka_unit_test(test_partial_unmap),
		cmocka_unit_test(test_fixed_over_old),
		cmocka_unit_test(test_ends_of_the_address_space),
		cmocka_unit_test(test_at_random),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_set_of_bytes),
		cmocka_unit_test(test_sets_join_neighbours),
	};

	return cmocka_run_group_tests_name("intervals", tests, NULL, NULL);
}
