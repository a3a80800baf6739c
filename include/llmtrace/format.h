/* SPDX-License-Identifier: MIT */
/*
 * The trace file. FORMAT.md tells it in prose; the layouts here are the truth.
 *
 * A file is a sequence of zstd frames and skippable frames, so `zstd -t` accepts it and `zstd -dc`
 * prints the payloads. It starts with a skippable frame that holds struct lt_file_header. Then come
 * blocks: a skippable frame with struct lt_block_header, directly followed by one zstd frame with
 * the payload. A file that was closed in order ends with a skippable frame that holds struct
 * lt_file_end. All numbers are little-endian.
 *
 * Every block decodes alone: the bases of all deltas restart with it.
 */
#ifndef LLMTRACE_FORMAT_H
#define LLMTRACE_FORMAT_H

#include <stdint.h>

/* A reader refuses a newer major version, and reads every older one and every minor one. */
#define LT_FORMAT_MAJOR 2
#define LT_FORMAT_MINOR 1

/* Magic numbers of skippable frames, out of the 16 that RFC 8878 sets aside. */
#define LT_FRAME_FILE 0x184d2a50u
#define LT_FRAME_BLOCK 0x184d2a51u
#define LT_FRAME_END 0x184d2a52u
#define LT_FRAME_VOID 0x184d2a53u /* its content means nothing */

/* What stands before the content of each skippable frame. */
struct lt_frame_header {
	uint32_t magic;
	uint32_t content_bytes;
};

#define LT_FILE_MAGIC "LLMTRACE" /* 8 bytes, not terminated */
#define LT_PATH_BYTES 4096
#define LT_POOL_PATH_BYTES 512

struct lt_file_header {
	char magic[8];
	uint16_t major;
	uint16_t minor;
	uint16_t machine;      /* e_machine of ELF: 62 is x86-64 */
	uint16_t header_bytes; /* sizeof(struct lt_file_header) of the writer */
	uint32_t pid;
	uint32_t parent_pid;
	/* field 22 of /proc/PID/stat: with pid and boot_id it names one process */
	uint64_t process_start_ticks;
	uint8_t boot_id[16];
	uint64_t start_ns;	       /* CLOCK_MONOTONIC at the start of recording */
	uint64_t start_unix_ns;	       /* CLOCK_REALTIME at the same moment */
	int64_t time_namespace_ns;     /* offset of CLOCK_MONOTONIC in this time namespace */
	uint32_t groups;	       /* enum lt_group: what is recorded */
	uint32_t crc;		       /* CRC-32C of the header with this field 0 */
	char pool_path[LT_POOL_PATH_BYTES]; /* file with the rings; empty: in memory only */
};

enum lt_block_type {
	LT_BLOCK_TABLE = 1,  /* the event table and the aux names */
	LT_BLOCK_DEFS = 2,   /* definitions */
	LT_BLOCK_EVENTS = 3, /* events of one stream */
	LT_BLOCK_POOL = 4,   /* a part of the pool file of a killed process; see pool.h */
	LT_BLOCK_LIVE = 5,   /* blocks of the heap that were live when a segment began */
	LT_BLOCK_BUNDLE = 6, /* small blocks of events of several streams */
};

/* Set in the flags of a block of definitions that repeats earlier ones. */
#define LT_BLOCK_IS_CHECKPOINT 1u

/*
 * A trace with a bound (LLMTRACE_MAX_BYTES) consists of segments, of which the oldest ones are gone.
 * Set in the flags of the block of definitions that begins one: its first row is `segment`,
 * first_position is the segment's number, from 1 on, and begin_ns when it began. Its checkpoint has
 * the definitions that later blocks need, and LIVE blocks with events `live_block`: the net effect
 * of all heap events of earlier segments. Every block of such a trace has the low bits of its
 * segment's number in its flags, since blocks no longer stand in the order of time, and some of a
 * segment whose begin is gone may still be there.
 */
#define LT_BLOCK_BEGINS_SEGMENT 4u
#define LT_BLOCK_SEGMENT_SHIFT 4u
#define LT_BLOCK_SEGMENT_MASK 0xfffu /* of the number; fewer than half as many are there at a time */

/*
 * The report keeps the rings of a killed process by appending its pool file to the trace, in blocks
 * that follow each other: positions are byte offsets in the pool file, from 0 on. They count only
 * when the one with LT_BLOCK_IS_LAST_PART is there.
 */
#define LT_BLOCK_IS_LAST_PART 2u
#define LT_POOL_PART_BYTES (32u << 20) /* at most, of a part before compression */

/* Of the payload of a BUNDLE block before compression, at most. */
#define LT_BUNDLE_MAX_BYTES (1u << 20)

#define LT_BLOCK_MAGIC 0x3142544cu /* "LTB1" */

/*
 * For TABLE and DEFS the stream, positions and times are 0, for POOL stream and times, for BUNDLE
 * stream and positions.
 * Positions count slots since the stream's ring was made; a stream's blocks follow each other
 * without a gap unless something was lost. crc covers this struct with crc 0, then the compressed
 * payload.
 */
struct lt_block_header {
	uint32_t magic;
	uint16_t type; /* enum lt_block_type */
	uint16_t flags;
	uint32_t crc;
	uint32_t stream;
	uint64_t first_position;
	uint64_t end_position;
	uint64_t begin_ns;	   /* the earliest time in the block: base of the time column */
	uint64_t end_ns;	   /* the latest time in the block */
	uint32_t event_count;	   /* events, or rows of definitions */
	uint32_t raw_bytes;	   /* of the payload */
	uint32_t compressed_bytes; /* of the zstd frame that follows */
	uint32_t time_shift;	   /* the time column counts in units of 2^time_shift ns */
};

#define LT_TIME_SHIFT_MAX 20u

#define LT_END_MAGIC 0x3145544cu /* "LTE1" */

struct lt_file_end {
	uint32_t magic;
	uint32_t crc;	      /* CRC-32C of this struct with crc 0 */
	uint64_t event_count; /* events in the file */
	uint64_t lost_event_count;
	uint64_t end_ns;
};

/*
 * Payload of an EVENTS block:
 *   varint event_count, varint column_count,
 *   column_count times: varint kind, varint field, varint codec, varint element count of an event,
 *                       varint byte length,
 *   then the bytes of the columns in the same order.
 * Kind 0 holds the columns that all events share, in the order of the stream:
 *   LT_COLUMN_KIND  one byte an event
 *   LT_COLUMN_TIME  zigzag LEB128 of the difference to the event before, to begin_ns for the first,
 *                   in units of 2^time_shift ns
 * For every other kind a column has one entry (count elements) for each event of that kind:
 *   field i of the event table, LT_COLUMN_STACK (LEB128 of the stack id), LT_COLUMN_AUX (one byte)
 * A column whose values are all 0 is left out. A field of codec LT_CODEC_recent has two columns: the
 * codes, and with codec LT_CODEC_new the addresses that the codes cannot tell.
 *
 * Payload of a BUNDLE block:
 *   varint member_count, for each member: varint stream, varint first_position, varint slots
 *   (end_position - first_position), varint begin and varint length in time, in units of
 *   2^time_shift ns, the first one from begin_ns of the block on, varint event_count, varint bytes;
 *   then the members in that order, each the payload of an EVENTS block.
 *
 * Payload of a DEFS block: event_count rows: varint kind, varint length of the rest of the row,
 * then the fields of the table: number as LEB128; text, bytes and frames as length and bytes. A
 * reader skips what is left of a row.
 *
 * Payload of a TABLE block: varint rows, then for each: varint kind, text name, text aux list,
 * varint group, varint fields, for each of them text name, varint type, varint unit, varint codec,
 * varint count; then varint names, for each text list, varint value, text name.
 */
enum lt_column {
	LT_COLUMN_KIND = 0,
	LT_COLUMN_TIME = 1,
	LT_COLUMN_STACK = 254,
	LT_COLUMN_AUX = 255,
};

_Static_assert(sizeof(struct lt_frame_header) == 8, "written to files");
_Static_assert(sizeof(struct lt_file_header) == 592, "written to files");
_Static_assert(sizeof(struct lt_block_header) == 64, "written to files");
_Static_assert(sizeof(struct lt_file_end) == 32, "written to files");

#endif
