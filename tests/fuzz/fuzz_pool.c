/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the rings of a killed process > events > report, with the pool kept in the trace and
 * removed in some runs. A pool takes a megabyte, so the input is a list of patches of an honest one:
 * area, offset in it (2 bytes), length, bytes. The area AREA_CUT shortens the file instead.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flat.h"
#include "harness.h"
#include "pool_builder.h"
#include "trace_builder.h"

enum { AREA_HEADER, AREA_EXTENTS, AREA_RING, AREA_SLOTS, AREA_ARENA, AREA_CUT, AREA_COUNT };

#define HAS_SAVE 0x80u

/* The pool is a real file: the report follows no links, not even those of /proc. */
static struct memory_file trace_file;
static struct {
	int fd;
	char path[64];
} pool_file;
static struct bytes trace_bytes, pool_bytes;
static uint64_t area_offsets[AREA_COUNT];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_pool(void)
{
	unlink(pool_file.path);
}

static void set_pool(const void *bytes, size_t length)
{
	if (pool_file.path[0])
		close(pool_file.fd);
	else
		atexit(remove_pool);
	snprintf(pool_file.path, sizeof(pool_file.path), "/dev/shm/llmtrace-fuzz-%d.pool", getpid());
	pool_file.fd = open(pool_file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (pool_file.fd < 0 || ftruncate(pool_file.fd, 0) != 0 ||
	    pwrite(pool_file.fd, bytes, length, 0) != (ssize_t)length)
		abort();
}

static void load(int fd, struct bytes *ret_bytes)
{
	uint8_t part[65536];
	ssize_t got;

	while ((got = pread(fd, part, sizeof(part), (off_t)ret_bytes->length)) > 0)
		bytes_put(ret_bytes, part, (size_t)got);
}

static void add_records(struct pool_builder *pool, struct lt_ring *ring)
{
	const uint64_t addrs[] = { 0x401010, 0x401020, 0x7fff0000 };
	uint32_t stack = pool_intern_stack(pool, 1, addrs, 2);
	uint32_t new_stack = pool_intern_stack(pool, 0, addrs, 3);
	uint32_t name = pool_intern_string(pool, 0, "a name");
	struct lt_ev_thread_name named = { .head.time = 30, .tid = 77, .name = name };
	struct lt_ev_map map = { .head = { .time = 40, .stack = new_stack }, .addr = 0x10000,
				 .length_bytes = 4096, .duration_ns = 10, .fd = -1 };
	struct lt_ev_io_run run = { .head.time = 50, .count = 3, .site_stack = { stack, new_stack } };

	pool_ring_alloc(ring, 10, stack, 0x1000);
	pool_ring_alloc(ring, 20, new_stack, 0x2000);
	pool_ring_hole(ring, 2, true);
	pool_ring_add(ring, LT_KIND_thread_name, LT_name_source_prctl, &named);
	pool_ring_hole(ring, 1, false);
	pool_ring_add(ring, LT_KIND_map, LT_map_call_mmap, &map);
	pool_ring_add(ring, LT_KIND_io_run, LT_run_kind_fread, &run);
	ring->runs[0].event = run;
	ring->runs[0].event.head.state = LT_STATE(LT_KIND_io_run, LT_SLOTS(io_run),
						  LT_run_kind_fread, 0);
	ring->runs[1] = ring->runs[0];
	ring->runs[1].flush_position = 3;
	ring->lost_count = 2;
}

static void make_trace(struct trace_builder *builder)
{
	const uint64_t frames[] = { 1, 0x1010, 1, 0x1020 };

	builder_start(builder);
	builder_module(builder, 1, 0x400000, 0x500000, "id", 2, "/bin/true");
	builder_symbol(builder, 1, 0x1000, 0x100, "main");
	builder_string(builder, 1, "name");
	builder_stack(builder, 1, frames, 2);
	builder_stream(builder, 2, 77, 1000);
	builder_alloc(builder, 1000100, 1, 0x1000, 24);
	builder_flush(builder, 2);
	builder_finish(builder, false);
}

/* The process is gone: its number is above all that Linux gives. */
static void make_process(struct lt_file_header *header)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	for (size_t i = 0; file && i < sizeof(header->boot_id); i++) {
		unsigned value = 0;

		if (fscanf(file, "%*[-]") < 0 || fscanf(file, "%2x", &value) != 1)
			break;
		header->boot_id[i] = (uint8_t)value;
	}
	if (file)
		fclose(file);
	header->pid = 0x7ffffffe;
}

static void make_files(void)
{
	struct trace_builder *builder;
	struct pool_builder *pool;

	memory_file_set(&trace_file, "", 0);
	set_pool("", 0);
	builder = builder_new(trace_file.path);
	make_process(builder_header(builder));
	strcpy(builder_header(builder)->pool_path, pool_file.path);
	builder_header(builder)->start_ns = POOL_START_NS;
	pool = pool_builder_new(builder_header(builder));
	area_offsets[AREA_EXTENTS] = offsetof(struct lt_pool_header, extents);
	area_offsets[AREA_RING] = pool_builder_header(pool)->extents[0].offset;
	area_offsets[AREA_SLOTS] = area_offsets[AREA_RING] + offsetof(struct lt_ring, slots);
	area_offsets[AREA_ARENA] = pool_builder_header(pool)->extents[1].offset;
	add_records(pool, pool_builder_ring(pool));
	pool_builder_finish(pool, pool_file.path);
	make_trace(builder);
	load(trace_file.fd, &trace_bytes);
	load(pool_file.fd, &pool_bytes);
}

static void patch(const uint8_t *data, size_t size, bool is_undone)
{
	while (size > 4) {
		unsigned area = data[0] % AREA_COUNT;
		uint64_t offset = area_offsets[area] + (data[1] | (unsigned)data[2] << 8);
		size_t length = data[3] < size - 4 ? data[3] : size - 4;
		const uint8_t *from = is_undone ? pool_bytes.data + offset : data + 4;

		if (area == AREA_CUT)
			length = 0;
		if (area == AREA_CUT && !is_undone && ftruncate(pool_file.fd, (off_t)offset * 32))
			abort();
		if (pwrite(pool_file.fd, from, length, (off_t)offset) != (ssize_t)length)
			abort();
		data += 4 + length;
		size -= 4 + length;
	}
}

static void restore(const uint8_t *data, size_t size)
{
	struct stat status;

	/* a report that kept the rings has removed their file */
	if (fstat(pool_file.fd, &status) == 0 && status.st_nlink &&
	    status.st_size == (off_t)pool_bytes.length)
		patch(data, size, true);
	else
		set_pool(pool_bytes.data, pool_bytes.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!trace_bytes.length)
		make_files();
	if (!size)
		return 0;
	patch(data + 1, size - 1, false);
	memory_file_set(&trace_file, trace_bytes.data, trace_bytes.length);
	harness_report(trace_file.path, (data[0] & HOW_ALL) |
					(data[0] & HAS_SAVE ? HOW_KEEPS_RINGS : 0));
	restore(data + 1, size - 1);
	return 0;
}
