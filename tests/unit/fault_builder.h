/* SPDX-License-Identifier: MIT */
/*
 * Traces with page faults for tests: the events that they need, each with the fields that matter.
 * Streams: WRITER for what the shim's writer records, THREAD for the program's one thread. Add the
 * events of a stream in order of time, then builder_flush().
 */
#ifndef LLMTRACE_TESTS_FAULT_BUILDER_H
#define LLMTRACE_TESTS_FAULT_BUILDER_H

#include "trace_builder.h"

#define WRITER 1u
#define THREAD 2u
#define TID 1234u
#define START_NS 1000u		/* of the recording */
#define PAGE 4096u
#define MODEL_FD 5

#define MODEL "/models/m.gguf"
#define MODEL_AT UINT64_C(0x10000000)
#define MODEL_PAGES 64u
#define ANON_AT (MODEL_AT + MODEL_PAGES * PAGE)	/* right behind */
#define ELSEWHERE UINT64_C(0x20000000)
#define US 1000u
#define MS 1000000u
#define RINGS "perf rings for each CPU"

enum { STACK_NONE, STACK_MAP, STACK_READER, STACK_OTHER };
enum { STRING_MODEL = 1, STRING_HEAP, STRING_SHIM, STRING_WORK };

/* A trace with the streams, a module with the functions `load_map`, `read_weights` and
 * `other_reader` as stacks, and the strings above ("/models/m.gguf", "[heap]", ...). */
struct trace_builder *faults_begin(const char *path, const char *method);

/* For the stream THREAD. */
void faults_open_model(struct trace_builder *builder, uint64_t time_ns, uint64_t file_bytes);
void faults_map(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		uint64_t offset, int32_t fd);
/* The model from its begin. */
void faults_map_with(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		     uint32_t prot);
/* The model at MODEL_AT and anonymous memory right behind it, until 1030 ns. */
void faults_map_both(struct trace_builder *builder);
void faults_unmap(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes);
void faults_remap(struct trace_builder *builder, uint64_t time_ns, uint64_t old_addr,
		  uint64_t addr, uint64_t bytes);
void faults_advise(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		   uint32_t advice, uint32_t minor_count);
void faults_mark(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint32_t name);
void faults_call(struct trace_builder *builder, uint64_t begin_ns, uint64_t end_ns, unsigned call,
		 int64_t tokens);

/* For the stream WRITER. */
void faults_single(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint64_t addr,
		   uint64_t stall_ns, uint32_t stack);
/* All of its faults lie in the class of stall_ns / count. */
void faults_run(struct trace_builder *builder, uint64_t time_ns, unsigned kind, uint64_t addr,
		int64_t stride_pages, uint32_t count, uint64_t stall_ns, uint64_t span_ns,
		uint32_t stack);
void faults_seen(struct trace_builder *builder, uint64_t time_ns, uint64_t addr, uint64_t bytes,
		 uint32_t path);
void faults_sample(struct trace_builder *builder, uint64_t time_ns, uint64_t minor_count,
		   uint64_t storage_bytes);
void faults_totals(struct trace_builder *builder, uint64_t time_ns, uint64_t minor_count,
		   uint64_t major_count, uint64_t taken_count);

#endif
