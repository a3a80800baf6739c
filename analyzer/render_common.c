/* SPDX-License-Identifier: MIT */
/*
 * What all renderers share: which sections and rows were asked for.
 */
#include <string.h>

#include "render.h"

bool render_has_section(const struct render_options *options, const char *section)
{
	return !options->section || !strcmp(options->section, section);
}

bool render_is_section(const struct report *report, const char *section)
{
	return !strcmp(section, "run") || !strcmp(section, "findings") ||
	       !strcmp(section, "coverage") || report_find_table(report, section);
}

size_t render_row_count(const struct table *table, const struct render_options *options,
			size_t standard)
{
	size_t limit = options->top ? options->top : standard;

	return limit && limit < table->row_count ? limit : table->row_count;
}
