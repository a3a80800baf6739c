/* SPDX-License-Identifier: MIT */
/*
 * Live blocks: reallocs that move, fail and free, addresses that come again, temporary blocks, and
 * a long random run against a plain array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "live_blocks.h"

struct fixture {
	struct live_blocks *blocks;
	struct heap_change change;
};

static void apply_alloc(struct fixture *f, uint32_t stream, uint64_t addr, uint64_t bytes,
			uint32_t stack)
{
	struct lt_ev_alloc event = { .addr = addr, .size_bytes = bytes };

	event.head.stack = stack;
	event.head.state = LT_STATE(LT_KIND_alloc, 1, LT_alloc_call_malloc, 0);
	live_blocks_apply(f->blocks, &event.head, stream, true, &f->change);
}

static void apply_free(struct fixture *f, uint32_t stream, uint64_t addr)
{
	struct lt_ev_free event = { .addr = addr };

	event.head.state = LT_STATE(LT_KIND_free, 1, LT_alloc_call_free, 0);
	live_blocks_apply(f->blocks, &event.head, stream, true, &f->change);
}

static void begin_realloc(struct fixture *f, uint32_t stream, uint64_t addr)
{
	struct lt_ev_realloc_begin event = { .addr = addr };

	event.head.state = LT_STATE(LT_KIND_realloc_begin, 1, LT_alloc_call_realloc, 0);
	live_blocks_apply(f->blocks, &event.head, stream, true, &f->change);
}

static void end_realloc(struct fixture *f, uint32_t stream, uint64_t addr, uint64_t bytes,
			uint32_t stack)
{
	struct lt_ev_realloc_end event = { .addr = addr, .size_bytes = bytes };

	event.head.stack = stack;
	event.head.state = LT_STATE(LT_KIND_realloc_end, 1, LT_alloc_call_realloc, 0);
	live_blocks_apply(f->blocks, &event.head, stream, true, &f->change);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->blocks = live_blocks_new(8);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	live_blocks_free(f->blocks);
	free(f);
	return 0;
}

static void test_alloc_and_free(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);

	apply_alloc(f, 2, 0x1000, 100, 5);
	assert_true(f->change.has_added && f->change.is_allocation && !f->change.has_freed);
	apply_alloc(f, 2, 0x2000, 50, 6);
	assert_int_equal(totals->live_bytes, 150);
	apply_free(f, 3, 0x1000);
	assert_true(f->change.has_freed && !f->change.is_temporary);
	assert_int_equal(f->change.freed_stack, 5);
	assert_int_equal(f->change.freed_bytes, 100);
	assert_int_equal(totals->live_bytes, 50);
	assert_int_equal(totals->peak_live_bytes, 150);
}

static void test_temporary(void **state)
{
	struct fixture *f = *state;

	apply_alloc(f, 2, 0x1000, 100, 5);
	apply_alloc(f, 3, 0x2000, 100, 5);
	apply_free(f, 2, 0x1000);
	assert_true(f->change.is_temporary);
	apply_alloc(f, 3, 0x3000, 100, 5);
	apply_free(f, 3, 0x2000);
	assert_false(f->change.is_temporary);
}

static void test_unknown_and_missed(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);

	apply_free(f, 2, 0x9000);
	apply_free(f, 2, 0);
	assert_int_equal(totals->free_count, 1);
	assert_int_equal(totals->unknown_free_count, 1);
	apply_alloc(f, 2, 0x1000, 100, 5);
	apply_alloc(f, 2, 0x1000, 30, 6);
	assert_int_equal(totals->missed_free_count, 1);
	assert_int_equal(totals->live_bytes, 30);
	assert_int_equal(totals->live_count, 1);
	assert_true(f->change.has_freed && f->change.has_added);
	apply_alloc(f, 2, 0, 30, 6);
	assert_int_equal(totals->failed_count, 1);
	assert_false(f->change.has_added);
}

static void test_realloc_moves(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);

	apply_alloc(f, 2, 0x1000, 100, 5);
	begin_realloc(f, 2, 0x1000);
	/* another thread gets the old address before this one reports its new one */
	apply_alloc(f, 3, 0x1000, 7, 6);
	end_realloc(f, 2, 0x5000, 400, 9);
	assert_true(f->change.is_allocation);
	assert_int_equal(totals->live_bytes, 407);
	assert_int_equal(totals->missed_free_count, 0);
	apply_free(f, 2, 0x5000);
	assert_int_equal(f->change.freed_stack, 9);
}

static void test_realloc_fails(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);

	apply_alloc(f, 2, 0x1000, 100, 5);
	begin_realloc(f, 2, 0x1000);
	end_realloc(f, 2, 0, 1 << 30, 9);
	assert_true(f->change.has_added && !f->change.is_allocation);
	assert_int_equal(totals->live_bytes, 100);
	assert_int_equal(totals->free_count, 0);
	assert_int_equal(totals->failed_count, 1);
	apply_free(f, 2, 0x1000);
	assert_int_equal(f->change.freed_stack, 5);
}

static void test_realloc_to_nothing_frees(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);

	apply_alloc(f, 2, 0x1000, 100, 5);
	begin_realloc(f, 2, 0x1000);
	end_realloc(f, 2, 0, 0, 9);
	assert_int_equal(totals->live_count, 0);
	assert_int_equal(totals->free_count, 1);
	assert_int_equal(totals->failed_count, 0);
}

#define ADDRESSES 5000u

/* Addresses close to each other collide in the hash; deletions must keep the others reachable. */
static void test_long_run(void **state)
{
	struct fixture *f = *state;
	const struct heap_totals *totals = live_blocks_totals(f->blocks);
	uint32_t *sizes = calloc(ADDRESSES, sizeof(*sizes));
	uint64_t live_bytes = 0;

	srand(3);
	for (unsigned i = 0; i < 300000; i++) {
		unsigned k = (unsigned)rand() % ADDRESSES;
		uint64_t addr = 0x10000 + k * 16ull;

		if (sizes[k]) {
			apply_free(f, 2, addr);
			assert_true(f->change.has_freed);
			assert_int_equal(f->change.freed_bytes, sizes[k]);
			live_bytes -= sizes[k];
			sizes[k] = 0;
		} else {
			sizes[k] = (uint32_t)rand() % 1000 + 1;
			apply_alloc(f, 2, addr, sizes[k], k);
			live_bytes += sizes[k];
		}
		assert_int_equal(totals->live_bytes, live_bytes);
	}
	assert_int_equal(totals->unknown_free_count, 0);
	assert_int_equal(totals->missed_free_count, 0);
	free(sizes);
}

static void test_outside_the_phase(void **state)
{
	struct fixture *f = *state;
	struct lt_ev_alloc event = { .addr = 0x1000, .size_bytes = 8 };

	event.head.state = LT_STATE(LT_KIND_alloc, 1, 0, 0);
	live_blocks_apply(f->blocks, &event.head, 2, false, &f->change);
	assert_false(f->change.has_added);
	apply_alloc(f, 2, 0x2000, 9, 1);
	assert_int_equal(live_blocks_totals(f->blocks)->live_bytes, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alloc_and_free, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_temporary, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_and_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_realloc_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_realloc_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_realloc_to_nothing_frees, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_outside_the_phase, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("live_blocks", tests, NULL, NULL);
}
