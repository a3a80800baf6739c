/* SPDX-License-Identifier: MIT */
/* Single values of the dump, by the unit that the event table gives them. One thread. */
#ifndef LLMTRACE_ANALYZER_DUMP_VALUE_H
#define LLMTRACE_ANALYZER_DUMP_VALUE_H

#include <stdio.h>

#include "trace.h"

/* Prints element index of a field. */
void dump_value(FILE *out, const struct trace *trace, const struct lt_record *record,
		const struct lt_field_info *field, unsigned index);

/* Prints text in quotes, with C escapes for what is not printable. */
void dump_text(FILE *out, const char *text, size_t length);

/* The same for a terminated text without quotes. */
void dump_name(FILE *out, const char *name);

/*
 * As lt_event_info, by an index made at first use. @return never NULL for kinds of delivered
 * records.
 */
const struct lt_event_info *dump_event_info(unsigned kind);

#endif
