/* SPDX-License-Identifier: MIT */
/*
 * The renderers on a report made by hand: what was not measured is never 0, lines of text fit,
 * hostile text stays harmless, JSON and CSV keep exact numbers.
 */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "render.h"

#define EXACT 9007199254740993ull	/* 2^53 + 1: a double cannot hold it */

static const struct column columns[] = {
	{ "path", "text", VALUE_TEXT, true, false, "key", NULL, false },
	{ "stack", "stack", VALUE_STACK, true, false, "key", NULL, false },
	{ "read_bytes", "bytes", VALUE_U64, false, false, "number", "read", false },
	{ "read_ns", "ns", VALUE_U64, false, true, "number", "in reads", false },
	{ "fault_count", "count", VALUE_U64, false, true, "never measured", "faults", false },
	{ "note", "text", VALUE_TEXT, false, false, "text", NULL, true },
};

static const char *const long_path =
	"/models/a-directory-with-a-very-long-name/another-one-that-is-even-longer-than-the-first/"
	"and-a-file-at-the-end.gguf";

static void add_rows(struct table *table)
{
	static const char *const frames[] = {
		"void "
		"very::long_namespace::with_templates<std::vector<std::string>>::and_a_function("
		"int, char const*, std::map<int, std::string> const&)",
		"main"
	};
	size_t row = table_add_row(table);

	table_set_text(table, row, "path", long_path);
	table_set_stack(table, row, "stack", frames, 2);
	table_set_u64(table, row, "read_bytes", EXACT);
	table_set_text(table, row, "note", "a, \"quoted\" note\nin two lines | with a bar");
	row = table_add_row(table);
	table_set_text(table, row, "path", "evil\x1b[31m\xff.gguf");
	table_set_u64(table, row, "read_bytes", 0);
	for (unsigned i = 0; i < 20; i++)
		table_add_row(table);
}

static struct report *make_report(void)
{
	static const char *const command[] = { "./run", "-p", "two words" };
	struct report *report = report_new();
	struct finding finding = {
		.id = "test",
		.severity = SEVERITY_HIGH,
		.phase = "load",
		.statement = "something went wrong and it takes a whole long line, and "
			     "then some more of it, to say what it was and where",
		.advice = "fix it"
	};
	struct evidence evidence = { "things", 1 };
	struct run_facts run = {
		.path = long_path, .command = command, .command_count = 3, .exe = long_path,
		.exit_kind = "killed", .event_count = 12, .incomplete_reason = "cut at byte 99" };

	add_rows(report_add_table(report, "things", "Things", columns, 6));
	report_add_table(report, "empty", "Nothing here", columns, 6);
	report_add_coverage(report, "bytes read", 5, 0, false, "hooks", "rchar is not known");
	report_add_coverage(report, "events", 12, 12, true, "hooks", NULL);
	report_add_finding(report, &finding, &evidence, 1);
	report_set_run(report, &run);
	return report;
}

static char *text_of(void (*render)(const struct report *, const struct render_options *, FILE *),
		     const struct render_options *options)
{
	struct report *report = make_report();
	size_t bytes;
	char *text;
	FILE *out = open_memstream(&text, &bytes);

	render(report, options, out);
	fclose(out);
	report_free(report);
	return text;
}

static void test_text_fits(void **state)
{
	char *text = text_of(render_text, &(struct render_options){ 0 });

	(void)state;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (length > 100)
			fail_msg("%zu columns: %.*s", length, (int)length, line);
		line += length + (line[length] == '\n');
	}
	free(text);
}

static void test_text_says_what_is_missing(void **state)
{
	char *text = text_of(render_text, &(struct render_options){ .section = "things" });

	(void)state;
	assert_non_null(strstr(text, "not measured: in reads, faults"));
	assert_non_null(strstr(text, "12 more rows"));
	assert_non_null(strstr(text, "      main\n"));
	assert_non_null(strstr(text, "file-at-the-end.gguf"));
	assert_null(strstr(text, "Findings"));
	free(text);
}

static void test_text_is_harmless(void **state)
{
	char *text = text_of(render_text, &(struct render_options){ 0 });
	char *coloured = text_of(render_text, &(struct render_options){ .is_coloured = true });

	(void)state;
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "evil?[31m"));
	assert_non_null(strchr(coloured, '\x1b'));
	assert_null(strstr(coloured, "\x1b[31m\xff"));
	free(text);
	free(coloured);
}

static void test_text_head(void **state)
{
	char *text = text_of(render_text, &(struct render_options){ 0 });

	(void)state;
	assert_non_null(strstr(text, "./run -p 'two words'"));
	assert_non_null(strstr(text, "killed"));
	assert_non_null(strstr(text, "not complete: 12 events"));
	assert_non_null(strstr(text, "cut at byte 99"));
	assert_non_null(strstr(text, "evidence: things row 2"));
	assert_non_null(strstr(text, "- CPU time"));
	free(text);
}

static void test_top(void **state)
{
	char *text =
		text_of(render_text, &(struct render_options){ .section = "things", .top = 1 });

	(void)state;
	assert_null(strstr(text, "evil"));
	assert_non_null(strstr(text, "21 more rows"));
	free(text);
}

static json_t *json_of(const struct render_options *options)
{
	char *text = text_of(render_json, options);
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	free(text);
	return json;
}

static void test_json(void **state)
{
	json_t *json = json_of(&(struct render_options){ 0 }), *table, *row;

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(json, "format")), 1);
	table = json_object_get(json_object_get(json, "tables"), "things");
	assert_int_equal(json_integer_value(json_object_get(table, "rows_total")), 22);
	assert_int_equal(json_array_size(json_object_get(table, "rows")), 22);
	row = json_array_get(json_object_get(table, "rows"), 0);
	assert_true(json_integer_value(json_object_get(row, "read_bytes")) == (json_int_t)EXACT);
	assert_true(json_is_null(json_object_get(row, "read_ns")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "stack"), 1)),
			    "main");
	row = json_array_get(json_object_get(table, "rows"), 1);
	assert_true(json_is_integer(json_object_get(row, "read_bytes")));
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(json, "coverage"), 0), "total")));
	table = json_object_get(json, "trace");
	assert_true(json_is_false(json_object_get(table, "complete")));
	assert_true(json_is_null(json_object_get(table, "duration_ns")));
	json_decref(json);
}

static void test_json_evidence(void **state)
{
	json_t *json = json_of(&(struct render_options){ 0 });
	json_t *finding = json_array_get(json_object_get(json, "findings"), 0);
	json_t *evidence = json_array_get(json_object_get(finding, "evidence"), 0);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(finding, "severity")), "high");
	assert_true(json_is_null(json_object_get(finding, "saving_ns")));
	assert_string_equal(json_string_value(json_object_get(evidence, "table")), "things");
	assert_int_equal(json_integer_value(json_object_get(evidence, "row")), 1);
	json_decref(json);
}

static void test_markdown(void **state)
{
	char *text = text_of(render_markdown, &(struct render_options){ 0 });

	(void)state;
	assert_int_equal(text[0], '#');
	assert_non_null(strstr(text, "two lines \\| with"));
	assert_non_null(strstr(text, "10 of 22 rows"));
	free(text);
}

static void test_csv(void **state)
{
	char directory[16] = "csv", path[64], line[512];
	struct report *report = make_report();
	struct render_options options = { .section = "things" };
	struct error error;
	FILE *in;

	(void)state;
	memset(directory + 3, 'X', 6);
	assert_non_null(mkdtemp(directory));
	assert_int_equal(render_csv(report, &options, directory, &error), 0);
	snprintf(path, sizeof(path), "%s/things.csv", directory);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line, "path,stack,read_bytes,read_ns,fault_count,note\n");
	assert_non_null(fgets(line, sizeof(line), in));
	assert_non_null(strstr(line, " < main\",9007199254740993,,,\"a, \"\"quoted\"\" note\\x0ain two lines"));
	fclose(in);
	unlink(path);
	rmdir(directory);
	assert_int_equal(render_csv(report, &options, "/proc/no/such", &error), EXIT_UNUSABLE);
	assert_non_null(strstr(error.text, "/proc/no/such"));
	report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_fits),
		cmocka_unit_test(test_text_says_what_is_missing),
		cmocka_unit_test(test_text_is_harmless),
		cmocka_unit_test(test_text_head),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_evidence),
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_csv),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
