/* SPDX-License-Identifier: MIT */
/* The writer of trace_builder.h: plain, slow, and driven by the event table. */
#include "trace_builder_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "llmtrace/wire.h"

void builder_need(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "trace_builder: %s\n", what);
	abort();
}

void builder_put(struct bytes *bytes, const void *data, size_t length)
{
	if (bytes->length + length > bytes->capacity) {
		bytes->capacity = (bytes->length + length) * 2;
		bytes->data = realloc(bytes->data, bytes->capacity);
		builder_need(bytes->data, "no memory");
	}
	if (length)
		memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

void builder_put_varint(struct bytes *bytes, uint64_t value)
{
	uint8_t text[LT_VARINT_MAX_BYTES];

	builder_put(bytes, text, (size_t)(lt_varint_put(text, value) - text));
}

static void put_text(struct bytes *bytes, const void *text, size_t length)
{
	builder_put_varint(bytes, length);
	builder_put(bytes, text, length);
}

static void put_name(struct bytes *bytes, const char *name)
{
	put_text(bytes, name, strlen(name));
}

struct trace_builder *builder_new(const char *path)
{
	struct trace_builder *builder = calloc(1, sizeof(*builder));

	builder_need(builder, "no memory");
	builder->file = fopen(path, "we");
	builder_need(builder->file, "the file cannot be made");
	memcpy(builder->header.magic, LT_FILE_MAGIC, sizeof(builder->header.magic));
	builder->header.major = LT_FORMAT_MAJOR;
	builder->header.minor = LT_FORMAT_MINOR;
	builder->header.machine = 62;
	builder->header.header_bytes = sizeof(builder->header);
	builder->header.pid = 1234;
	builder->header.start_ns = 1000;
	builder->header.start_unix_ns = 1700000000000000000u;
	builder->header.groups = 0xff;
	return builder;
}

struct lt_file_header *builder_header(struct trace_builder *builder)
{
	return &builder->header;
}

void builder_raw(struct trace_builder *builder, const void *bytes, size_t length)
{
	builder_need(fwrite(bytes, 1, length, builder->file) == length, "the file cannot be written");
}

static void put_frame_header(struct trace_builder *builder, uint32_t magic, uint32_t content_bytes)
{
	struct lt_frame_header frame = { magic, content_bytes };

	builder_raw(builder, &frame, sizeof(frame));
}

void builder_raw_block(struct trace_builder *builder, const struct lt_block_header *header,
		       const void *payload, size_t bytes)
{
	struct lt_block_header block = *header;
	struct bytes *compressed = &builder->compressed;
	size_t bound = ZSTD_compressBound(bytes), got;

	compressed->length = 0;
	if (bound > compressed->capacity) {
		compressed->data = realloc(compressed->data, bound);
		compressed->capacity = bound;
	}
	got = ZSTD_compress(compressed->data, bound, payload, bytes, 1);
	builder_need(!ZSTD_isError(got), "cannot compress");
	block.magic = LT_BLOCK_MAGIC;
	block.flags |= builder->block_flags;
	block.crc = 0;
	block.raw_bytes = (uint32_t)bytes;
	block.compressed_bytes = (uint32_t)got;
	block.crc = lt_crc32c(lt_crc32c(0, &block, sizeof(block)), compressed->data, got);
	put_frame_header(builder, LT_FRAME_BLOCK, sizeof(block));
	builder_raw(builder, &block, sizeof(block));
	builder_raw(builder, compressed->data, got);
}

static void put_table(struct bytes *table)
{
	builder_put_varint(table, lt_event_info_count);
	for (unsigned i = 0; i < lt_event_info_count; i++) {
		const struct lt_event_info *info = &lt_event_infos[i];

		builder_put_varint(table, info->kind);
		put_name(table, info->name);
		put_name(table, info->aux);
		builder_put_varint(table, info->group);
		builder_put_varint(table, info->field_count);
		for (unsigned j = 0; j < info->field_count; j++) {
			put_name(table, info->fields[j].name);
			builder_put_varint(table, info->fields[j].type);
			builder_put_varint(table, info->fields[j].unit);
			builder_put_varint(table, info->fields[j].codec);
			builder_put_varint(table, info->fields[j].count);
		}
	}
	builder_put_varint(table, lt_name_info_count);
	for (unsigned i = 0; i < lt_name_info_count; i++) {
		put_name(table, lt_name_infos[i].list);
		builder_put_varint(table, lt_name_infos[i].value);
		put_name(table, lt_name_infos[i].name);
	}
}

void builder_start_with_table(struct trace_builder *builder, const void *table, size_t bytes)
{
	struct lt_block_header block = { .type = LT_BLOCK_TABLE };

	builder->header.crc = 0;
	builder->header.crc = lt_crc32c(0, &builder->header, sizeof(builder->header));
	put_frame_header(builder, LT_FRAME_FILE, sizeof(builder->header));
	builder_raw(builder, &builder->header, sizeof(builder->header));
	if (table)
		builder_raw_block(builder, &block, table, bytes);
}

void builder_start(struct trace_builder *builder)
{
	struct bytes table = { 0 };

	put_table(&table);
	builder_start_with_table(builder, table.data, table.length);
	free(table.data);
}

void builder_definition(struct trace_builder *builder, unsigned kind, const void *row, size_t bytes)
{
	builder_put_varint(&builder->definitions, kind);
	put_text(&builder->definitions, row, bytes);
	builder->definition_count++;
}

static struct bytes *begin_row(struct trace_builder *builder)
{
	builder->row.length = 0;
	return &builder->row;
}

void builder_meta(struct trace_builder *builder, const char *key, const char *value)
{
	struct bytes *row = begin_row(builder);

	put_name(row, key);
	put_name(row, value);
	builder_definition(builder, LT_KIND_meta, row->data, row->length);
}

void builder_string(struct trace_builder *builder, uint32_t id, const char *text)
{
	struct bytes *row = begin_row(builder);

	builder_put_varint(row, id);
	put_name(row, text);
	builder_definition(builder, LT_KIND_string, row->data, row->length);
}

void builder_stream(struct trace_builder *builder, uint32_t id, uint32_t tid, uint64_t start_ns)
{
	struct bytes *row = begin_row(builder);

	builder_put_varint(row, id);
	builder_put_varint(row, tid);
	builder_put_varint(row, start_ns);
	builder_definition(builder, LT_KIND_stream, row->data, row->length);
}

void builder_module(struct trace_builder *builder, uint32_t id, uint64_t start_addr,
		    uint64_t end_addr, const void *build_id, size_t build_id_bytes,
		    const char *path)
{
	struct bytes *row = begin_row(builder);

	builder_put_varint(row, id);
	builder_put_varint(row, start_addr);	/* load bias: the file's numbering starts at 0 */
	builder_put_varint(row, start_addr);
	builder_put_varint(row, end_addr);
	builder_put_varint(row, 0);
	builder_put_varint(row, 0);
	put_text(row, build_id, build_id_bytes);
	put_name(row, path);
	builder_definition(builder, LT_KIND_module, row->data, row->length);
}

void builder_symbol(struct trace_builder *builder, uint32_t module, uint64_t start_offset,
		    uint64_t size_bytes, const char *name)
{
	struct bytes *row = begin_row(builder);

	builder_put_varint(row, module);
	builder_put_varint(row, start_offset);
	builder_put_varint(row, size_bytes);
	put_name(row, name);
	builder_definition(builder, LT_KIND_symbol, row->data, row->length);
}

void builder_stack(struct trace_builder *builder, uint32_t id, const uint64_t *pairs,
		   size_t frame_count)
{
	struct bytes *row = begin_row(builder), frames = { 0 };

	for (size_t i = 0; i < frame_count * 2; i++)
		builder_put_varint(&frames, pairs[i]);
	builder_put_varint(row, id);
	builder_put_varint(row, 0);
	put_text(row, frames.data, frames.length);
	free(frames.data);
	builder_definition(builder, LT_KIND_stack, row->data, row->length);
}

void builder_flush_definitions(struct trace_builder *builder)
{
	struct lt_block_header block = {
		.type = LT_BLOCK_DEFS, .event_count = builder->definition_count,
	};

	if (builder->definition_count)
		builder_raw_block(builder, &block, builder->definitions.data,
				  builder->definitions.length);
	builder->definitions.length = 0;
	builder->definition_count = 0;
}

size_t builder_record_bytes(const struct lt_event_info *info)
{
	size_t bytes = sizeof(struct lt_record);

	for (unsigned i = 0; i < info->field_count; i++)
		bytes += (info->fields[i].type == LT_TYPE_u64 || info->fields[i].type == LT_TYPE_i64
				  ? 8u
				  : 4u) *
			 info->fields[i].count;
	return bytes;
}

void builder_event(struct trace_builder *builder, unsigned kind, unsigned aux, const void *record)
{
	const struct lt_event_info *info = lt_event_info(kind);
	struct lt_record *kept;
	size_t at = builder->records.length;

	builder_put(&builder->records, record, builder_record_bytes(info));
	kept = (struct lt_record *)(builder->records.data + at);
	kept->state = LT_STATE(kind, info->slots, aux, 0);
	builder->event_count++;
}

static const struct lt_record *next_record(const struct trace_builder *builder, size_t *at)
{
	const struct lt_record *record = (const struct lt_record *)(builder->records.data + *at);

	if (*at >= builder->records.length)
		return NULL;
	*at += builder_record_bytes(lt_event_info(LT_STATE_KIND(record->state)));
	return record;
}

static int64_t element(const struct lt_record *record, const struct lt_field_info *field,
		       unsigned index)
{
	const uint8_t *at = (const uint8_t *)record + field->offset;

	switch (field->type) {
	case LT_TYPE_u64:
	case LT_TYPE_i64:
		return ((const int64_t *)at)[index];
	case LT_TYPE_i32:
		return ((const int32_t *)at)[index];
	default:
		return ((const uint32_t *)at)[index];
	}
}

static void put_element(struct bytes *column, const struct lt_field_info *field, int64_t value,
			uint64_t *previous)
{
	if (field->codec == LT_CODEC_delta)
		builder_put_varint(column, lt_zigzag((int64_t)((uint64_t)value - *previous)));
	else if (field->codec == LT_CODEC_signed)
		builder_put_varint(column, lt_zigzag(value));
	else
		builder_put_varint(column, (uint64_t)value);
	*previous = (uint64_t)value;
}

/* How far back the addresses of recent columns are looked for: a writer may stop anywhere. */
#define RECENT_DISTANCE_MAX 300u

/* The addresses that recent columns have held so far in the block. */
struct sequence {
	uint64_t *addrs;
	size_t count;
	uint64_t previous_new;		/* of the column that is being written */
};

static uint64_t recent_code(struct sequence *sequence, uint64_t addr)
{
	uint64_t code = LT_RECENT_NEW;

	if (!addr)
		return LT_RECENT_NULL;
	for (size_t back = 1; back <= RECENT_DISTANCE_MAX && back <= sequence->count; back++)
		if (sequence->addrs[sequence->count - back] == addr) {
			code = back + 1;
			break;
		}
	sequence->addrs[sequence->count++] = addr;
	return code;
}

/* Of every kind, since all count in the sequence; the column of one kind is written. */
static void walk_recent(struct trace_builder *builder, const struct lt_record *record,
			struct sequence *sequence, unsigned wanted_kind)
{
	const struct lt_event_info *info = lt_event_info(LT_STATE_KIND(record->state));

	for (unsigned i = 0; i < info->field_count; i++) {
		uint64_t addr, code;

		if (info->fields[i].codec != LT_CODEC_recent)
			continue;
		addr = (uint64_t)element(record, &info->fields[i], 0);
		code = recent_code(sequence, addr);
		if (info->kind != wanted_kind)
			continue;
		builder_put_varint(&builder->columns[i], code);
		if (code != LT_RECENT_NEW)
			continue;
		if (!builder->news.length)
			builder_put_varint(&builder->news, 0);	/* the shift */
		builder_put_varint(&builder->news, lt_zigzag((int64_t)(addr - sequence->previous_new)));
		sequence->previous_new = addr;
	}
}

/* Fills the columns of one kind: fields, then stack, then aux. */
static void fill_columns(struct trace_builder *builder, const struct lt_event_info *info,
			 bool *ret_is_zero)
{
	uint64_t previous[256] = { 0 };
	struct sequence sequence = { calloc(builder->event_count, sizeof(uint64_t)), 0, 0 };
	const struct lt_record *record;
	uint8_t aux;

	builder_need(sequence.addrs, "no memory");
	builder->news.length = 0;
	for (size_t at = 0; (record = next_record(builder, &at));) {
		walk_recent(builder, record, &sequence, info->kind);
		if (LT_STATE_KIND(record->state) != info->kind)
			continue;
		for (unsigned i = 0; i < info->field_count; i++)
			for (unsigned j = 0; j < info->fields[i].count; j++) {
				int64_t value = element(record, &info->fields[i], j);

				ret_is_zero[i] &= value == 0;
				if (info->fields[i].codec == LT_CODEC_recent)
					continue;
				put_element(&builder->columns[i], &info->fields[i], value,
					    &previous[i]);
			}
		aux = LT_STATE_AUX(record->state);
		builder_put_varint(&builder->columns[LT_COLUMN_STACK], record->stack);
		builder_put(&builder->columns[LT_COLUMN_AUX], &aux, 1);
		ret_is_zero[LT_COLUMN_STACK] &= record->stack == 0;
		ret_is_zero[LT_COLUMN_AUX] &= aux == 0;
	}
	free(sequence.addrs);
}

static void put_column(const struct lt_event_info *info, unsigned field, unsigned codec,
		       const struct bytes *column, struct bytes *directory, struct bytes *data)
{
	builder_put_varint(directory, info->kind);
	builder_put_varint(directory, field);
	builder_put_varint(directory, codec);
	builder_put_varint(directory, field < info->field_count ? info->fields[field].count : 1);
	builder_put_varint(directory, column->length);
	builder_put(data, column->data, column->length);
}

static unsigned put_kind(struct trace_builder *builder, const struct lt_event_info *info,
			 struct bytes *directory, struct bytes *data)
{
	bool is_zero[256];
	unsigned count = 0;

	memset(is_zero, true, sizeof(is_zero));
	for (unsigned i = 0; i < 256; i++)
		builder->columns[i].length = 0;
	fill_columns(builder, info, is_zero);
	for (unsigned i = 0; i < 256; i++) {
		if (is_zero[i])
			continue;
		put_column(info, i,
			   i < info->field_count ? info->fields[i].codec : LT_CODEC_plain,
			   &builder->columns[i], directory, data);
		count++;
		if (i < info->field_count && info->fields[i].codec == LT_CODEC_recent &&
		    builder->news.length) {
			put_column(info, i, LT_CODEC_new, &builder->news, directory, data);
			count++;
		}
	}
	return count;
}

static void put_shared(struct trace_builder *builder, uint64_t begin_ns, struct bytes *directory,
		       struct bytes *data)
{
	struct bytes times = { 0 };
	const struct lt_record *record;
	uint64_t previous = begin_ns;

	for (size_t at = 0; (record = next_record(builder, &at));) {
		uint8_t kind = LT_STATE_KIND(record->state);

		builder_put(data, &kind, 1);
		builder_put_varint(&times, lt_zigzag((int64_t)(record->time - previous)));
		previous = record->time;
	}
	builder_put(directory, (const uint8_t[]){ 0, LT_COLUMN_KIND, LT_CODEC_plain, 1 }, 4);
	builder_put_varint(directory, builder->event_count);
	builder_put(directory, (const uint8_t[]){ 0, LT_COLUMN_TIME, LT_CODEC_delta, 1 }, 4);
	builder_put_varint(directory, times.length);
	builder_put(data, times.data, times.length);
	free(times.data);
}

static void put_payload(struct trace_builder *builder, uint64_t begin_ns)
{
	struct bytes directory = { 0 }, data = { 0 };
	bool has_kind[256] = { false };
	unsigned column_count = 2;
	const struct lt_record *record;

	for (size_t at = 0; (record = next_record(builder, &at));)
		has_kind[LT_STATE_KIND(record->state)] = true;
	put_shared(builder, begin_ns, &directory, &data);
	for (unsigned i = 0; i < lt_event_info_count; i++)
		if (has_kind[lt_event_infos[i].kind])
			column_count += put_kind(builder, &lt_event_infos[i], &directory, &data);
	builder->payload.length = 0;
	builder_put_varint(&builder->payload, builder->event_count);
	builder_put_varint(&builder->payload, column_count);
	builder_put(&builder->payload, directory.data, directory.length);
	builder_put(&builder->payload, data.data, data.length);
	free(directory.data);
	free(data.data);
}

void builder_segment(struct trace_builder *builder, uint32_t number)
{
	builder->block_flags = (uint16_t)(number << LT_BLOCK_SEGMENT_SHIFT);
}


struct lt_block_header builder_finish_block(struct trace_builder *builder, uint32_t stream)
{
	struct lt_block_header block = {
		.type = builder->events_type ? builder->events_type : LT_BLOCK_EVENTS,
		.stream = stream, .begin_ns = UINT64_MAX,
		.event_count = builder->event_count, .first_position = builder->positions[stream],
	};
	const struct lt_record *record;

	for (size_t at = 0; (record = next_record(builder, &at));) {
		if (record->time < block.begin_ns)
			block.begin_ns = record->time;
		if (record->time > block.end_ns)
			block.end_ns = record->time;
		builder->positions[stream] += LT_STATE_SLOTS(record->state);
	}
	block.end_position = builder->positions[stream];
	put_payload(builder, block.begin_ns);
	if (block.end_ns > builder->latest_ns)
		builder->latest_ns = block.end_ns;
	builder->total_count += builder->event_count;
	builder->event_count = 0;
	builder->records.length = 0;
	return block;
}

void builder_flush(struct trace_builder *builder, uint32_t stream)
{
	struct lt_block_header block;

	builder_flush_definitions(builder);
	if (!builder->event_count)
		return;
	block = builder_finish_block(builder, stream);
	builder_raw_block(builder, &block, builder->payload.data, builder->payload.length);
}

void builder_flush_live(struct trace_builder *builder, uint32_t stream)
{
	uint64_t position = builder->positions[1];
	struct lt_block_header block;

	builder_flush_definitions(builder);
	builder->events_type = LT_BLOCK_LIVE;
	block = builder_finish_block(builder, 1);
	builder->events_type = 0;
	block.stream = stream;
	builder_raw_block(builder, &block, builder->payload.data, builder->payload.length);
	builder->positions[1] = position;
}

void builder_skip_slots(struct trace_builder *builder, uint32_t stream, uint64_t slots)
{
	builder->positions[stream] += slots;
}

void builder_end(struct trace_builder *builder)
{
	struct lt_file_end end = {
		.magic = LT_END_MAGIC, .event_count = builder->total_count,
		.end_ns = builder->latest_ns,
	};

	end.crc = lt_crc32c(0, &end, sizeof(end));
	put_frame_header(builder, LT_FRAME_END, sizeof(end));
	builder_raw(builder, &end, sizeof(end));
}

void builder_finish(struct trace_builder *builder, bool is_complete)
{
	builder_flush_definitions(builder);
	if (is_complete)
		builder_end(builder);
	builder_need(fclose(builder->file) == 0, "the file cannot be written");
	for (unsigned i = 0; i < 256; i++)
		free(builder->columns[i].data);
	free(builder->news.data);
	free(builder->parts.data);
	free(builder->definitions.data);
	free(builder->row.data);
	free(builder->records.data);
	free(builder->payload.data);
	free(builder->compressed.data);
	free(builder);
}

void builder_alloc(struct trace_builder *builder, uint64_t time_ns, uint32_t stack, uint64_t addr,
		   uint64_t size_bytes)
{
	struct lt_ev_alloc event = {
		.head = { .time = time_ns, .stack = stack }, .addr = addr, .size_bytes = size_bytes,
	};

	builder_event(builder, LT_KIND_alloc, LT_alloc_call_malloc, &event);
}

void builder_free(struct trace_builder *builder, uint64_t time_ns, uint32_t stack, uint64_t addr)
{
	struct lt_ev_free event = { .head = { .time = time_ns, .stack = stack }, .addr = addr };

	builder_event(builder, LT_KIND_free, LT_alloc_call_free, &event);
}
