/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: numbers that are used again, dup, offsets of reads and seeks, streams with a
 * position of their own, descriptors that were open before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fds.h"

#define REGULAR 0100644
#define FIFO 0010644

static const char *string_of(const void *context, uint32_t id)
{
	const char *const *strings = context;

	return strings[id];
}

static const char *const strings[] = { NULL, "/a", "/b", "pipe:[123]", "pipe:[456]" };

static bool apply(struct fd_model *model, unsigned kind, unsigned aux, struct lt_record *record,
		  struct io_access *access)
{
	record->state = LT_STATE(kind, 1, aux, 0);
	return fd_model_apply(model, record, access);
}

static void open_fd(struct fd_model *model, int fd, uint32_t path, uint32_t mode)
{
	struct lt_ev_open event = { .fd = fd, .path = path, .file_mode = mode, .inode = path,
				    .file_bytes = 1000, .block_bytes = 4096 };
	struct io_access access;

	assert_true(apply(model, LT_KIND_open, LT_open_call_open, &event.head, &access));
}

static struct io_access read_fd(struct fd_model *model, int fd, int64_t offset, int64_t got)
{
	struct lt_ev_read event = { .fd = fd, .offset_bytes = offset, .got_bytes = got,
				    .asked_bytes = 100, .to_fd = -1 };
	struct io_access access;

	assert_true(apply(model, LT_KIND_read, LT_read_call_read, &event.head, &access));
	return access;
}

static void close_fd(struct fd_model *model, int fd, int last)
{
	struct lt_ev_close event = { .fd = fd, .last_fd = last };
	struct io_access access;

	assert_false(apply(model, LT_KIND_close, LT_close_call_close, &event.head, &access));
}

static void dup_fd(struct fd_model *model, int old_fd, int new_fd)
{
	struct lt_ev_dup event = { .old_fd = old_fd, .new_fd = new_fd };
	struct io_access access;

	apply(model, LT_KIND_dup, LT_dup_call_dup2, &event.head, &access);
}

static const char *path_of(struct fd_model *model, int fd)
{
	return fd_model_file(model, fd_model_file_of(model, fd))->path;
}

static void test_offsets(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);
	struct io_access access;
	struct lt_ev_seek seek = { .fd = 3, .result_bytes = 500 };

	(void)state;
	open_fd(model, 3, 1, REGULAR);
	access = read_fd(model, 3, -1, 100);
	assert_int_equal(access.offset_bytes, 0);
	access = read_fd(model, 3, -1, 50);
	assert_int_equal(access.offset_bytes, 100);
	assert_int_equal(access.expected_bytes, 100);
	/* pread leaves the position alone */
	access = read_fd(model, 3, 700, 10);
	assert_int_equal(access.offset_bytes, 700);
	access = read_fd(model, 3, -1, 10);
	assert_int_equal(access.offset_bytes, 150);
	assert_int_equal(access.expected_bytes, 710);
	apply(model, LT_KIND_seek, LT_seek_call_lseek, &seek.head, &access);
	assert_int_equal(read_fd(model, 3, -1, 10).offset_bytes, 500);
	access = read_fd(model, 3, -1, -9);
	assert_true(access.is_failed);
	assert_int_equal(access.bytes, 0);
	assert_int_equal(read_fd(model, 3, -1, 1).offset_bytes, 510);
	fd_model_free(model);
}

static void test_numbers_are_used_again(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);

	(void)state;
	open_fd(model, 3, 1, REGULAR);
	read_fd(model, 3, -1, 100);
	close_fd(model, 3, 3);
	assert_int_equal(fd_model_file_of(model, 3), 0);
	open_fd(model, 3, 2, REGULAR);
	assert_string_equal(path_of(model, 3), "/b");
	assert_int_equal(read_fd(model, 3, -1, 1).offset_bytes, 0);
	/* the close was not seen */
	open_fd(model, 3, 1, REGULAR);
	assert_string_equal(path_of(model, 3), "/a");
	fd_model_free(model);
}

static void test_dup_shares_the_position(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);

	(void)state;
	open_fd(model, 3, 1, REGULAR);
	dup_fd(model, 3, 9);
	read_fd(model, 3, -1, 40);
	assert_int_equal(read_fd(model, 9, -1, 2).offset_bytes, 40);
	close_fd(model, 3, 3);
	assert_int_equal(read_fd(model, 9, -1, 2).offset_bytes, 42);
	/* the description is free again only when both are closed */
	open_fd(model, 4, 2, REGULAR);
	assert_string_equal(path_of(model, 9), "/a");
	dup_fd(model, 4, 9);
	assert_string_equal(path_of(model, 9), "/b");
	fd_model_free(model);
}

static void test_close_range(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);

	(void)state;
	for (int fd = 3; fd < 8; fd++)
		open_fd(model, fd, 1, REGULAR);
	close_fd(model, 4, INT32_MAX);
	assert_string_equal(path_of(model, 3), "/a");
	for (int fd = 4; fd < 8; fd++)
		assert_int_equal(fd_model_file_of(model, fd), 0);
	fd_model_free(model);
}

static void test_unknown_and_bad_numbers(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);

	(void)state;
	assert_int_equal(read_fd(model, -1, -1, -9).file, 0);
	assert_int_equal(read_fd(model, INT32_MAX, -1, 5).offset_bytes, -1);
	assert_int_equal(read_fd(model, 77, -1, 5).file, 0);
	close_fd(model, -1, -1);
	dup_fd(model, 5, -1);
	fd_model_free(model);
}

static void test_pipes_have_no_offset(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);

	(void)state;
	open_fd(model, 3, 3, FIFO);
	open_fd(model, 4, 4, FIFO);
	assert_int_equal(read_fd(model, 3, -1, 5).offset_bytes, -1);
	assert_string_equal(path_of(model, 3), "[pipe]");
	assert_int_equal(fd_model_file_of(model, 3), fd_model_file_of(model, 4));
	fd_model_free(model);
}

static struct io_access run_of(struct fd_model *model, uint64_t stream, int64_t offset,
			       uint64_t bytes, uint64_t count)
{
	struct lt_ev_io_run event = { .stream = stream, .fd = -1, .offset_bytes = offset,
				      .bytes = bytes, .count = count };
	struct io_access access;

	assert_true(apply(model, LT_KIND_io_run, LT_run_kind_fread, &event.head, &access));
	return access;
}

static void test_streams(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);
	struct lt_ev_open open = { .stream = 0x7000, .fd = 3, .path = 1, .file_mode = REGULAR,
				   .inode = 1 };
	struct lt_ev_close close = { .stream = 0x7000, .fd = 3, .last_fd = 3 };
	struct io_access access;

	(void)state;
	apply(model, LT_KIND_open, LT_open_call_fopen, &open.head, &access);
	assert_true(access.is_stream);
	access = run_of(model, 0x7000, 0, 60, 10);
	assert_string_equal(fd_model_file(model, access.file)->path, "/a");
	assert_int_equal(access.call_count, 10);
	access = run_of(model, 0x7000, 60, 6, 1);
	assert_int_equal(access.expected_bytes, 60);
	/* the buffer has read ahead: where the descriptor stands is not known */
	assert_int_equal(read_fd(model, 3, -1, 5).offset_bytes, -1);
	apply(model, LT_KIND_close, LT_close_call_fclose, &close.head, &access);
	assert_int_equal(run_of(model, 0x7000, 0, 1, 1).file, 0);
	assert_int_equal(fd_model_file_of(model, 3), 0);
	fd_model_free(model);
}

static void test_seen_before(void **state)
{
	struct fd_model *model = fd_model_new(string_of, strings);
	struct lt_ev_fd_seen seen = { .fd = 5, .offset_bytes = 30, .path = 2, .inode = 2,
				      .file_mode = REGULAR };
	struct io_access access;

	(void)state;
	apply(model, LT_KIND_fd_seen, LT_seen_at_start, &seen.head, &access);
	assert_int_equal(read_fd(model, 5, -1, 10).offset_bytes, 30);
	/* seen again: what is known stays */
	apply(model, LT_KIND_fd_seen, LT_seen_at_phase, &seen.head, &access);
	assert_int_equal(read_fd(model, 5, -1, 10).offset_bytes, 40);
	fd_model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_numbers_are_used_again),
		cmocka_unit_test(test_dup_shares_the_position),
		cmocka_unit_test(test_close_range),
		cmocka_unit_test(test_unknown_and_bad_numbers),
		cmocka_unit_test(test_pipes_have_no_offset),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_seen_before),
	};

	return cmocka_run_group_tests_name("fds", tests, NULL, NULL);
}
