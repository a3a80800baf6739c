/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them. Pure functions.
 */
#include "units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits, as many as a table needs. */
static const char *with_suffix(char *ret_text, double number, const char *suffix)
{
	int digits = fabs(number) < 9.995 ? 2 : fabs(number) < 99.95 ? 1 : 0;

	snprintf(ret_text, UNITS_BYTES, "%.*f %s", digits, number, suffix);
	return ret_text;
}

const char *units_bytes(char *ret_text, double bytes)
{
	static const char *const suffixes[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned power = 0;

	while (fabs(bytes) >= 1023.5 && power < 6) {
		bytes /= 1024;
		power++;
	}
	if (power || bytes != floor(bytes))
		return with_suffix(ret_text, bytes, suffixes[power]);
	snprintf(ret_text, UNITS_BYTES, "%.0f B", bytes);
	return ret_text;
}

const char *units_ns(char *ret_text, double value_ns)
{
	if (value_ns == 0)
		return strcpy(ret_text, "0 s");
	if (fabs(value_ns) < 999.5) {
		snprintf(ret_text, UNITS_BYTES, "%.0f ns", value_ns);
		return ret_text;
	}
	if (fabs(value_ns) < 999.5e3)
		return with_suffix(ret_text, value_ns / 1e3, "us");
	if (fabs(value_ns) < 999.5e6)
		return with_suffix(ret_text, value_ns / 1e6, "ms");
	if (fabs(value_ns) < 600e9)
		return with_suffix(ret_text, value_ns / 1e9, "s");
	snprintf(ret_text, UNITS_BYTES, "%.0f m %02.0f s", floor(value_ns / 60e9),
		 floor(fmod(value_ns, 60e9) / 1e9));
	return ret_text;
}

/* Puts a comma between groups of three digits. */
static const char *with_commas(char *ret_text, double number)
{
	char plain[UNITS_BYTES];
	size_t length = (size_t)snprintf(plain, sizeof(plain), "%.0f", fabs(number)), out = 0;

	if (number < 0)
		ret_text[out++] = '-';
	for (size_t i = 0; i < length && out < UNITS_BYTES - 2; i++) {
		if (i && (length - i) % 3 == 0)
			ret_text[out++] = ',';
		ret_text[out++] = plain[i];
	}
	ret_text[out] = '\0';
	return ret_text;
}

const char *units_count(char *ret_text, double count)
{
	static const char *const suffixes[] = { "k", "M", "G", "T", "P" };
	unsigned power = 0;

	if (count != floor(count) && fabs(count) < 999.5) {
		snprintf(ret_text, UNITS_BYTES, "%.3g", count);
		return ret_text;
	}
	if (fabs(count) < 9999999.5)
		return with_commas(ret_text, count);
	for (count /= 1000; fabs(count) >= 9999.5 && power < 4; power++)
		count /= 1000;
	return with_suffix(ret_text, count, suffixes[power]);
}

static double number_of(const struct value *value)
{
	switch (value->type) {
	case VALUE_U64: return (double)value->u64;
	case VALUE_I64: return (double)value->i64;
	default: return value->f64;
	}
}

static const char *number_text(char *ret_text, double number, const char *unit)
{
	if (!strcmp(unit, "bytes"))
		return units_bytes(ret_text, number);
	if (!strcmp(unit, "ns"))
		return units_ns(ret_text, number);
	if (!strcmp(unit, "pct"))
		snprintf(ret_text, UNITS_BYTES, "%.1f%%", number);
	else if (!strcmp(unit, "per_s"))
		snprintf(ret_text, UNITS_BYTES, "%.*f", fabs(number) < 99.95 ? 1 : 0, number);
	else if (!strcmp(unit, "number"))
		snprintf(ret_text, UNITS_BYTES, "%.15g", number);
	else
		return units_count(ret_text, number);
	return ret_text;
}

const char *units_value(char *ret_text, const struct value *value, const char *unit)
{
	switch (value->type) {
	case VALUE_NULL: return "-";
	case VALUE_TEXT: return value->text;
	case VALUE_BOOL: return value->is_true ? "yes" : "no";
	case VALUE_STACK: return value->stack.count ? value->stack.frames[0] : "-";
	default: return number_text(ret_text, number_of(value), unit);
	}
}
