/* SPDX-License-Identifier: MIT */
/* Traces with page faults. */
#include "fault_builder.h"

#include <sys/mman.h>
#include <sys/stat.h>

struct trace_builder *faults_begin(const char *path, const char *method)
{
	static const uint64_t frames[][2] = { { 1, 0x101 }, { 1, 0x201 }, { 1, 0x301 } };
	static const char *const strings[] = { MODEL, "[heap]", "/x/libllmtrace.so",
					       "work" };
	struct trace_builder *builder = builder_new(path);

	builder_header(builder)->start_ns = START_NS;
	builder_start(builder);
	builder_stream(builder, WRITER, 0, START_NS);
	builder_stream(builder, THREAD, TID, START_NS);
	builder_module(builder, 1, 0x400000, 0x500000, NULL, 0, "/bin/engine");
	builder_symbol(builder, 1, 0x100, 0x100, "load_map");
	builder_symbol(builder, 1, 0x200, 0x100, "read_weights");
	builder_symbol(builder, 1, 0x300, 0x100, "other_reader");
	for (unsigned i = 0; i < 3; i++)
		builder_stack(builder, i + 1, frames[i], 1);
	for (unsigned i = 0; i < 4; i++)
		builder_string(builder, i + 1, strings[i]);
	if (method)
		builder_meta(builder, "fault_method", method);
	return builder;
}

void faults_open_model(struct trace_builder *builder, uint64_t time_ns, uint64_t file_bytes)
{
	struct lt_ev_open event = { .head.time = time_ns, .file_bytes = file_bytes, .device = 7,
				    .inode = 77, .fd = MODEL_FD, .path = STRING_MODEL,
				    .file_mode = S_IFREG | 0644 };

	builder_event(builder, LT_KIND_open, LT_open_call_open, &event);
}

void faults_map(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		uint64_t offset, int32_t fd)
{
	struct lt_ev_map event = {
		.head = { .time = time_ns, .stack = STACK_MAP }, .addr = addr,
		.length_bytes = bytes, .offset_bytes = offset, .fd = fd, .prot = PROT_READ,
		.flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED };

	builder_event(builder, LT_KIND_map, LT_map_call_mmap, &event);
}

void faults_map_with(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		     uint32_t prot)
{
	struct lt_ev_map event = { .head = { .time = time_ns, .stack = STACK_MAP }, .addr = addr,
				   .length_bytes = bytes, .fd = MODEL_FD, .prot = prot,
				   .flags = MAP_SHARED };

	builder_event(builder, LT_KIND_map, LT_map_call_mmap, &event);
}

void faults_map_both(struct trace_builder *builder)
{
	faults_open_model(builder, 1010, MODEL_PAGES * PAGE);
	faults_map(builder, 1020, MODEL_AT, MODEL_PAGES * PAGE, 0, MODEL_FD);
	faults_map(builder, 1030, ANON_AT, MODEL_PAGES * PAGE, 0, -1);
}

void faults_unmap(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes)
{
	struct lt_ev_unmap event = { .head.time = time_ns, .addr = addr, .length_bytes = bytes };

	builder_event(builder, LT_KIND_unmap, 0, &event);
}

void faults_remap(struct trace_builder *builder, uint64_t time_ns, uint64_t old_addr, uint64_t addr,
		  uint64_t bytes)
{
	struct lt_ev_remap_begin begin = { .head.time = time_ns, .addr = old_addr,
					   .length_bytes = bytes };
	struct lt_ev_remap_end end = { .head.time = time_ns + 1, .addr = addr,
				       .length_bytes = bytes, .flags = MREMAP_MAYMOVE };

	builder_event(builder, LT_KIND_remap_begin, 0, &begin);
	builder_event(builder, LT_KIND_remap_end, 0, &end);
}

void faults_advise(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		   uint32_t advice, uint32_t minor_count)
{
	struct lt_ev_advise event = { .head.time = time_ns, .addr = addr, .length_bytes = bytes,
				      .advice = advice, .minor_fault_count = minor_count };

	builder_event(builder, LT_KIND_advise, LT_advise_call_madvise, &event);
}

void faults_mark(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint32_t name)
{
	struct lt_ev_mark event = { .head.time = time_ns, .name = name };

	builder_event(builder, LT_KIND_mark, kind, &event);
}

void faults_call(struct trace_builder *builder, uint64_t begin_ns, uint64_t end_ns, unsigned call,
		 int64_t tokens)
{
	struct lt_ev_phase_begin begin = { .head.time = begin_ns, .token_count = tokens };
	struct lt_ev_phase_end end = { .head.time = end_ns };

	builder_event(builder, LT_KIND_phase_begin, call, &begin);
	builder_event(builder, LT_KIND_phase_end, call, &end);
}

void faults_single(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint64_t addr,
		   uint64_t stall_ns, uint32_t stack)
{
	struct lt_ev_fault event = { .head = { .time = time_ns, .stack = stack },
				     .page = addr / PAGE, .stall_ns = stall_ns, .tid = TID };

	builder_event(builder, LT_KIND_fault, kind, &event);
}

static unsigned class_of(uint64_t stall_ns)
{
	unsigned class = 0;

	for (uint64_t end_ns = 1024; class < 15 && stall_ns >= end_ns; end_ns *= 2)
		class++;
	return class;
}

void faults_run(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint64_t addr,
		int64_t stride_pages, uint32_t count, uint64_t stall_ns, uint64_t span_ns,
		uint32_t stack)
{
	struct lt_ev_fault_run event = {
		.head = { .time = time_ns, .stack = stack }, .page = addr / PAGE,
		.stride_pages = stride_pages, .stall_ns = stall_ns, .longest_ns = stall_ns,
		.span_ns = span_ns, .count = count, .tid = TID };

	event.class_count[class_of(stall_ns / count)] = count;
	builder_event(builder, LT_KIND_fault_run, kind, &event);
}

void faults_seen(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		 uint32_t path)
{
	struct lt_ev_map_seen event = { .head.time = time_ns, .addr = addr, .length_bytes = bytes,
					.prot = PROT_READ | PROT_WRITE, .path = path };

	builder_event(builder, LT_KIND_map_seen, LT_seen_at_start, &event);
}

void faults_sample(struct trace_builder *builder, uint64_t time_ns, uint64_t minor_count,
		   uint64_t storage_bytes)
{
	struct lt_ev_process_sample event = { .head.time = time_ns, .has_io = 1,
					      .minor_fault_count = minor_count,
					      .storage_read_bytes = storage_bytes };

	builder_event(builder, LT_KIND_process_sample, LT_seen_at_timer, &event);
}

void faults_totals(struct trace_builder *builder, uint64_t time_ns, uint64_t minor_count,
		   uint64_t major_count, uint64_t taken_count)
{
	struct lt_ev_fault_totals event = {
		.head.time = time_ns, .entry_count = minor_count + major_count,
		.minor_count = minor_count, .major_count = major_count, .taken_count = taken_count,
		.lost_count = minor_count + major_count - taken_count };

	if (event.lost_count) {
		event.first_lost_ms = 12;
		event.last_lost_ms = 34;
	}
	builder_event(builder, LT_KIND_fault_totals, LT_seen_at_end, &event);
}
