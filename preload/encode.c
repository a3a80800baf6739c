/* SPDX-License-Identifier: MIT */
/*
 * Records to columns; see encode.h. Each column is a buffer of its own, made when the first event
 * of its kind arrives. Entered by the writer thread alone; may not call anything that takes a lock.
 */
#include "encode.h"

#include <string.h>

#include "definitions.h"
#include "encode_recent.h"
#include "llmtrace/format.h"
#include "llmtrace/pool.h"
#include "sys.h"

#define FIELDS_MAX 16u
#define COLUMN_STACK_INDEX FIELDS_MAX
#define COLUMN_AUX_INDEX (FIELDS_MAX + 1)

struct column {
	uint8_t *bytes;
	uint32_t used;
	bool is_zero; /* nothing but zeros so far: the column is left out */
	uint64_t previous;
	struct new_addrs *new_addrs; /* of a recent column */
};

struct kind_columns {
	const struct lt_event_info *info;
	struct column columns[FIELDS_MAX + 2];
	struct new_addrs new_addrs;
	bool is_used;
	bool is_ready; /* all buffers are there */
};

static struct kind_columns *kinds; /* by kind */
static uint8_t *kind_column;
static struct column time_column;
static const struct clock_map *clock_map;
static uint32_t event_count;
static uint64_t first_ns, earliest_ns, previous_ns, latest_ns;

bool encode_init(const struct clock_map *clock)
{
	clock_map = clock;
	kinds = sys_memory(LT_KIND_COUNT * sizeof(*kinds));
	kind_column = sys_memory(ENCODE_EVENTS_MAX);
	time_column.bytes = sys_memory(ENCODE_EVENTS_MAX * LT_VARINT_MAX_BYTES);
	if (!kinds || !kind_column || !time_column.bytes || !recent_init())
		return false;
	for (unsigned i = 0; i < lt_event_info_count; i++)
		if (lt_event_infos[i].slots)
			kinds[lt_event_infos[i].kind].info = &lt_event_infos[i];
	return true;
}

static void restart(struct column *column)
{
	column->used = 0;
	column->previous = 0;
	column->is_zero = true;
}

void encode_begin(void)
{
	event_count = 0;
	first_ns = earliest_ns = previous_ns = latest_ns = 0;
	restart(&time_column);
	recent_begin();
	for (unsigned kind = 0; kind < LT_KIND_COUNT; kind++) {
		if (!kinds[kind].is_used)
			continue;
		kinds[kind].is_used = false;
		new_addrs_begin(&kinds[kind].new_addrs);
		for (unsigned i = 0; i < FIELDS_MAX + 2; i++)
			restart(&kinds[kind].columns[i]);
	}
}

static bool make_buffers(struct kind_columns *columns)
{
	uint32_t events_max = ENCODE_EVENTS_MAX / columns->info->slots;

	for (unsigned i = 0; i < FIELDS_MAX + 2; i++) {
		struct column *column = &columns->columns[i];
		unsigned count =
			i < columns->info->field_count ? columns->info->fields[i].count : 1;

		if (i >= columns->info->field_count && i < FIELDS_MAX)
			continue;
		if (!column->bytes) {
			restart(column);
			column->bytes = sys_memory((size_t)events_max * count * LT_VARINT_MAX_BYTES);
		}
		if (!column->bytes)
			return false;
		if (i < columns->info->field_count &&
		    columns->info->fields[i].codec == LT_CODEC_recent) {
			if (!new_addrs_init(&columns->new_addrs, events_max))
				return false;
			column->new_addrs = &columns->new_addrs;
		}
	}
	columns->is_ready = true;
	return true;
}

static inline void put_value(struct column *column, uint64_t value)
{
	column->is_zero &= value == 0;
	column->used =
		(uint32_t)(lt_varint_put(column->bytes + column->used, value) - column->bytes);
}

/* Ids of the intern table become ids of the file, ticks become ns. */
static inline __attribute__((always_inline)) uint64_t to_file(enum lt_unit unit, uint64_t value)
{
	switch (unit) {
	case LT_UNIT_stack:
	case LT_UNIT_string:
		return definitions_id((uint32_t)value);
	case LT_UNIT_duration:
		return clock_map_span_ns(clock_map, value);
	default:
		return value;
	}
}

static inline __attribute__((always_inline)) void
put_element(struct column *column, enum lt_unit unit, enum lt_codec codec, uint64_t value)
{
	uint64_t previous = column->previous;

	value = to_file(unit, value);
	if (codec == LT_CODEC_recent) {
		uint64_t addr = value;

		value = recent_code(addr);
		if (value == LT_RECENT_NEW)
			new_addrs_add(column->new_addrs, addr);
	} else if (codec == LT_CODEC_delta) {
		column->previous = value;
		value = lt_zigzag((int64_t)(value - previous));
	} else if (codec == LT_CODEC_signed) {
		value = lt_zigzag((int64_t)value);
	}
	put_value(column, value);
}

/*
 * put_fields_<event>: all fields of one kind of record, written out by the compiler from the event
 * table.
 */
#define ELEMENTS_1(event, field, index) ((uint64_t)(int64_t)(event)->field)
#define ELEMENTS_8(event, field, index) ((uint64_t)(int64_t)(event)->field[index])
#define ELEMENTS_16(event, field, index) ((uint64_t)(int64_t)(event)->field[index])
#define LT_EVENT(name, id, group, aux, doc)                                                        \
	static void put_fields_##name(struct column *column, const struct lt_record *record)       \
	{                                                                                          \
		const struct lt_ev_##name *event = (const struct lt_ev_##name *)record;
#define LT_FIELD(name, type, field, count, unit, codec, doc)                                       \
	for (unsigned i = 0; i < count; i++)                                                       \
		put_element(column, LT_UNIT_##unit, LT_CODEC_##codec,                              \
			    ELEMENTS_##count(event, field, i));                                    \
	column++;
#define LT_END(name) }
#define LT_DEF(name, id, doc)
#define LT_DEF_FIELD(...)
#define LT_DEF_END(name)
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END

typedef void put_fields_fn(struct column *column, const struct lt_record *record);

static put_fields_fn *const put_fields[LT_KIND_COUNT] = {
#define LT_EVENT(name, id, group, aux, doc) [id] = put_fields_##name,
#define LT_FIELD(...)
#define LT_END(name)
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_DEF
#undef LT_DEF_FIELD
#undef LT_DEF_END
};

static void put_time(uint64_t ns)
{
	/*
	 * the first entry is written by encode_finish: its base, the earliest time, is not known
	 * before
	 */
	if (event_count == 0)
		first_ns = earliest_ns = ns;
	else
		put_value(&time_column, lt_zigzag((int64_t)(ns - previous_ns) >> ENCODE_TIME_SHIFT));
	previous_ns = ns;
	if (ns > latest_ns)
		latest_ns = ns;
	if (ns < earliest_ns)
		earliest_ns = ns;
}

bool encode_add(const struct lt_record *record)
{
	struct kind_columns *columns = &kinds[LT_STATE_KIND(record->state)];
	const struct lt_event_info *info = columns->info;
	struct column *aux = &columns->columns[COLUMN_AUX_INDEX];
	uint8_t aux_value = LT_STATE_AUX(record->state);

	if (!info)
		return true;
	if (event_count == ENCODE_EVENTS_MAX || (!columns->is_ready && !make_buffers(columns)))
		return false;
	columns->is_used = true;
	put_time(clock_map_ns(clock_map, record->time) >> ENCODE_TIME_SHIFT << ENCODE_TIME_SHIFT);
	kind_column[event_count++] = info->kind;
	put_value(&columns->columns[COLUMN_STACK_INDEX], definitions_id(record->stack));
	aux->bytes[aux->used++] = aux_value;
	aux->is_zero &= aux_value == 0;
	put_fields[info->kind](columns->columns, record);
	return true;
}

uint32_t encode_count(void)
{
	return event_count;
}

uint64_t encode_begin_ns(void)
{
	return earliest_ns;
}

uint64_t encode_end_ns(void)
{
	return latest_ns;
}

static void put_column_header(struct lt_wire_out *out, unsigned kind, unsigned field,
			      unsigned codec, unsigned count, uint32_t bytes)
{
	lt_put_varint(out, kind);
	lt_put_varint(out, field);
	lt_put_varint(out, codec);
	lt_put_varint(out, count);
	lt_put_varint(out, bytes);
}

/* What is told to visit_columns' caller about one column that is not left out. */
struct column_visit {
	unsigned kind, field, codec, count;
	const uint8_t *bytes;
	uint32_t used;
};

typedef void visit_fn(struct lt_wire_out *out, const struct column_visit *visit);

static void visit_columns(struct lt_wire_out *out, visit_fn *visit)
{
	for (unsigned kind = 0; kind < LT_KIND_COUNT; kind++) {
		const struct kind_columns *columns = &kinds[kind];

		if (!columns->is_used)
			continue;
		for (unsigned i = 0; i < FIELDS_MAX + 2; i++) {
			const struct column *column = &columns->columns[i];
			struct column_visit here = {kind, i, LT_CODEC_plain, 1, column->bytes,
						    column->used};

			if (column->is_zero || !column->used)
				continue;
			if (i < FIELDS_MAX) {
				here.codec = columns->info->fields[i].codec;
				here.count = columns->info->fields[i].count;
			} else {
				here.field =
					i == COLUMN_AUX_INDEX ? LT_COLUMN_AUX : LT_COLUMN_STACK;
			}
			visit(out, &here);
			if (column->new_addrs && column->new_addrs->used) {
				here.codec = LT_CODEC_new;
				here.bytes = column->new_addrs->bytes;
				here.used = column->new_addrs->used;
				visit(out, &here);
			}
		}
	}
}

/* What can be written only when all of a block is known. */
static void finish_columns(void)
{
	for (unsigned kind = 0; kind < LT_KIND_COUNT; kind++)
		if (kinds[kind].is_used)
			new_addrs_finish(&kinds[kind].new_addrs);
}

static uint32_t visited_count;

static void count_column(struct lt_wire_out *out, const struct column_visit *visit)
{
	(void)out;
	(void)visit;
	visited_count++;
}

static void put_visit_header(struct lt_wire_out *out, const struct column_visit *visit)
{
	put_column_header(out, visit->kind, visit->field, visit->codec, visit->count,
			  visit->used);
}

static void put_visit_bytes(struct lt_wire_out *out, const struct column_visit *visit)
{
	lt_put_bytes(out, visit->bytes, visit->used);
}

void encode_finish(struct lt_wire_out *out)
{
	uint8_t first[LT_VARINT_MAX_BYTES];
	int64_t late_by = (int64_t)(first_ns - earliest_ns) >> ENCODE_TIME_SHIFT;
	uint32_t first_bytes = (uint32_t)(lt_varint_put(first, lt_zigzag(late_by)) - first);

	finish_columns();
	visited_count = 0;
	visit_columns(out, count_column);
	lt_put_varint(out, event_count);
	lt_put_varint(out, 2 + visited_count);
	put_column_header(out, 0, LT_COLUMN_KIND, LT_CODEC_plain, 1, event_count);
	put_column_header(out, 0, LT_COLUMN_TIME, LT_CODEC_delta, 1,
			  first_bytes + time_column.used);
	visit_columns(out, put_visit_header);
	lt_put_bytes(out, kind_column, event_count);
	lt_put_bytes(out, first, first_bytes);
	lt_put_bytes(out, time_column.bytes, time_column.used);
	visit_columns(out, put_visit_bytes);
}

static void put_name(struct lt_wire_out *out, const char *name)
{
	lt_put_text(out, name, strlen(name));
}

static void put_event_row(struct lt_wire_out *out, const struct lt_event_info *info)
{
	lt_put_varint(out, info->kind);
	put_name(out, info->name);
	put_name(out, info->aux);
	lt_put_varint(out, info->group);
	lt_put_varint(out, info->field_count);
	for (unsigned i = 0; i < info->field_count; i++) {
		const struct lt_field_info *field = &info->fields[i];

		put_name(out, field->name);
		lt_put_varint(out, field->type);
		lt_put_varint(out, field->unit);
		lt_put_varint(out, field->codec);
		lt_put_varint(out, field->count);
	}
}

void encode_table(struct lt_wire_out *out)
{
	lt_put_varint(out, lt_event_info_count);
	for (unsigned i = 0; i < lt_event_info_count; i++)
		put_event_row(out, &lt_event_infos[i]);
	lt_put_varint(out, lt_name_info_count);
	for (unsigned i = 0; i < lt_name_info_count; i++) {
		put_name(out, lt_name_infos[i].list);
		lt_put_varint(out, lt_name_infos[i].value);
		put_name(out, lt_name_infos[i].name);
	}
}
