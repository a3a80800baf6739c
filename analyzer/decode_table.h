/* SPDX-License-Identifier: MIT */
/*
 * How the fields of a file map to the structs of this build. Made from the file's own TABLE block:
 * kinds and fields that this build does not know are marked as such, fields that the file does not
 * have stay absent. Without a readable TABLE block the table of this build stands in.
 *
 * Made by one thread, then read by any number.
 */
#ifndef LLMTRACE_ANALYZER_DECODE_TABLE_H
#define LLMTRACE_ANALYZER_DECODE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmtrace/events.h"

#define SCHEMA_KINDS 256
#define SCHEMA_MAX_FIELDS 254
#define SCHEMA_MAX_NAMES 65536

/* A field of the file. */
struct schema_field {
	const struct lt_field_info *info;	/* ours of the same name, NULL for an unknown one */
	uint8_t index;				/* of info in its event */
	uint8_t file_type;			/* enum lt_type as the file says */
};

struct schema_kind {
	const struct lt_event_info *info;	/* NULL: unknown to this build */
	struct schema_field *fields;		/* in the order of the file */
	unsigned field_count;
	unsigned stride_bytes; /* of a decoded record; 0 for unknown kinds and definitions */
	bool is_acquire;			/* comes after a release of the same ns */
	bool is_in_file;			/* the file's table has this kind */
};

/* An aux name that the file brings along. */
struct schema_name {
	char *list;
	char *name;
	uint64_t value;
};

struct schema {
	struct schema_kind kinds[SCHEMA_KINDS];
	struct schema_name *names;
	size_t name_count, name_capacity;
	const char *unknown_codec;	/* a field of ours that a newer writer writes in its own way */
};

/* Makes the schema of this build. @return false when memory is short. */
bool schema_init(struct schema *schema);
void schema_release(struct schema *schema);

/*
 * Reads the payload of a TABLE block over what stands there.
 * @return NULL, or what is wrong (a constant string); rows before the fault were taken.
 */
const char *schema_read(struct schema *schema, const uint8_t *bytes, size_t length);

/* @return the name of an aux value: ours, else the file's, else NULL. */
const char *schema_aux_name(const struct schema *schema, unsigned kind, unsigned value);

#endif
