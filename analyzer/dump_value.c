/* SPDX-License-Identifier: MIT */
/* Values as text; the rules are in dump.c's head. Flag names are those of Linux on x86-64. */
#define _GNU_SOURCE 1		/* strerrorname_np, O_ and MAP_ names */
#include "dump_value.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "plain_text.h"

struct flag_name {
	uint64_t bits;
	const char *name;
};

#define FLAG(bits) { bits, #bits }

static const struct flag_name prot_names[] = {
	FLAG(PROT_READ), FLAG(PROT_WRITE), FLAG(PROT_EXEC), { 0x100, "SHARED" },
	FLAG(PROT_GROWSDOWN), FLAG(PROT_GROWSUP),
};

static const struct flag_name map_names[] = {
	FLAG(MAP_SHARED_VALIDATE), FLAG(MAP_SHARED), FLAG(MAP_PRIVATE), FLAG(MAP_FIXED),
	FLAG(MAP_ANONYMOUS), FLAG(MAP_GROWSDOWN), FLAG(MAP_DENYWRITE), FLAG(MAP_EXECUTABLE),
	FLAG(MAP_LOCKED), FLAG(MAP_NORESERVE), FLAG(MAP_POPULATE), FLAG(MAP_NONBLOCK),
	FLAG(MAP_STACK), FLAG(MAP_HUGETLB), FLAG(MAP_SYNC), FLAG(MAP_FIXED_NOREPLACE),
};

/* Of bits that contain others the larger ones come first. */
static const struct flag_name open_names[] = {
	FLAG(O_WRONLY), FLAG(O_RDWR), FLAG(O_TMPFILE), FLAG(O_SYNC), FLAG(O_CREAT), FLAG(O_EXCL),
	FLAG(O_NOCTTY), FLAG(O_TRUNC), FLAG(O_APPEND), FLAG(O_NONBLOCK), FLAG(O_DSYNC),
	FLAG(O_ASYNC), FLAG(O_DIRECT), FLAG(O_DIRECTORY), FLAG(O_NOFOLLOW), FLAG(O_NOATIME),
	FLAG(O_CLOEXEC), FLAG(O_PATH), { 0100000, "O_LARGEFILE" },
};

static void put_flags(FILE *out, uint64_t value, const struct flag_name *names, size_t count,
		      const char *zero)
{
	const char *between = "";

	if (value == 0)
		fputs(zero, out);
	for (size_t i = 0; i < count && value; i++) {
		if (!names[i].bits || (value & names[i].bits) != names[i].bits)
			continue;
		fprintf(out, "%s%s", between, names[i].name);
		between = "|";
		value &= ~names[i].bits;
	}
	if (value)
		fprintf(out, "%s0x%" PRIx64, between, value);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void put_open_flags(FILE *out, uint64_t value)
{
	if ((value & O_ACCMODE) == O_RDONLY)
		fputs(value ? "O_RDONLY|" : "O_RDONLY", out);
	put_flags(out, value, open_names, COUNT_OF(open_names), "");
}

static void put_errno(FILE *out, uint64_t value)
{
	const char *name = value && value <= INT32_MAX ? strerrorname_np((int)value) : NULL;

	if (name)
		fputs(name, out);
	else
		fprintf(out, "%" PRIu64, value);
}

/* A character as it is, or its bytes in octal. @return its bytes. */
static size_t put_character(FILE *out, const char *text)
{
	bool is_plain;
	size_t length = plain_next(text, &is_plain);

	for (size_t i = 0; i < length && !is_plain; i++)
		fprintf(out, "\\%03o", (unsigned char)text[i]);
	if (is_plain)
		fwrite(text, 1, length, out);
	return length;
}

void dump_text(FILE *out, const char *text, size_t length)
{
	fputc('"', out);
	for (size_t i = 0, bytes; i < length; i += bytes) {
		if (text[i] == '"' || text[i] == '\\')
			fputc('\\', out);
		bytes = put_character(out, text + i);
	}
	fputc('"', out);
}

void dump_name(FILE *out, const char *name)
{
	while (*name)
		name += put_character(out, name);
}

static uint64_t load(const struct lt_record *record, const struct lt_field_info *field,
		     unsigned index)
{
	const uint8_t *at = (const uint8_t *)record + field->offset;

	switch (field->type) {
	case LT_TYPE_u64:
	case LT_TYPE_i64:
		return ((const uint64_t *)at)[index];
	case LT_TYPE_i32:
		return (uint64_t)(int64_t)((const int32_t *)at)[index];
	default:
		return ((const uint32_t *)at)[index];
	}
}

static void put_number(FILE *out, uint64_t value, uint8_t type)
{
	if (type == LT_TYPE_i32 || type == LT_TYPE_i64)
		fprintf(out, "%" PRId64, (int64_t)value);
	else
		fprintf(out, "%" PRIu64, value);
}

void dump_value(FILE *out, const struct trace *trace, const struct lt_record *record,
		const struct lt_field_info *field, unsigned index)
{
	uint64_t value = load(record, field, index);
	const char *text;

	switch (field->unit) {
	case LT_UNIT_addr:
	case LT_UNIT_cpu_mask:
		fprintf(out, "0x%" PRIx64, value);
		break;
	case LT_UNIT_string:
		text = trace_string(trace, (uint32_t)value);
		dump_text(out, text ? text : "", trace_string_bytes(trace, (uint32_t)value));
		break;
	case LT_UNIT_errno:
		put_errno(out, value);
		break;
	case LT_UNIT_prot:
		put_flags(out, value, prot_names, COUNT_OF(prot_names), "PROT_NONE");
		break;
	case LT_UNIT_map_flags:
		put_flags(out, value, map_names, COUNT_OF(map_names), "0");
		break;
	case LT_UNIT_open_flags:
		put_open_flags(out, value);
		break;
	case LT_UNIT_time:
		fprintf(out, "%" PRId64,
			value ? (int64_t)(value - trace_facts(trace)->start_ns) : (int64_t)0);
		break;
	default:
		put_number(out, value, field->type);
		break;
	}
}

const struct lt_event_info *dump_event_info(unsigned kind)
{
	static const struct lt_event_info *infos[LT_KIND_COUNT];

	if (!infos[kind])
		infos[kind] = lt_event_info(kind);
	return infos[kind];
}
