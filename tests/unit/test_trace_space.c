/* SPDX-License-Identifier: MIT */
/*
 * The ring of bytes of a bounded trace: a model file is written frame by frame as the shim does it,
 * and read after every single step, as if the process had been killed there. The frames must cover
 * the file, hold whole segments from the oldest one on, and stay within the bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/trace_space.c"

#define FILE_MAX (1u << 20)
#define IS_VOID 0x766f6964u
#define IS_FRAME 0x66726d65u

/* What stands at the begin of each frame; the rest is filler that is no frame. */
struct frame {
	uint32_t magic;
	uint32_t bytes; /* in all */
};

struct file {
	uint8_t bytes[FILE_MAX];
	uint64_t end;
	uint64_t head_bytes;
	uint64_t last_number; /* frames are numbered from 1 */
	uint64_t first_of_segment[4096];
};

static struct file file;

/* @return bytes of frames; each frame from the oldest segment on must be there once. */
static uint64_t check_file(bool may_be_cut)
{
	static uint8_t seen[FILE_MAX];
	uint64_t at = file.head_bytes, first = file.first_of_segment[space_oldest_segment()];
	uint64_t sum = 0;

	memset(seen, 0, sizeof(seen));
	while (at < file.end) {
		struct frame frame;

		memcpy(&frame, file.bytes + at, sizeof(frame));
		assert_int_equal(at % SPACE_GRAIN, 0);
		assert_true(frame.magic == IS_VOID || frame.magic == IS_FRAME);
		assert_true(frame.bytes >= SPACE_VOID_BYTES);
		if (at + frame.bytes > file.end) {
			assert_true(may_be_cut);
			break;
		}
		if (frame.magic == IS_FRAME) {
			uint64_t number;

			memcpy(&number, file.bytes + at + 8, sizeof(number));
			assert_true(number < FILE_MAX && !seen[number]);
			seen[number] = 1;
			sum += frame.bytes;
		}
		at += frame.bytes;
	}
	for (uint64_t number = first; first && number <= file.last_number; number++)
		assert_true(seen[number]);
	return sum;
}

static void put(uint64_t at, const void *bytes, size_t length)
{
	assert_true(at + length <= FILE_MAX);
	memcpy(file.bytes + at, bytes, length);
	if (at + length > file.end)
		file.end = at + length;
}

static void put_frame(uint64_t at, uint32_t magic, uint64_t bytes)
{
	struct frame frame = {magic, (uint32_t)bytes};

	put(at, &frame, sizeof(frame));
}

/* As trace_file.c does it; the file is looked at after each step. */
static void write_frame(uint64_t bytes, bool is_segment)
{
	struct space_plan plan;
	uint64_t number = file.last_number + 1;
	uint8_t *body = malloc(bytes);

	if (is_segment) {
		space_begin_segment();
		file.first_of_segment[space_segment()] = number;
	}
	space_take(bytes, &plan);
	if (plan.is_truncated) {
		file.end = plan.truncate_at;
		check_file(false);
	}
	if (plan.void_bytes) {
		put_frame(plan.offset, IS_VOID, plan.void_bytes);
		check_file(false);
	}
	memset(body, 0xee, bytes);
	memcpy(body + 8, &number, sizeof(number));
	if (plan.is_append) {
		assert_int_equal(plan.offset, file.end);
		put_frame(plan.offset, IS_FRAME, bytes);
		check_file(true);
		put(plan.offset + 8, body + 8, bytes - 8);
	} else {
		put(plan.offset + 8, body + 8, bytes - 8);
		if (plan.rest_bytes)
			put_frame(plan.offset + bytes, IS_VOID, plan.rest_bytes);
		check_file(false);
		put_frame(plan.offset, IS_FRAME, bytes);
	}
	file.last_number = number;
	check_file(false);
	assert_int_equal(file.end, space_file_end());
	free(body);
}

static void start(uint64_t max_bytes, uint64_t head_bytes)
{
	memset(&file, 0, sizeof(file));
	file.end = file.head_bytes = head_bytes;
	space_init(max_bytes, head_bytes);
	write_frame(64, true);
}

static void test_bound_is_kept(void **state)
{
	const uint64_t max_bytes = 32768;

	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		srand(seed);
		start(max_bytes, 128);
		for (int i = 0; i < 2000; i++) {
			bool is_segment = space_segment_bytes() >= max_bytes / 8;

			write_frame(16 + 8 * (uint64_t)(rand() % 200), is_segment);
			assert_true(file.end <= max_bytes);
			/* at least five of eight segments are there once the file is full */
			if (space_oldest_segment() > 1)
				assert_true(check_file(false) > max_bytes * 5 / 8);
		}
		assert_true(space_oldest_segment() > 10);
	}
}

/* A segment that alone is larger than the bound: the file grows, and shrinks when it is gone. */
static void test_beyond_the_bound_and_back(void **state)
{
	const uint64_t max_bytes = 8192;

	(void)state;
	for (unsigned seed = 1; seed <= 6; seed++) {
		srand(seed);
		start(max_bytes, 64);
		for (int round = 0; round < 5; round++) {
			uint64_t large = max_bytes * 2 + (uint64_t)(rand() % 8192);

			write_frame(64, true);
			while (space_segment_bytes() < large)
				write_frame(16 + 8 * (uint64_t)(rand() % 100), false);
			assert_true(file.end > max_bytes);
			for (int i = 0; i < 300; i++)
				write_frame(16 + 8 * (uint64_t)(rand() % 20), i % 10 == 0);
			assert_true(file.end <= max_bytes);
		}
	}
}

/* A room that is left must hold a void frame, or be filled exactly. */
static void test_exact_rooms(void **state)
{
	(void)state;
	start(1024, 0);
	for (int i = 0; i < 500; i++)
		write_frame(8 * (2 + (uint64_t)i % 9), i % 3 == 0);
	assert_true(file.end <= 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_is_kept),
		cmocka_unit_test(test_beyond_the_bound_and_back),
		cmocka_unit_test(test_exact_rooms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
