/* SPDX-License-Identifier: MIT */
/* The whole report in one process; see harness.h. */
#define _GNU_SOURCE 1
#include "harness.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analysis.h"
#include "completeness.h"
#include "dump.h"
#include "render.h"

static void fail(const char *what)
{
	fprintf(stderr, "FINDING: %s\n", what);
	abort();
}

void memory_file_set(struct memory_file *file, const void *data, size_t length)
{
	if (!file->path[0]) {
		file->fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
	}
	if (ftruncate(file->fd, 0) != 0 ||
	    pwrite(file->fd, data, length, 0) != (ssize_t)length)
		abort();
}

/* ---- what may not be printed ---- */

/* @return the length of the UTF-8 character at text, 0 when there is none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 :
			text[0] >> 3 == 30 ? 4 : 0;
	uint32_t value = length == 1 ? text[0] : text[0] & (0x7fu >> length);

	if (length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (length > 1 && (value < least[length] || value > 0x10ffff ||
			   (value >= 0xd800 && value < 0xe000)))
		return 0;
	return value < 0x20 && value != '\n' && value != '\t' ? 0 :
	       value >= 0x7f && value < 0xa0 ? 0 : length;
}

/* Text for a terminal: UTF-8 without control characters. */
static void check_text(const char *text, size_t length)
{
	for (size_t at = 0, step; at < length; at += step) {
		step = utf8_length((const unsigned char *)text + at, length - at);
		if (!step) {
			fprintf(stderr, "byte 0x%02x at %zu\n", (unsigned char)text[at], at);
			fail("a control character or broken UTF-8 was printed");
		}
	}
}

static void check_json(const char *text, size_t length)
{
	json_error_t error;
	json_t *json = json_loadb(text, length, JSON_ALLOW_NUL, &error);

	if (!json) {
		fprintf(stderr, "%s at %d\n", error.text, error.position);
		fail("the JSON report is none");
	}
	json_decref(json);
}

/* ---- the report ---- */

static void render(const struct report *report, unsigned how)
{
	struct render_options options = { .top = how & 8 ? 3 : 0, .is_coloured = false };
	size_t length = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		abort();
	switch (how & 3) {
	case 0:
		render_json(report, &options, out);
		break;
	case 1:
		render_markdown(report, &options, out);
		break;
	default:
		render_text(report, &options, out);
	}
	fclose(out);
	if ((how & 3) == 0)
		check_json(text, length);
	else
		check_text(text, length);
	free(text);
}

static void dump(struct trace *trace, struct symbols *symbols)
{
	struct dump_options options = { .has_definitions = true };
	size_t length = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);
	struct error error;

	if (!out)
		abort();
	dump_run(trace, symbols, &options, out, &error);
	fclose(out);
	check_text(text, length);
	free(text);
}

static void read_trace(struct trace *trace, unsigned how)
{
	struct symbols_options options = { .is_disk_ignored = true, .has_lines = how & 4 };
	struct symbols *symbols = symbols_new(trace, &options);
	struct report *report = report_new();
	struct error error;
	int status;

	if (!symbols)
		abort();
	if ((how & 7) == 7) {
		dump(trace, symbols);
	} else {
		status = analysis_run(trace, symbols, NULL, NULL, report, &error);
		if (status)
			fail("the whole run cannot be reported");
		render(report, how);
	}
	symbols_free(symbols);
	report_free(report);
}

void harness_report(const char *path, unsigned how)
{
	struct trace_options options = { .thread_count = how & HOW_HAS_THREADS ? 3 : 1,
					 .remove_pool = how & HOW_KEEPS_RINGS };
	struct trace *trace;
	struct error error;
	int status = trace_open(path, &options, &trace, &error);

	if (status) {
		if (status != EXIT_UNUSABLE)
			fail("an exit code that the contract does not know");
		check_text(error.text, strlen(error.text));
		return;
	}
	read_trace(trace, how);
	status = completeness(trace, &error);
	if (status && status != EXIT_DATA_MISSING)
		fail("an exit code that the contract does not know");
	trace_close(trace);
}
