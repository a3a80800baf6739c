/* SPDX-License-Identifier: MIT */
/*
 * Tables as data: nulls, copies, sorting; and numbers as people read them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "report_data.h"
#include "units.h"

static const struct column columns[] = {
	{ "name", "text", VALUE_TEXT, true, false, "key", NULL, false },
	{ "size_bytes", "bytes", VALUE_U64, false, false, "number", NULL, false },
	{ "share_pct", "pct", VALUE_F64, false, false, "number", NULL, false },
};

static struct table *add(struct report *report)
{
	return report_add_table(report, "things", "Things", columns, 3);
}

static void test_new_rows_are_null(void **state)
{
	struct report *report = report_new();
	struct table *table = add(report);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		size_t row = table_add_row(table);

		assert_int_equal(row, i);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(table_value(table, row, k)->type, VALUE_NULL);
		table_set_u64(table, row, "size_bytes", i);
	}
	assert_int_equal(table_get(table, 57, "size_bytes")->u64, 57);
	assert_int_equal(table_row_count(table), 100);
	report_free(report);
}

static void test_texts_are_copied_and_stacks_are_not(void **state)
{
	struct report *report = report_new();
	struct table *table = add(report);
	char text[] = "before";
	const char *frames[] = { "leaf", "caller" };
	size_t row = table_add_row(table);

	(void)state;
	table_set_text(table, row, "name", text);
	memcpy(text, "after!", 6);
	assert_string_equal(table_get(table, row, "name")->text, "before");
	table_set_stack(table, row, "name", frames, 2);
	assert_ptr_equal(table_get(table, row, "name")->stack.frames, frames);
	assert_int_equal(table_get(table, row, "name")->stack.count, 2);
	table_set_text(table, row, "name", NULL);
	assert_int_equal(table_get(table, row, "name")->type, VALUE_NULL);
	report_free(report);
}

static void test_sorting_is_stable_with_nulls_last(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	static const char *const sorted[] = { "c", "a", "e", "b", "d" };
	struct report *report = report_new();
	struct table *table = add(report);

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		table_set_text(table, table_add_row(table), "name", names[i]);
	table_set_u64(table, 0, "size_bytes", 7);
	table_set_u64(table, 2, "size_bytes", 1ull << 40);
	table_set_u64(table, 4, "size_bytes", 7);
	table_set_f64(table, 1, "share_pct", 1);
	table_sort_descending(table, "size_bytes");
	for (unsigned i = 0; i < 5; i++)
		assert_string_equal(table_get(table, i, "name")->text, sorted[i]);
	assert_int_equal(table_find_text(table, "name", "e"), 2);
	assert_true(table_find_text(table, "name", "z") == SIZE_MAX);
	table_add_row(table);
	assert_int_equal(table_get(table, 5, "size_bytes")->type, VALUE_NULL);
	report_free(report);
}

static void test_lookups(void **state)
{
	struct report *report = report_new();
	struct table *table = add(report);

	(void)state;
	assert_ptr_equal(report_find_table(report, "things"), table);
	assert_null(report_find_table(report, "thing"));
	report_free(report);
	report_free(NULL);
}

static void check_units(const char *unit, double number, const char *text)
{
	struct value value = { .type = VALUE_F64, .f64 = number };
	char buffer[UNITS_BYTES];

	assert_string_equal(units_value(buffer, &value, unit), text);
}

static void test_units(void **state)
{
	struct value null = { 0 };
	char buffer[UNITS_BYTES];

	(void)state;
	check_units("bytes", 0, "0 B");
	check_units("bytes", 1023, "1023 B");
	check_units("bytes", 1024, "1.00 KiB");
	check_units("bytes", 1048575, "1.00 MiB");
	check_units("bytes", 1170.0 * (1 << 20), "1.14 GiB");
	check_units("ns", 0, "0 s");
	check_units("ns", 850, "850 ns");
	check_units("ns", 999999, "1.00 ms");
	check_units("ns", 12.34e6, "12.3 ms");
	check_units("ns", 725e9, "12 m 05 s");
	check_units("count", 39082, "39,082");
	check_units("count", 999, "999");
	check_units("count", 1000, "1,000");
	check_units("count", 9999999, "9,999,999");
	check_units("count", 123456789, "123 M");
	check_units("count", 45.25, "45.2");
	check_units("count", -1234, "-1,234");
	check_units("pct", 99.27, "99.3%");
	check_units("per_s", 611.4, "611");
	check_units("per_s", 18.64, "18.6");
	assert_string_equal(units_value(buffer, &null, "bytes"), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_rows_are_null),
		cmocka_unit_test(test_texts_are_copied_and_stacks_are_not),
		cmocka_unit_test(test_sorting_is_stable_with_nulls_last),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_units),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
