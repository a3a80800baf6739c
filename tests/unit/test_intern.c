/* SPDX-License-Identifier: MIT */
/*
 * The shim's table of stacks and strings (preload/intern.c) by itself: the same bytes get the same
 * id, whatever thread enters them and however often the table grows meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../preload/intern.c"

enum { THREADS = 4, KEYS = 60000 };

static uint32_t ids[THREADS][KEYS];
static uint32_t finished;

/* The pool's part: memory that is zero. */
void *pool_grow(enum lt_extent_type type, uint32_t index, uint64_t bytes)
{
	(void)type;
	(void)index;
	return calloc(1, bytes);
}

static uint32_t enter(unsigned key)
{
	uint64_t bytes[4] = {key, key * 7u, 1, 2};

	return intern_bytes(LT_INTERN_STACK, bytes, sizeof(bytes), 0,
			    intern_hash(bytes, sizeof(bytes), 0));
}

/* All threads enter the same keys in the same order: they meet at the same slots. */
static void *enter_all(void *argument)
{
	uint32_t *own = argument;

	for (unsigned key = 0; key < KEYS; key++)
		while (!(own[key] = enter(key)))
			sched_yield();
	__atomic_add_fetch(&finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Adds indexes much more often than the table needs them. */
static void grow_meanwhile(void)
{
	for (unsigned turn = 0; __atomic_load_n(&finished, __ATOMIC_ACQUIRE) < THREADS; turn++) {
		intern_make_room();
		if (index_count < 7 && turn % 16 == 0)
			add_index();
		sched_yield();
	}
}

static void same_bytes_same_id(void **state)
{
	pthread_t threads[THREADS];
	unsigned differing = 0;

	(void)state;
	assert_true(intern_make_room());
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, enter_all, ids[i]), 0);
	grow_meanwhile();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned key = 0; key < KEYS; key++)
		for (unsigned i = 1; i < THREADS; i++)
			differing += ids[i][key] != ids[0][key];
	assert_int_equal(differing, 0);
}

/* A thread that has read the number of indexes before one was added. */
static void late_thread_finds_the_newer_entry(void **state)
{
	uint64_t bytes[4] = {~(uint64_t)0, 1, 2, 3};
	uint64_t hash = intern_hash(bytes, sizeof(bytes), 0);
	uint32_t count = index_count, id;
	struct slot_search late =
		search_all(count, LT_INTERN_STACK, bytes, sizeof(bytes), 0, hash);

	(void)state;
	assert_int_equal(late.id, 0);
	assert_true(add_index());
	id = intern_bytes(LT_INTERN_STACK, bytes, sizeof(bytes), 0, hash);
	assert_int_not_equal(id, 0);
	/* its slot is taken now, by a seal: it looks again, and has to go to the newest index */
	assert_false(fill_slot(late.slot, 1));
	late = search_all(count, LT_INTERN_STACK, bytes, sizeof(bytes), 0, hash);
	assert_null(late.slot);
	assert_int_equal(late.id, 0);
	late = search_all(index_count, LT_INTERN_STACK, bytes, sizeof(bytes), 0, hash);
	assert_int_equal(late.id, id);
}

static unsigned visited, duplicates;

static void count_entry(const struct lt_intern_entry *entry)
{
	visited++;
	duplicates += (entry->state & LT_INTERN_IS_DUPLICATE) != 0;
}

static void one_entry_for_each_key(void **state)
{
	(void)state;
	visited = duplicates = 0;
	intern_for_each(count_entry);
	assert_int_equal(visited - duplicates, KEYS + 1);
}

/* A record that the target has written over has any number. */
static void ids_that_are_none(void **state)
{
	uint32_t id, last = LT_ARENA_BYTES / LT_ARENA_GRAIN - 1;

	(void)state;
	intern_make_room();
	id = enter(KEYS + 1);
	assert_ptr_equal(intern_entry_checked(id), intern_entry(id));
	assert_null(intern_entry_checked(LT_INTERN_ID(LT_INTERN_ARENA(id), 0)));
	assert_null(intern_entry_checked(id + 1)); /* in the middle of an entry: no state there */
	assert_null(intern_entry_checked(LT_INTERN_ID(LT_INTERN_ARENA(id), last)));
	assert_null(intern_entry_checked(LT_INTERN_ID(arena_count, 1)));
	assert_null(intern_entry_checked(UINT32_MAX));
	intern_entry(id)->length = LT_ARENA_BYTES;
	assert_null(intern_entry_checked(id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes_same_id),
		cmocka_unit_test(late_thread_finds_the_newer_entry),
		cmocka_unit_test(one_entry_for_each_key),
		cmocka_unit_test(ids_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
