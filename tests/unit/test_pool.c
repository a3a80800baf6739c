/* SPDX-License-Identifier: MIT */
/*
 * The rings of a killed process: which records of a pool count, what their times and ids become,
 * and that a report keeps them in the trace for the next one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool_builder.h"
#include "trace.h"
#include "trace_builder.h"

#define STREAM 2
#define EVENTS_MAX 8192
#define STACK_LEAF 0x400123u

static char trace_path[] = "test_pool.XXXXXX", pool_path[64];

/* What tests look at of each event of the stream, stream_stats left out. */
struct seen {
	unsigned kind;
	uint64_t time_ns, addr, count;
	uint32_t stack, path;
};

static struct seen seen[EVENTS_MAX];
static size_t seen_count;
static struct trace *trace;
static struct pool_builder *pool;
static struct lt_ring *ring;

/* A pid that nobody has, on this machine and in this boot. */
static void name_dead_process(struct lt_file_header *header)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	pid_t pid = fork();
	unsigned byte;

	assert_non_null(file);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < sizeof(header->boot_id); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			assert_int_equal(fgetc(file), '-');
		assert_int_equal(fscanf(file, "%2x", &byte), 1);
		header->boot_id[i] = (uint8_t)byte;
	}
	fclose(file);
	header->pid = (uint32_t)pid;
	header->process_start_ticks = 1;
}

/*
 * Begins a trace and the pool that belongs to it. file_events: records of the stream in the file.
 */
static void start(unsigned file_events)
{
	struct trace_builder *builder = builder_new(trace_path);
	struct lt_file_header *header = builder_header(builder);
	const uint64_t frames[] = { 1, 0x10 };

	name_dead_process(header);
	header->start_ns = POOL_START_NS;
	strcpy(header->pool_path, pool_path);
	pool = pool_builder_new(header);
	ring = pool_builder_ring(pool);
	builder_start(builder);
	builder_module(builder, 1, 0x400000, 0x500000, "id", 2, "/bin/true");
	builder_stack(builder, 1, frames, 1);
	builder_string(builder, 1, "in the file");
	for (unsigned i = 0; i < file_events; i++)
		builder_alloc(builder, POOL_TIME_NS(i * 10), 0, 0x1000 + i, 8);
	builder_flush(builder, STREAM);
	builder_finish(builder, false);
}

static void collect(void)
{
	struct trace_batch batch;

	seen_count = 0;
	while (trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++) {
			const struct lt_record *record = batch.records[i];
			const struct lt_ev_alloc *alloc = (const struct lt_ev_alloc *)record;
			const struct lt_ev_io_run *run = (const struct lt_ev_io_run *)record;
			const struct lt_ev_open *open_event = (const struct lt_ev_open *)record;
			unsigned kind = LT_STATE_KIND(record->state);

			if (kind == LT_KIND_stream_stats)
				continue;
			assert_int_equal(batch.stream, STREAM);
			assert_true(seen_count < EVENTS_MAX);
			seen[seen_count++] = (struct seen){
				.kind = kind, .time_ns = record->time, .stack = record->stack,
				.addr = kind == LT_KIND_alloc ? alloc->addr : 0,
				.count = kind == LT_KIND_io_run ? run->count : 0,
				.path = kind == LT_KIND_open ? open_event->path : 0,
			};
		}
}

static void read_trace(bool remove_pool)
{
	struct trace_options options = { .thread_count = 2, .remove_pool = remove_pool };
	struct error error;

	assert_int_equal(trace_open(trace_path, &options, &trace, &error), 0);
	collect();
}

static void finish(void)
{
	pool_builder_finish(pool, pool_path);
	read_trace(false);
	assert_int_equal(trace_facts(trace)->rings, TRACE_RINGS_READ);
	assert_int_equal(trace_facts(trace)->state, TRACE_KILLED);
	assert_false(trace_facts(trace)->is_damaged);
}

static void end(void)
{
	trace_close(trace);
	trace = NULL;
}

static void check_addrs(uint64_t first, size_t count)
{
	assert_int_equal(seen_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(seen[i].addr, first + i);
}

static void test_committed(void **state)
{
	(void)state;
	start(0);
	for (unsigned i = 0; i < 5; i++)
		pool_ring_alloc(ring, 100 + i * 10, 0, 0x1000 + i);
	finish();
	check_addrs(0x1000, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(seen[i].time_ns, POOL_TIME_NS(100 + i * 10));
	assert_int_equal(trace_stream(trace, STREAM)->tid, 77);
	end();
}

static void test_durations(void **state)
{
	struct lt_ev_map map = { .head.time = 500, .addr = 0x7000, .duration_ns = 90 };
	struct trace_batch batch;

	(void)state;
	start(0);
	pool_ring_add(ring, LT_KIND_map, LT_map_call_mmap, &map);
	finish();
	assert_int_equal(seen_count, 1);
	trace_rewind(trace);
	assert_true(trace_next_batch(trace, &batch));
	assert_int_equal(((const struct lt_ev_map *)batch.records[0])->duration_ns, 45);
	end();
}

/* Reserved and never committed, with and without its size; pads. What is behind them counts. */
static void test_holes(void **state)
{
	(void)state;
	start(0);
	pool_ring_alloc(ring, 100, 0, 0x1000);
	pool_ring_hole(ring, 3, true);
	pool_ring_alloc(ring, 110, 0, 0x1001);
	pool_ring_hole(ring, 2, false);
	pool_ring_alloc(ring, 120, 0, 0x1002);
	finish();
	check_addrs(0x1000, 3);
	end();
}

/* The second lap lies over the first one; at the ring's end there is a pad. */
static void test_laps(void **state)
{
	struct lt_ev_map map = { .head.time = 90000 };
	uint64_t hole;

	(void)state;
	start(0);
	for (unsigned i = 0; i < LT_RING_SLOTS - 1; i++)
		pool_ring_alloc(ring, i, 0, 1 + i);
	ring->tail = 1000;
	pool_ring_add(ring, LT_KIND_map, LT_map_call_mmap, &map);
	assert_true(ring->head > LT_RING_SLOTS + 1);
	hole = pool_ring_hole(ring, 1, false);
	assert_int_equal(hole, ring->head - 1);	/* its slot still holds a record of the first lap */
	pool_ring_alloc(ring, 90010, 0, 5000);
	finish();
	/* the ring does not reach back to where the file ends: from the tail on */
	assert_int_equal(seen_count, LT_RING_SLOTS - 1 - 1000 + 2);
	assert_int_equal(seen[0].addr, 1001);
	assert_int_equal(seen[seen_count - 3].addr, LT_RING_SLOTS - 1);
	assert_int_equal(seen[seen_count - 2].kind, LT_KIND_map);
	assert_int_equal(seen[seen_count - 1].addr, 5000);
	end();
}

/* Killed between the write of a block and the step of the tail: the file's positions decide. */
static void test_duplicates(void **state)
{
	(void)state;
	start(6);
	for (unsigned i = 0; i < 9; i++)
		pool_ring_alloc(ring, i * 10, 0, 0x1000 + i);
	ring->tail = 2;
	finish();
	check_addrs(0x1000, 9);
	assert_int_equal(trace_facts(trace)->ring_event_count, 3 + 1);	/* and its stream_stats */
	end();
}

static struct lt_open_run *open_run(unsigned i, uint64_t count)
{
	struct lt_open_run *run = &ring->runs[i];

	run->event.head.time = 700 + i;
	run->event.head.state = LT_STATE(LT_KIND_io_run, LT_SLOTS(io_run), LT_run_kind_fread, 1);
	run->event.count = count;
	return run;
}

/* An open run counts unless the record that it was copied to does. */
static void test_open_runs(void **state)
{
	struct lt_ev_io_run *copied;

	(void)state;
	start(2);
	pool_ring_alloc(ring, 0, 0, 0x1000);
	pool_ring_alloc(ring, 10, 0, 0x1001);
	open_run(0, 5);
	copied = &open_run(1, 6)->event;
	ring->runs[1].flush_position = 1 + pool_ring_add(ring, LT_KIND_io_run, LT_run_kind_fread,
							 copied);
	open_run(2, 7)->flush_position = 1 + pool_ring_hole(ring, LT_SLOTS(io_run), true);
	open_run(3, 8)->flush_position = 1 + 1;	/* in the file */
	finish();
	assert_int_equal(seen_count, 2 + 3);
	assert_int_equal(seen[2].count, 5);
	assert_int_equal(seen[3].count, 6);
	assert_int_equal(seen[4].count, 7);
	end();
}

static void test_free_run(void **state)
{
	(void)state;
	start(0);
	pool_ring_alloc(ring, 0, 0, 0x1000);
	open_run(0, 0);
	finish();
	check_addrs(0x1000, 1);
	end();
}

static void check_stack(uint32_t id, uint64_t offset)
{
	struct trace_stack stack = trace_stack(trace, id);
	struct trace_frame frame;

	assert_true(id > 0 && id < trace_stack_limit(trace));
	assert_true(stack.count > 0);
	frame = trace_frame(trace, stack.frames[0]);
	assert_int_equal(frame.module, 1);
	assert_int_equal(frame.offset, offset);
}

/* Not written yet, written, and named while its definition never came to the file. */
static void test_interned_stacks(void **state)
{
	const uint64_t fresh[] = { STACK_LEAF, 0x900000 }, lost[] = { STACK_LEAF + 1 };
	uint32_t ids[3];

	(void)state;
	start(0);
	ids[0] = pool_intern_stack(pool, 0, fresh, 2);
	ids[1] = pool_intern_stack(pool, 1, fresh, 1);
	ids[2] = pool_intern_stack(pool, 40, lost, 1);
	for (unsigned i = 0; i < 3; i++)
		pool_ring_alloc(ring, 100 + i, ids[i], 0x1000 + i);
	pool_ring_alloc(ring, 200, ids[0], 0x1003);
	pool_ring_alloc(ring, 210, 0x7fff0001, 0x1004);	/* no such entry */
	finish();
	check_addrs(0x1000, 5);
	check_stack(seen[0].stack, 0x123);
	assert_int_equal(trace_stack(trace, seen[0].stack).count, 2);
	assert_int_equal(seen[1].stack, 1);
	check_stack(1, 0x10);
	assert_int_equal(seen[2].stack, 40);
	check_stack(40, 0x124);
	assert_int_equal(seen[3].stack, seen[0].stack);
	assert_true(seen[0].stack != 1 && seen[0].stack != 40);
	assert_int_equal(seen[4].stack, 0);
	end();
}

static void test_interned_strings(void **state)
{
	static const char *const wanted[] = { "fresh", "in the file", "lost" };
	struct lt_ev_open event = { .fd = 3 };
	uint32_t ids[3];

	(void)state;
	start(0);
	ids[0] = pool_intern_string(pool, 0, "fresh");
	ids[1] = pool_intern_string(pool, 1, "of the pool");
	ids[2] = pool_intern_string(pool, 9, "lost");
	for (unsigned i = 0; i < 3; i++) {
		event.head.time = 100 + i;
		event.path = ids[i];
		pool_ring_add(ring, LT_KIND_open, LT_open_call_open, &event);
	}
	finish();
	assert_int_equal(seen_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(trace_string(trace, seen[i].path), wanted[i]);
	end();
}

static void check_refused(const char *word)
{
	pool_builder_finish(pool, pool_path);
	read_trace(true);
	assert_int_equal(trace_facts(trace)->rings, TRACE_RINGS_MISSING);
	assert_non_null(strstr(trace_facts(trace)->rings_text, word));
	check_addrs(0x1000, 1);
	assert_int_equal(access(pool_path, F_OK), 0);
	end();
}

static void test_other_pools(void **state)
{
	(void)state;
	start(1);
	pool_builder_header(pool)->process_start_ticks++;
	check_refused("another process");
	start(1);
	pool_builder_header(pool)->first_clock.ns++;
	check_refused("later program");
	start(1);
	pool_builder_header(pool)->version++;
	check_refused("version");
}

/* Nothing in a pool is trusted: the process may have died while it wrote any of it. */
static void test_nonsense(void **state)
{
	/* extents, the ring's own fields, its first slots, the first entries */
	const uint64_t ring_at = (sizeof(struct lt_pool_header) + 4095u) & ~4095u;
	const uint64_t begins[] = { offsetof(struct lt_pool_header, first_clock),
				    offsetof(struct lt_pool_header, extents), ring_at,
				    ring_at + offsetof(struct lt_ring, slots),
				    ring_at + sizeof(struct lt_ring) };

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 600; round++) {
		uint64_t frame = STACK_LEAF, value = (uint64_t)rand() << (rand() % 48);
		struct trace_options options = { .thread_count = 2 };
		struct trace_batch batch;
		struct error error;
		int fd;

		start(1);
		for (unsigned i = 0; i < 8; i++)
			pool_ring_alloc(ring, i, pool_intern_stack(pool, 0, &frame, 1), 0x1000);
		open_run(0, 5);
		pool_builder_finish(pool, pool_path);
		fd = open(pool_path, O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, &value, (size_t)(1 << rand() % 4),
					(off_t)(begins[round % 5] + (uint64_t)(rand() % 192))) > 0,
				 true);
		close(fd);
		assert_int_equal(trace_open(trace_path, &options, &trace, &error), 0);
		while (trace_next_batch(trace, &batch))
			assert_true(batch.count > 0);
		end();
	}
}

/* What several extents share is read once. */
static void test_overlapping_extents(void **state)
{
	struct lt_pool_header *header;

	(void)state;
	start(0);
	header = pool_builder_header(pool);
	for (; header->extent_count < 40; header->extent_count++)
		header->extents[header->extent_count] = header->extents[0];
	for (unsigned i = 0; i < 5; i++)
		pool_ring_alloc(ring, 100 + i * 10, 0, 0x1000 + i);
	finish();
	check_addrs(0x1000, 5);
	end();
}

/* ---- keeping ---- */

static off_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

static void check_kept(off_t size)
{
	for (unsigned i = 0; i < 2; i++) {
		read_trace(i);
		assert_int_equal(trace_facts(trace)->state, TRACE_KILLED);
		assert_int_equal(trace_facts(trace)->rings, TRACE_RINGS_READ);
		assert_false(trace_facts(trace)->is_damaged);
		check_addrs(0x1000, 4);
		end();
		assert_int_equal(size_of(trace_path), size);
	}
}

static void start_two_and_two(uint64_t zeros)
{
	start(2);
	for (unsigned i = 0; i < 4; i++)
		pool_ring_alloc(ring, i * 10, 0, 0x1000 + i);
	if (zeros)
		pool_builder_zeros(pool, zeros);
	pool_builder_finish(pool, pool_path);
}

/* Of one part, of several, and behind a block that was cut. */
static void test_kept(void **state)
{
	const uint64_t zeros[] = { 0, 2 * (uint64_t)LT_POOL_PART_BYTES, 0 };
	const uint8_t cut[] = { 0x51, 0x2a, 0x4d, 0x18, 64, 0, 0, 0, 'L', 'T' };
	off_t size;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		start_two_and_two(zeros[i]);
		if (i == 2) {
			FILE *file = fopen(trace_path, "ae");

			assert_int_equal(fwrite(cut, 1, sizeof(cut), file), sizeof(cut));
			fclose(file);
		}
		read_trace(true);
		check_addrs(0x1000, 4);
		assert_false(trace_facts(trace)->is_cut);
		end();
		assert_int_equal(access(pool_path, F_OK), -1);
		size = size_of(trace_path);
		check_kept(size);
	}
}

static void test_dump_keeps_nothing(void **state)
{
	off_t size;

	(void)state;
	start_two_and_two(0);
	size = size_of(trace_path);
	read_trace(false);
	end();
	assert_int_equal(access(pool_path, F_OK), 0);
	assert_int_equal(size_of(trace_path), size);
}

/* A report that died at any point while it wrote: the pool is there, and the next one does it. */
static void test_half_kept(void **state)
{
	static uint8_t bytes[1 << 20];
	struct stat status;
	size_t length, whole;
	FILE *file;

	(void)state;
	start_two_and_two(LT_POOL_PART_BYTES);
	whole = (size_t)size_of(trace_path);
	read_trace(true);
	end();
	file = fopen(trace_path, "re");
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_in_range(length, whole + 100, sizeof(bytes) - 1);
	for (size_t cut = whole; cut < length; cut += 1 + (length - whole) / 7) {
		start_two_and_two(LT_POOL_PART_BYTES);
		file = fopen(trace_path, "ae");
		/* the header with the pid is new, the parts are of the process before */
		assert_int_equal(fwrite(bytes + whole, 1, cut - whole, file), cut - whole);
		fclose(file);
		read_trace(true);
		check_addrs(0x1000, 4);
		end();
		assert_int_equal(stat(pool_path, &status), -1);
		check_kept(size_of(trace_path));
	}
}

/* A copy leaves rings and file to the original. */
static void test_copy(void **state)
{
	char copy_path[80], command[256];
	struct trace_options options = { .thread_count = 2, .remove_pool = true };
	struct error error;
	off_t size;

	(void)state;
	start(1);
	strcpy(pool_builder_header(pool)->trace_path, trace_path);
	pool_ring_alloc(ring, 0, 0, 0x1000);
	pool_ring_alloc(ring, 10, 0, 0x1001);
	pool_builder_finish(pool, pool_path);
	snprintf(copy_path, sizeof(copy_path), "%s.copy", trace_path);
	snprintf(command, sizeof(command), "cp %s %s", trace_path, copy_path);
	assert_int_equal(system(command), 0);
	size = size_of(copy_path);
	assert_int_equal(trace_open(copy_path, &options, &trace, &error), 0);
	collect();
	check_addrs(0x1000, 2);
	end();
	assert_int_equal(access(pool_path, F_OK), 0);
	assert_int_equal(size_of(copy_path), size);
	unlink(copy_path);
	read_trace(true);
	check_addrs(0x1000, 2);
	end();
	assert_int_equal(access(pool_path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_committed), cmocka_unit_test(test_durations),
		cmocka_unit_test(test_holes), cmocka_unit_test(test_laps),
		cmocka_unit_test(test_duplicates), cmocka_unit_test(test_open_runs),
		cmocka_unit_test(test_free_run), cmocka_unit_test(test_interned_stacks),
		cmocka_unit_test(test_interned_strings), cmocka_unit_test(test_other_pools),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_overlapping_extents),
		cmocka_unit_test(test_kept), cmocka_unit_test(test_dump_keeps_nothing),
		cmocka_unit_test(test_half_kept), cmocka_unit_test(test_copy),
	};
	int fd = mkstemp(trace_path), result;

	if (fd < 0)
		return 1;
	close(fd);
	snprintf(pool_path, sizeof(pool_path), "%s.pool", trace_path);
	result = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(trace_path);
	unlink(pool_path);
	return result;
}
