/* SPDX-License-Identifier: MIT */
/*
 * A small writer of traces for tests of the reader: follows llmtrace/format.h by the event table
 * and shares no code with the shim, so each checks the other. Aborts when the file cannot be
 * written.
 *
 * One thread. Times are in ns, ids are those of the file.
 */
#ifndef LLMTRACE_TESTS_TRACE_BUILDER_H
#define LLMTRACE_TESTS_TRACE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"
#include "llmtrace/format.h"

struct trace_builder;

/*
 * Creates path and fills in a plausible header; builder_header may be changed before builder_start.
 */
struct trace_builder *builder_new(const char *path);
struct lt_file_header *builder_header(struct trace_builder *builder);

/* Writes the header and the TABLE block. */
void builder_start(struct trace_builder *builder);

/* The same with a table of the caller's: payload of a TABLE block, NULL for none. */
void builder_start_with_table(struct trace_builder *builder, const void *table, size_t bytes);

/* Definitions; written with builder_flush_definitions, which builder_flush calls first. */
void builder_meta(struct trace_builder *builder, const char *key, const char *value);
void builder_string(struct trace_builder *builder, uint32_t id, const char *text);
void builder_stream(struct trace_builder *builder, uint32_t id, uint32_t tid, uint64_t start_ns);
void builder_module(struct trace_builder *builder, uint32_t id, uint64_t start_addr,
		    uint64_t end_addr, const void *build_id, size_t build_id_bytes,
		    const char *path);
void builder_symbol(struct trace_builder *builder, uint32_t module, uint64_t start_offset,
		    uint64_t size_bytes, const char *name);
/* pairs: module and offset of each frame, leaf first. */
void builder_stack(struct trace_builder *builder, uint32_t id, const uint64_t *pairs,
		   size_t frame_count);
/* A GGUF file of 1 MiB on device 7, and a tensor of one. */
void builder_model(struct trace_builder *builder, uint32_t id, const char *path, uint64_t inode,
		   uint64_t data_offset);
void builder_tensor(struct trace_builder *builder, uint32_t model, uint64_t offset,
		    uint64_t size_bytes, const char *name);
/* A row as it stands in the file. */
void builder_definition(struct trace_builder *builder, unsigned kind, const void *row,
			size_t bytes);
void builder_flush_definitions(struct trace_builder *builder);

/* Adds an event: the struct of its kind, of which head.time, head.stack and the fields are used. */
void builder_event(struct trace_builder *builder, unsigned kind, unsigned aux, const void *record);

/* @return the size of the struct of an event. */
size_t builder_record_bytes(const struct lt_event_info *info);

/* Writes what was added as one block of a stream. Positions go on from those of the last block. */
void builder_flush(struct trace_builder *builder, uint32_t stream);

/* All blocks to come belong to that segment of a trace with a bound. */
void builder_segment(struct trace_builder *builder, uint32_t number);

/* Writes what was added as a LIVE block of that stream; the shim writes those of stream 1 alone. */
void builder_flush_live(struct trace_builder *builder, uint32_t stream);

/* The same as a part of a bundle, which builder_write_bundle writes. */
void builder_flush_part(struct trace_builder *builder, uint32_t stream);
void builder_write_bundle(struct trace_builder *builder);

/* Leaves out slots of a stream, as if its events were lost. */
void builder_skip_slots(struct trace_builder *builder, uint32_t stream, uint64_t slots);

/* Writes a block with a payload and positions of the caller's. */
void builder_raw_block(struct trace_builder *builder, const struct lt_block_header *header,
		       const void *payload, size_t bytes);

/* Writes bytes as they are. */
void builder_raw(struct trace_builder *builder, const void *bytes, size_t length);

/* Writes an end; more may follow, as behind an exec that failed. */
void builder_end(struct trace_builder *builder);

/* Writes the end (is_complete) and closes the file. */
void builder_finish(struct trace_builder *builder, bool is_complete);

/* Shorthands for the events that most tests need. */
void builder_alloc(struct trace_builder *builder, uint64_t time_ns, uint32_t stack, uint64_t addr,
		   uint64_t size_bytes);
void builder_free(struct trace_builder *builder, uint64_t time_ns, uint32_t stack, uint64_t addr);

#endif
