/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them: the one place that knows KiB, ms and %. Any thread. Every function
 * fills a buffer of UNITS_BYTES and returns it.
 */
#ifndef LLMTRACE_UNITS_H
#define LLMTRACE_UNITS_H

#include <stdint.h>

#include "table.h"

#define UNITS_BYTES 48

/* "512 B", "1.17 GiB" */
const char *units_bytes(char *ret_text, double bytes);
/* "850 ns", "12.3 ms", "3.21 s", "2 m 05 s" */
const char *units_ns(char *ret_text, double value_ns);
/* "39,082"; fractions keep up to 3 digits: "45", "0.25" */
const char *units_count(char *ret_text, double count);
/*
 * Any value in its unit ("ns" "bytes" "count" "pct" "per_s" "number"); "-" for null, texts and
 * stacks as they are (the first frame of a stack).
 */
const char *units_value(char *ret_text, const struct value *value, const char *unit);

#endif
