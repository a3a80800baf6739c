/* SPDX-License-Identifier: MIT */
/*
 * Live blocks, with one shard and with several: reallocs that move, fail and free, addresses that
 * come again, temporary blocks, and a long random run against a plain array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "live_blocks.h"

#define STREAM_LIMIT 8u
#define START_NS 1000u

/* What an event did. */
struct heap_change {
	uint64_t live_bytes, freed_bytes, added_bytes;
	uint32_t freed_stack, added_stack;
	bool has_freed, has_added, is_allocation, is_new_peak, is_temporary;
};

struct fixture {
	struct live_shard shards[SHARDS_MAX];
	unsigned shard_count;
	struct live_blocks *blocks;
	struct heap_change change;	/* of the last event; zeros: nothing */
};

static struct heap_change change_of(const struct heap_batch *batch)
{
	struct heap_change change = { .live_bytes = batch->live_bytes,
				      .is_new_peak = batch->has_peak };

	assert_true(batch->added_count <= 1 && batch->freed_count <= 1);
	if (batch->added_count) {
		change.has_added = true;
		change.added_bytes = batch->added[0].size_bytes;
		change.added_stack = batch->added[0].stack;
		change.is_allocation = batch->added[0].is_allocation;
	}
	if (batch->freed_count) {
		change.has_freed = true;
		change.freed_bytes = batch->freed[0].size_bytes;
		change.freed_stack = batch->freed[0].stack;
		change.is_temporary = batch->freed[0].is_temporary;
	}
	return change;
}

/* One event through all shards and the books, as the report does it with many. */
static void apply(struct fixture *f, const struct lt_record *record, uint32_t stream,
		  bool is_counted)
{
	struct heap_run run = { &record, 1, stream, is_counted };
	struct block_found_list lists[SHARDS_MAX] = { 0 };
	struct found_cursor found = { .shard_count = f->shard_count };
	struct heap_batch batch = { .added_count = 0 };
	struct heap_sums sums;

	for (unsigned i = 0; i < f->shard_count; i++) {
		live_shard_apply(&f->shards[i], &run, &lists[i]);
		found.next[i] = lists[i].items;
	}
	assert_int_equal(live_blocks_follow(f->blocks, &run, 0, &found, &batch, &sums), 1);
	f->change = change_of(&batch);
	assert_int_equal(sums.alloc_count, f->change.is_allocation);
	assert_true(sums.alloc_bytes == (f->change.is_allocation ? f->change.added_bytes : 0));
	for (unsigned i = 0; i < f->shard_count; i++) {
		assert_ptr_equal(found.next[i], lists[i].items + lists[i].count);
		free(lists[i].items);
	}
}

static void apply_alloc(struct fixture *f, uint32_t stream, uint64_t addr, uint64_t bytes,
			uint32_t stack)
{
	struct lt_ev_alloc event = { .addr = addr, .size_bytes = bytes };

	event.head.stack = stack;
	event.head.state = LT_STATE(LT_KIND_alloc, 1, LT_alloc_call_malloc, 0);
	apply(f, &event.head, stream, true);
}

static void apply_free(struct fixture *f, uint32_t stream, uint64_t addr)
{
	struct lt_ev_free event = { .addr = addr };

	event.head.state = LT_STATE(LT_KIND_free, 1, LT_alloc_call_free, 0);
	apply(f, &event.head, stream, true);
}

static void begin_realloc(struct fixture *f, uint32_t stream, uint64_t addr)
{
	struct lt_ev_realloc_begin event = { .addr = addr };

	event.head.state = LT_STATE(LT_KIND_realloc_begin, 1, LT_alloc_call_realloc, 0);
	apply(f, &event.head, stream, true);
}

static void end_realloc(struct fixture *f, uint32_t stream, uint64_t addr, uint64_t bytes,
			uint32_t stack)
{
	struct lt_ev_realloc_end event = { .addr = addr, .size_bytes = bytes };

	event.head.stack = stack;
	event.head.state = LT_STATE(LT_KIND_realloc_end, 1, LT_alloc_call_realloc, 0);
	apply(f, &event.head, stream, true);
}

static struct fixture *new_fixture(unsigned shard_count)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->shard_count = shard_count;
	f->blocks = live_blocks_new(STREAM_LIMIT, START_NS);
	for (unsigned i = 0; i < shard_count; i++)
		live_shard_init(&f->shards[i], i, shard_count, STREAM_LIMIT);
	return f;
}

static void free_fixture(struct fixture *f)
{
	for (unsigned i = 0; i < f->shard_count; i++)
		live_shard_release(&f->shards[i]);
	live_blocks_free(f->blocks);
	free(f);
}

static int set_up_one(void **state)
{
	*state = new_fixture(1);
	return 0;
}

static int set_up_many(void **state)
{
	*state = new_fixture(5);
	return 0;
}

static int tear_down(void **state)
{
	free_fixture(*state);
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

/* Sizes that no entry of the hash has room for. */
static void test_large_sizes(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 1; i <= 100; i++)
			apply_alloc(f, 2, i << 40, i % 2 ? UINT64_MAX - i : i << 38, 7);
		apply_alloc(f, 2, 1ull << 40, 1ull << 50, 8);
		assert_true(f->change.freed_bytes == UINT64_MAX - 1);
		apply_free(f, 2, 1ull << 40);
		assert_true(f->change.freed_bytes == 1ull << 50);
		assert_int_equal(f->change.freed_stack, 8);
		for (uint64_t i = 2; i <= 100; i++) {
			apply_free(f, 2, i << 40);
			assert_true(f->change.freed_bytes == (i % 2 ? UINT64_MAX - i : i << 38));
			assert_int_equal(f->change.freed_stack, 7);
		}
	}
}

static void random_event(struct fixture *f, unsigned what, uint32_t stream, uint64_t addr,
			 uint64_t bytes)
{
	if (what < 35)
		apply_alloc(f, stream, addr, bytes, (uint32_t)bytes + 1);
	else if (what < 70)
		apply_free(f, stream, addr);
	else if (what < 85)
		begin_realloc(f, stream, addr);
	else
		end_realloc(f, stream, what < 88 ? 0 : addr, what == 87 ? 0 : bytes, stream);
}

static void check_same_change(const struct heap_change *a, const struct heap_change *b)
{
	assert_true(a->live_bytes == b->live_bytes && a->freed_bytes == b->freed_bytes);
	assert_true(a->added_bytes == b->added_bytes && a->freed_stack == b->freed_stack);
	assert_true(a->added_stack == b->added_stack && a->has_freed == b->has_freed);
	assert_true(a->has_added == b->has_added && a->is_allocation == b->is_allocation);
	assert_true(a->is_new_peak == b->is_new_peak && a->is_temporary == b->is_temporary);
}

/* Reallocs without an end, without a begin, failed, across shards: as with one table. */
static void test_shards_agree(void **state)
{
	struct fixture *one = new_fixture(1), *many = *state;

	srand(4);
	for (unsigned i = 0; i < 300000; i++) {
		unsigned what = (unsigned)rand() % 100;
		uint32_t stream = 2 + (uint32_t)rand() % 4;
		uint64_t addr = (uint64_t)(rand() % 400) * 48, bytes = (uint64_t)rand() % 1000;

		random_event(one, what, stream, addr, bytes);
		random_event(many, what, stream, addr, bytes);
		check_same_change(&one->change, &many->change);
	}
	assert_memory_equal(live_blocks_totals(one->blocks), live_blocks_totals(many->blocks),
			    sizeof(struct heap_totals));
	free_fixture(one);
}

static void test_outside_the_phase(void **state)
{
	struct fixture *f = *state;
	struct lt_ev_alloc event = { .addr = 0x1000, .size_bytes = 8 };

	event.head.state = LT_STATE(LT_KIND_alloc, 1, 0, 0);
	apply(f, &event.head, 2, false);
	assert_false(f->change.has_added);
	apply_alloc(f, 2, 0x2000, 9, 1);
	assert_int_equal(live_blocks_totals(f->blocks)->live_bytes, 9);
}

/* Batches end where a millisecond does, where they are full, and before what is no heap event. */
static void test_batches_end(void **state)
{
	struct fixture *f = *state;
	struct lt_ev_alloc events[2 * HEAP_BATCH_MAX];
	const struct lt_record *records[2 * HEAP_BATCH_MAX];
	struct heap_run run = { records, 2 * HEAP_BATCH_MAX, 2, true };
	struct found_cursor found = { .shard_count = f->shard_count };
	struct block_found_list lists[SHARDS_MAX] = { 0 };
	struct heap_batch batch = { .added_count = 0 };
	struct heap_sums sums;

	for (unsigned i = 0; i < run.count; i++) {
		events[i] = (struct lt_ev_alloc){ .addr = 16 * (i + 1), .size_bytes = 1 };
		events[i].head.state = LT_STATE(LT_KIND_alloc, 1, 0, 0);
		events[i].head.time = START_NS + (i < 100 ? 5 : i < 101 ? 999999 : 1000000);
		records[i] = &events[i].head;
	}
	events[490].head.state = LT_STATE(LT_KIND_map, 1, 0, 0);
	for (unsigned i = 0; i < f->shard_count; i++) {
		live_shard_apply(&f->shards[i], &run, &lists[i]);
		found.next[i] = lists[i].items;
	}
	assert_int_equal(live_blocks_follow(f->blocks, &run, 0, &found, &batch, &sums), 101);
	assert_int_equal(batch.live_bytes, 101);
	assert_int_equal(batch.most_live_bytes, 101);
	assert_int_equal(batch.peak_added_count, 101);
	assert_int_equal(live_blocks_follow(f->blocks, &run, 101, &found, &batch, &sums), 101);
	heap_batch_clear(&batch);
	assert_int_equal(live_blocks_follow(f->blocks, &run, 101, &found, &batch, &sums), 357);
	assert_int_equal(batch.begin_ns, START_NS + 1000000);
	assert_int_equal(batch.alloc_count, HEAP_BATCH_MAX);
	assert_int_equal(live_blocks_follow(f->blocks, &run, 357, &found, &batch, &sums), 357);
	heap_batch_clear(&batch);
	assert_int_equal(live_blocks_follow(f->blocks, &run, 357, &found, &batch, &sums), 490);
	for (unsigned i = 0; i < f->shard_count; i++)
		free(lists[i].items);
}

#define WITH_ONE_AND_MANY(test) \
	cmocka_unit_test_setup_teardown(test, set_up_one, tear_down), \
	cmocka_unit_test_setup_teardown(test, set_up_many, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ONE_AND_MANY(test_alloc_and_free),
		WITH_ONE_AND_MANY(test_temporary),
		WITH_ONE_AND_MANY(test_unknown_and_missed),
		WITH_ONE_AND_MANY(test_realloc_moves),
		WITH_ONE_AND_MANY(test_realloc_fails),
		WITH_ONE_AND_MANY(test_realloc_to_nothing_frees),
		WITH_ONE_AND_MANY(test_long_run),
		WITH_ONE_AND_MANY(test_large_sizes),
		WITH_ONE_AND_MANY(test_outside_the_phase),
		WITH_ONE_AND_MANY(test_batches_end),
		cmocka_unit_test_setup_teardown(test_shards_agree, set_up_many, tear_down),
	};

	return cmocka_run_group_tests_name("live_blocks", tests, NULL, NULL);
}
