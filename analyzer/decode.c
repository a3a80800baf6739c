/* SPDX-License-Identifier: MIT */
/*
 * A payload in four steps: the directory of columns, the kinds (how many records of each, where
 * they lie), the times (which also lay out the order), then every other column into its field;
 * those of addresses that refer to each other at last, together.
 * Sorting follows only when times go back, as folded runs make them do.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "decode_column.h"
#include "decode_recent.h"
#include "decode_varint.h"
#include "llmtrace/format.h"
#include "llmtrace/wire.h"

/* More columns than all kinds and fields of any version. */
#define MAX_COLUMNS 65536u

struct column_entry {
	uint64_t kind, field;
	struct column_in in;
};

struct payload {
	const struct schema *schema;
	struct lt_wire_in directory;	/* at the first column's entry */
	const uint8_t *data, *end;	/* bytes of the columns */
	uint64_t column_count;
	size_t event_count;
	uint64_t base_ns;
	uint32_t time_shift;
	uint32_t stack_limit;
	struct column_entry kinds, times;
};

/* What one kind has in this block. */
struct kind_run {
	uint32_t count;
	struct column_out out;
	uint64_t present[4];		/* bit: our index of a field that a column was stored to */
};

void decoded_release(struct decoded *decoded)
{
	free(decoded->records);
	free(decoded->arena);
	free(decoded->scratch);
	free(decoded->sequence);
	memset(decoded, 0, sizeof(*decoded));
}

bool decoded_reserve(struct decoded *decoded, size_t record_count, size_t arena_bytes)
{
	if (record_count > decoded->record_capacity) {
		free(decoded->records);
		decoded->records = calloc(record_count, sizeof(*decoded->records));
		decoded->record_capacity = decoded->records ? record_count : 0;
	}
	if (arena_bytes > decoded->arena_capacity) {
		free(decoded->arena);
		decoded->arena = malloc(arena_bytes);
		decoded->arena_capacity = decoded->arena ? arena_bytes : 0;
	}
	return decoded->record_capacity >= record_count && decoded->arena_capacity >= arena_bytes;
}

static bool read_entry(struct lt_wire_in *directory, const uint8_t **data, const uint8_t *end,
		       struct column_entry *ret_entry)
{
	uint64_t length;

	ret_entry->kind = lt_get_varint(directory);
	ret_entry->field = lt_get_varint(directory);
	ret_entry->in.codec = lt_get_varint(directory);
	ret_entry->in.element_count = lt_get_varint(directory);
	length = lt_get_varint(directory);
	if (directory->is_bad || (data && length > (uint64_t)(end - *data)))
		return false;
	ret_entry->in.length = (size_t)length;
	if (data) {
		ret_entry->in.bytes = *data;
		*data += length;
	}
	return true;
}

/* Reads the head and steps over the directory, to find where the columns' bytes begin. */
static bool open_payload(struct payload *payload, const uint8_t *bytes, size_t length)
{
	struct lt_wire_in in = { bytes, bytes + length, false };
	struct column_entry entry;
	uint64_t event_count = lt_get_varint(&in);

	payload->column_count = lt_get_varint(&in);
	if (in.is_bad || event_count > BLOCK_MAX_EVENTS || payload->column_count > MAX_COLUMNS)
		return false;
	payload->event_count = (size_t)event_count;
	payload->end = in.end;
	payload->directory = in;
	for (uint64_t i = 0; i < payload->column_count; i++)
		if (!read_entry(&in, NULL, NULL, &entry))
			return false;
	payload->data = in.at;
	return true;
}

static bool find_shared_columns(struct payload *payload)
{
	struct lt_wire_in directory = payload->directory;
	const uint8_t *data = payload->data;
	struct column_entry entry;

	for (uint64_t i = 0; i < payload->column_count; i++) {
		if (!read_entry(&directory, &data, payload->end, &entry))
			return false;
		if (entry.kind == 0 && entry.field == LT_COLUMN_KIND)
			payload->kinds = entry;
		else if (entry.kind == 0 && entry.field == LT_COLUMN_TIME)
			payload->times = entry;
	}
	return payload->kinds.in.length == payload->event_count;
}

static void count_kinds(const struct payload *payload, struct kind_run *runs)
{
	const uint8_t *kinds = payload->kinds.in.bytes;
	uint32_t even[SCHEMA_KINDS] = { 0 }, odd[SCHEMA_KINDS] = { 0 };
	size_t i;

	for (i = 0; i + 1 < payload->event_count; i += 2) {
		even[kinds[i]]++;
		odd[kinds[i + 1]]++;
	}
	if (i < payload->event_count)
		even[kinds[i]]++;
	for (unsigned k = 0; k < SCHEMA_KINDS; k++)
		runs[k].count = even[k] + odd[k];
}

/* Gives each kind its part of the arena; all unknown ones share a record that nobody reads. */
static bool lay_out(const struct payload *payload, struct kind_run *runs, struct decoded *decoded)
{
	size_t bytes = sizeof(struct lt_record), offset = sizeof(struct lt_record);

	for (unsigned k = 0; k < SCHEMA_KINDS; k++)
		bytes += (size_t)payload->schema->kinds[k].stride_bytes * runs[k].count;
	if (!decoded_reserve(decoded, payload->event_count + 1, bytes))
		return false;
	for (unsigned k = 0; k < SCHEMA_KINDS; k++) {
		size_t stride = payload->schema->kinds[k].stride_bytes;

		runs[k].out =
			(struct column_out){decoded->arena, stride, stride ? runs[k].count : 0};
		if (!stride) {
			decoded->unknown_count += runs[k].count;
			continue;
		}
		runs[k].out.base += offset;
		offset += stride * runs[k].count;
	}
	return true;
}

struct time_walk {
	uint8_t *next[SCHEMA_KINDS];	/* record that the next event of a kind gets */
	uint32_t state[SCHEMA_KINDS];
	uint64_t time_ns;
	uint32_t shift;
	bool has_gone_back;
};

static void place_events(struct time_walk *walk, const struct kind_run *runs, const uint8_t *kinds,
			 const uint64_t *deltas, size_t count, struct decoded *decoded)
{
	const struct lt_record **to = decoded->records + decoded->count;
	uint64_t time_ns = walk->time_ns;
	bool has_gone_back = false;

	for (size_t i = 0; i < count; i++) {
		unsigned kind = kinds[i];
		struct lt_record *record = (struct lt_record *)walk->next[kind];
		int64_t delta = lt_unzigzag(deltas[i]);

		has_gone_back |= delta < 0;
		time_ns += (uint64_t)delta << walk->shift;
		record->time = time_ns;
		record->stack = 0;
		record->state = walk->state[kind];
		walk->next[kind] += runs[kind].out.stride_bytes;
		*to = record;
		to += runs[kind].out.stride_bytes != 0;
	}
	walk->time_ns = time_ns;
	walk->has_gone_back |= has_gone_back;
	decoded->count = (size_t)(to - decoded->records);
}

static bool read_times(const struct payload *payload, const struct kind_run *runs,
		       struct decoded *decoded, bool *ret_has_gone_back)
{
	const uint8_t *at = payload->times.in.bytes, *kinds = payload->kinds.in.bytes;
	struct time_walk walk = { .time_ns = payload->base_ns, .shift = payload->time_shift };
	uint64_t deltas[COLUMN_CHUNK] = { 0 };

	for (unsigned k = 0; k < SCHEMA_KINDS; k++) {
		const struct lt_event_info *info = payload->schema->kinds[k].info;

		walk.next[k] = runs[k].out.base;
		walk.state[k] = LT_STATE(k, info ? info->slots : 0, 0, 0);
	}
	for (size_t done = 0; done < payload->event_count;) {
		size_t count = payload->event_count - done;

		if (count > COLUMN_CHUNK)
			count = COLUMN_CHUNK;
		if (at && !varints_decode(&at, payload->times.in.bytes + payload->times.in.length,
					  deltas, count))
			return false;
		place_events(&walk, runs, kinds + done, deltas, count, decoded);
		done += count;
	}
	*ret_has_gone_back = walk.has_gone_back;
	return true;
}

/* @return the field that a column belongs to, NULL when this build does not know it. */
static const struct schema_field *find_field(const struct payload *payload,
					     const struct kind_run *run,
					     const struct column_entry *entry)
{
	const struct schema_kind *kind = &payload->schema->kinds[entry->kind];

	if (!run->out.count || entry->field >= kind->field_count ||
	    !kind->fields[entry->field].info)
		return NULL;
	return &kind->fields[entry->field];
}

static void note_present(struct kind_run *run, const struct schema_field *field)
{
	run->present[field->index / 64] |= (uint64_t)1 << field->index % 64;
}

/* Also of kinds and fields that nobody knows: their addresses count in the sequence. */
static bool add_recent(const struct payload *payload, struct kind_run *run,
		       const struct column_entry *entry, struct recent_walk *walk)
{
	const struct schema_field *field = find_field(payload, run, entry);
	uint8_t *to = NULL;

	if (field && field->info->type == LT_TYPE_u64 && field->info->count == 1 &&
	    entry->in.codec == LT_CODEC_recent) {
		to = run->out.base + field->info->offset;
		note_present(run, field);
	}
	return recent_walk_add(walk, (unsigned)entry->kind, &entry->in, run->count, to,
			       run->out.stride_bytes);
}

static bool read_column(const struct payload *payload, struct kind_run *runs,
			const struct column_entry *entry, struct recent_walk *walk)
{
	const struct schema_field *field;
	struct kind_run *run;

	if (entry->kind == 0 || entry->kind >= SCHEMA_KINDS)
		return true;
	run = &runs[entry->kind];
	if (entry->in.codec == LT_CODEC_recent || entry->in.codec == LT_CODEC_new)
		return add_recent(payload, run, entry, walk);
	if (!run->out.count)
		return true;
	if (entry->field == LT_COLUMN_STACK)
		return column_store_stack(&entry->in, &run->out, payload->stack_limit);
	if (entry->field == LT_COLUMN_AUX)
		return column_store_aux(&entry->in, &run->out);
	field = find_field(payload, run, entry);
	if (!field)
		return true;
	note_present(run, field);
	return column_store(&entry->in, &run->out, field->info, payload->stack_limit);
}

static void clear_absent(const struct schema *schema, const struct kind_run *runs)
{
	for (unsigned k = 0; k < SCHEMA_KINDS; k++) {
		const struct lt_event_info *info = schema->kinds[k].info;

		if (!runs[k].out.count)
			continue;
		for (unsigned i = 0; i < info->field_count; i++)
			if (!(runs[k].present[i / 64] >> i % 64 & 1))
				column_clear(&runs[k].out, &info->fields[i]);
	}
}

static bool reserve_sequence(struct decoded *decoded, size_t count)
{
	if (count > decoded->sequence_capacity) {
		free(decoded->sequence);
		decoded->sequence = malloc(count * sizeof(*decoded->sequence));
		decoded->sequence_capacity = decoded->sequence ? count : 0;
	}
	return decoded->sequence_capacity >= count;
}

static bool read_columns(const struct payload *payload, struct kind_run *runs,
			 uint64_t *sequence)
{
	struct lt_wire_in directory = payload->directory;
	struct recent_walk walk;
	const uint8_t *data = payload->data;
	struct column_entry entry;

	recent_walk_begin(&walk);
	for (uint64_t i = 0; i < payload->column_count; i++)
		if (!read_entry(&directory, &data, payload->end, &entry) ||
		    !read_column(payload, runs, &entry, &walk))
			return false;
	if (!recent_walk_run(&walk, payload->kinds.in.bytes, payload->event_count,
			     sequence))
		return false;
	clear_absent(payload->schema, runs);
	return true;
}

static uint64_t sum_losses(const struct kind_run *run)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < run->out.count; i++) {
		const uint8_t *at = run->out.base + i * run->out.stride_bytes;

		sum += ((const struct lt_ev_stream_stats *)at)->lost_count;
	}
	return sum;
}

const char *decode_events(const struct schema *schema, const uint8_t *bytes, size_t length,
			  uint64_t base_ns, uint32_t time_shift, uint32_t stack_limit,
			  struct decoded *decoded)
{
	struct payload payload = { .schema = schema, .base_ns = base_ns, .time_shift = time_shift,
				   .stack_limit = stack_limit };
	struct kind_run runs[SCHEMA_KINDS] = { 0 };
	bool has_gone_back = false;
	const char *fault = NULL;

	decoded->count = 0;
	decoded->unknown_count = 0;
	decoded->lost_event_count = 0;
	if (!open_payload(&payload, bytes, length) || !find_shared_columns(&payload))
		return "the columns of a block do not fit into it";
	count_kinds(&payload, runs);
	if (!lay_out(&payload, runs, decoded) ||
	    !reserve_sequence(decoded, payload.event_count))
		return "not enough memory for the block";
	if (!read_times(&payload, runs, decoded, &has_gone_back) ||
	    !read_columns(&payload, runs, decoded->sequence))
		fault = "a column of a block is torn";
	else if (has_gone_back && !decoded_sort(decoded))
		fault = "not enough memory for the block";
	decoded->lost_event_count = fault ? 0 : sum_losses(&runs[LT_KIND_stream_stats]);
	if (fault)
		decoded->count = 0;
	return fault;
}
