/* SPDX-License-Identifier: MIT */
/*
 * Prints the tables of FORMAT.md from the event table. Run by `make docs`; a contract test compares
 * its output with what the document holds.
 */
#include <stdio.h>
#include <string.h>

#include "llmtrace/events.h"

static const char *const type_names[] = {"u32",	 "i32",	  "u64",    "i64",
					 "text", "bytes", "number", "frames"};
static const char *const codec_names[] = {"plain", "signed", "delta", "recent", "new"};
static const char *const unit_names[] = {
	"number", "bytes",     "ns",	     "duration", "time",  "addr",
	"count",  "fd",	       "tid",	     "string",	 "stack", "errno",
	"prot",	  "map_flags", "open_flags", "cpu_mask", "text",  "frames",
};
_Static_assert(sizeof(unit_names) / sizeof(unit_names[0]) == LT_UNIT_frames + 1,
	       "a unit has no name");

static void print_field(const struct lt_field_info *field, int is_definition)
{
	char type[32];

	snprintf(type, sizeof(type), field->count > 1 ? "%s[%u]" : "%s", type_names[field->type],
		 field->count);
	if (is_definition)
		printf("| `%s` | %s | %s |\n", field->name, type, field->doc);
	else
		printf("| `%s` | %s | %s | %s | %s |\n", field->name, type, unit_names[field->unit],
		       codec_names[field->codec], field->doc);
}

static void print_event(const struct lt_event_info *info)
{
	int is_definition = info->slots == 0;

	printf("\n### %u `%s`\n\n%c%s.", info->kind, info->name,
	       info->doc[0] >= 'a' && info->doc[0] <= 'z' ? info->doc[0] - 32 : info->doc[0],
	       info->doc + 1);
	if (strcmp(info->aux, "none"))
		printf(" aux: [%s](#%s).", info->aux, info->aux);
	printf(is_definition
		       ? "\n\n| field | type | meaning |\n|---|---|---|\n"
		       : "\n\n| field | type | unit | codec | meaning |\n|---|---|---|---|---|\n");
	for (unsigned i = 0; i < info->field_count; i++)
		print_field(&info->fields[i], is_definition);
}

static void print_names(void)
{
	const char *list = "";

	for (unsigned i = 0; i < lt_name_info_count; i++) {
		const struct lt_name_info *name = &lt_name_infos[i];

		if (strcmp(list, name->list))
			printf("\n### %s\n\n", name->list);
		list = name->list;
		printf("- %u `%s`%s%s\n", name->value, name->name, name->doc[0] ? ": " : "",
		       name->doc);
	}
}

int main(void)
{
	printf("\n## Events\n");
	for (unsigned i = 0; i < lt_event_info_count; i++)
		if (lt_event_infos[i].slots)
			print_event(&lt_event_infos[i]);
	printf("\n## Definitions\n");
	for (unsigned i = 0; i < lt_event_info_count; i++)
		if (!lt_event_infos[i].slots)
			print_event(&lt_event_infos[i]);
	printf("\n## Values of the aux byte\n");
	print_names();
	return 0;
}
