/* SPDX-License-Identifier: MIT */
/*
 * Events as C sees them: enum lt_kind, one record struct for each event, the aux enums, and the
 * descriptions (struct lt_event_info) that encoder, decoder, dump and FORMAT.md are driven by.
 * Everything here is made from events.def and names.def; nothing here is written by hand twice.
 *
 * Used by both sides. Includes only type headers of the C library. All data are constant: any thread
 * may read them.
 */
#ifndef LLMTRACE_EVENTS_H
#define LLMTRACE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

/* One slot of a ring. A record takes as many as it needs and is never split by the ring's end. */
#define LT_SLOT_BYTES 32u

/*
 * The first 16 bytes of every record in a ring.
 * state holds kind, slots, aux and lap in one word, so that one store commits a record. While kind
 * is 0 the record is not committed; lap tells whether the word belongs to this round of the ring.
 */
struct lt_record {
	uint64_t time;		/* time stamp, in ticks of the ring's clock */
	uint32_t stack;		/* intern id of the call stack, 0 for none */
	uint32_t state;		/* LT_STATE(kind, slots, aux, lap) */
};

#define LT_STATE(kind, slots, aux, lap) \
	((uint32_t)(kind) | (uint32_t)(slots) << 8 | (uint32_t)(aux) << 16 | (uint32_t)(lap) << 24)
#define LT_STATE_KIND(state)  ((uint8_t)(state))
#define LT_STATE_SLOTS(state) ((uint8_t)((state) >> 8))
#define LT_STATE_AUX(state)   ((uint8_t)((state) >> 16))
#define LT_STATE_LAP(state)   ((uint8_t)((state) >> 24))

/* A record that fills the rest of a ring before its end, or that was abandoned. Never in a file. */
#define LT_KIND_PAD 127u

enum lt_kind {
#define LT_EVENT(name, id, group, aux, doc) LT_KIND_##name = id,
#define LT_FIELD(...)
#define LT_END(name)
#define LT_DEF(name, id, doc) LT_KIND_##name = id,
#define LT_DEF_FIELD(...)
#define LT_DEF_END(name)
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_DEF
#undef LT_DEF_FIELD
#undef LT_DEF_END
	LT_KIND_COUNT = 256
};

/* enum values of the aux byte: LT_alloc_call_malloc and so on. */
enum {
#define LT_NAME(list, value, name, doc) LT_##list##_##name = value,
#include "llmtrace/names.def"
#undef LT_NAME
};

typedef uint32_t lt_type_u32;
typedef int32_t lt_type_i32;
typedef uint64_t lt_type_u64;
typedef int64_t lt_type_i64;

/* struct lt_ev_<name>: the record of an event as it lies in a ring. */
#define LT_EVENT(name, id, group, aux, doc) struct lt_ev_##name { struct lt_record head;
#define LT_FIELD(name, type, field, count, unit, codec, doc) LT_FIELD_##count(type, field)
#define LT_END(name) };
#define LT_FIELD_1(type, field) lt_type_##type field;
#define LT_FIELD_8(type, field) lt_type_##type field[8];
#define LT_FIELD_16(type, field) lt_type_##type field[16];
#define LT_DEF(name, id, doc)
#define LT_DEF_FIELD(...)
#define LT_DEF_END(name)
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_FIELD_1
#undef LT_FIELD_8
#undef LT_FIELD_16

/* No struct has padding: its size is the sum of its fields. */
#define LT_EVENT(name, id, group, aux, doc) \
	_Static_assert(sizeof(struct lt_ev_##name) == sizeof(struct lt_record)
#define LT_FIELD(name, type, field, count, unit, codec, doc) + sizeof(lt_type_##type) * count
#define LT_END(name) , "struct lt_ev_" #name " has padding: reorder its fields");
#include "llmtrace/events.def"
#undef LT_EVENT
#undef LT_FIELD
#undef LT_END
#undef LT_DEF
#undef LT_DEF_FIELD
#undef LT_DEF_END

_Static_assert(sizeof(struct lt_record) == 16, "the record head is written to shared rings");

/* Slots that the record of an event takes. */
#define LT_SLOTS(name) ((sizeof(struct lt_ev_##name) + LT_SLOT_BYTES - 1) / LT_SLOT_BYTES)

/* What a field means; decides how dump and the tables print it. */
enum lt_unit {
	/* duration: ns in a file; ticks of the clock in a ring. */
	LT_UNIT_number, LT_UNIT_bytes, LT_UNIT_ns, LT_UNIT_duration, LT_UNIT_time, LT_UNIT_addr, LT_UNIT_count, LT_UNIT_fd,
	LT_UNIT_tid, LT_UNIT_string, LT_UNIT_stack, LT_UNIT_errno, LT_UNIT_prot, LT_UNIT_map_flags,
	LT_UNIT_open_flags, LT_UNIT_cpu_mask, LT_UNIT_text, LT_UNIT_frames,
};

enum lt_type { LT_TYPE_u32, LT_TYPE_i32, LT_TYPE_u64, LT_TYPE_i64, LT_TYPE_text, LT_TYPE_bytes,
	LT_TYPE_number, LT_TYPE_frames };

/*
 * How a column is written; FORMAT.md tells each. recent: the codes of addresses, for one scalar field
 * of a kind at most; new: what belongs to it, never the codec of a field.
 */
enum lt_codec { LT_CODEC_plain, LT_CODEC_signed, LT_CODEC_delta, LT_CODEC_recent, LT_CODEC_new };

/* Codes of a recent column; what is larger by one than a distance stands for that distance. */
enum lt_recent { LT_RECENT_NULL = 0, LT_RECENT_NEW = 1 };

/* Groups of LLMTRACE_EVENTS, as bits. */
enum lt_group {
	LT_GROUP_heap = 1 << 0, LT_GROUP_maps = 1 << 1, LT_GROUP_faults = 1 << 2,
	LT_GROUP_threads = 1 << 3, LT_GROUP_files = 1 << 4, LT_GROUP_gpu = 1 << 5,
	LT_GROUP_phases = 1 << 6, LT_GROUP_system = 1 << 7,
};

struct lt_field_info {
	const char *name;
	const char *doc;
	uint16_t offset;	/* in the record struct; 0 for definitions */
	uint8_t type;		/* enum lt_type */
	uint8_t unit;		/* enum lt_unit */
	uint8_t codec;		/* enum lt_codec */
	uint8_t count;		/* elements */
};

struct lt_event_info {
	const char *name;
	const char *aux;	/* name of the aux enum, "none" without one */
	const char *doc;
	const struct lt_field_info *fields;
	uint16_t field_count;
	uint8_t kind;
	uint8_t slots;		/* 0 for definitions */
	uint8_t group;		/* enum lt_group; 0 for definitions */
};

/* The whole table, LT_EVENT_INFO_COUNT rows, in the order of events.def. Lives in events.c. */
extern const struct lt_event_info lt_event_infos[];
extern const unsigned lt_event_info_count;

struct lt_name_info {
	const char *list;
	const char *name;
	const char *doc;
	uint8_t value;
};

/* All aux names, in the order of names.def. */
extern const struct lt_name_info lt_name_infos[];
extern const unsigned lt_name_info_count;

/* @return the description of a kind, NULL for one that this build does not know. Any thread. */
const struct lt_event_info *lt_event_info(unsigned kind);

/* @return the name of an aux value, NULL for one that this build does not know. Any thread. */
const char *lt_aux_name(const char *list, unsigned value);

#endif
