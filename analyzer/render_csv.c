/* SPDX-License-Identifier: MIT */
/*
 * The report as CSV (RFC 4180 with plain line feeds): one file for each table, column ids in the
 * first line, exact numbers, empty cells for what was not measured. Frames of a stack are joined by
 * " < ", leaf first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plain_text.h"
#include "render.h"

static void put_characters(FILE *out, const char *text)
{
	while (*text) {
		bool is_plain;
		size_t length = plain_next(text, &is_plain);

		for (size_t i = 0; i < length && !is_plain; i++)
			fprintf(out, "\\x%02x", (unsigned char)text[i]);
		if (*text == '"')
			fputc('"', out);
		if (is_plain)
			fwrite(text, 1, length, out);
		text += length;
	}
}

/*
 * A spreadsheet takes a cell that begins so for a formula; with a quote in front it is text. What
 * is not plain text becomes \xHH.
 */
static void put_text(FILE *out, const char *text)
{
	const char *front = *text && strchr("=+-@", *text) && text[1] ? "'" : "";
	const char *quote = text[strcspn(text, ",\"")] ? "\"" : "";

	fprintf(out, "%s%s", quote, front);
	put_characters(out, text);
	fputs(quote, out);
}

static void put_stack(FILE *out, const struct value *value)
{
	char *joined;
	size_t bytes;
	FILE *text = open_memstream(&joined, &bytes);

	for (uint32_t i = 0; i < value->stack.count; i++)
		fprintf(text, "%s%s", i ? " < " : "", value->stack.frames[i]);
	fclose(text);
	put_text(out, joined);
	free(joined);
}

static void put_value(FILE *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: return;
	case VALUE_U64: fprintf(out, "%" PRIu64, value->u64); return;
	case VALUE_I64: fprintf(out, "%" PRId64, value->i64); return;
	case VALUE_F64: fprintf(out, "%.12g", value->f64); return;
	case VALUE_BOOL: fputs(value->is_true ? "true" : "false", out); return;
	case VALUE_TEXT: put_text(out, value->text); return;
	case VALUE_STACK: put_stack(out, value); return;
	}
}

static void put_table(FILE *out, const struct table *table, const struct render_options *options)
{
	size_t count = render_row_count(table, options, 0);

	for (unsigned i = 0; i < table->column_count; i++)
		fprintf(out, "%s%s", i ? "," : "", table->columns[i].id);
	fputc('\n', out);
	for (size_t row = 0; row < count; row++)
		for (unsigned i = 0; i < table->column_count; i++) {
			put_value(out, table_value(table, row, i));
			fputc(i + 1 < table->column_count ? ',' : '\n', out);
		}
}

static void put_findings(FILE *out, const struct report *report)
{
	fputs("id,severity,phase,statement,advice,saving_ns\n", out);
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct finding *finding = &report->findings[i].finding;

		fprintf(out, "%s,%s,", finding->id, severity_name(finding->severity));
		put_text(out, finding->phase ? finding->phase : "");
		fputc(',', out);
		put_text(out, finding->statement);
		fputc(',', out);
		put_text(out, finding->advice ? finding->advice : "");
		if (finding->is_saving_known)
			fprintf(out, ",%" PRIu64 "\n", finding->saving_ns);
		else
			fputs(",\n", out);
	}
}

static void put_coverage(FILE *out, const struct report *report)
{
	fputs("subject,seen,total,means,note\n", out);
	for (size_t i = 0; i < report->coverage_count; i++) {
		const struct coverage *line = &report->coverage[i];

		put_text(out, line->subject);
		fputc(',', out);
		if (!line->is_unmeasured)
			fprintf(out, "%" PRIu64, line->seen);
		fputc(',', out);
		if (line->is_total_known)
			fprintf(out, "%" PRIu64, line->total);
		fputc(',', out);
		put_text(out, line->means);
		fputc(',', out);
		put_text(out, line->note ? line->note : "");
		fputc('\n', out);
	}
}

/* A file that is there already may be open to all, or be no file at all. */
static FILE *open_private(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat status;
	FILE *out = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
		errno = EEXIST;
	else if (fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0)
		out = fdopen(fd, "w");
	if (!out)
		close(fd);
	return out;
}

/* table NULL: the findings or the coverage, by id. */
static int write_file(const struct report *report, const struct table *table, const char *id,
		      const struct render_options *options, const char *directory,
		      struct error *ret_error)
{
	char path[4096];
	bool is_bad;
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s.csv", directory, id);
	out = open_private(path);
	if (!out)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: cannot write it: %s", path,
				 strerror(errno));
	if (table)
		put_table(out, table, options);
	else if (!strcmp(id, "findings"))
		put_findings(out, report);
	else
		put_coverage(out, report);
	is_bad = ferror(out);
	if (fclose(out) || is_bad)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: cannot write it: %s", path,
				 strerror(errno));
	return 0;
}

int render_csv(const struct report *report, const struct render_options *options,
	       const char *directory, struct error *ret_error)
{
	static const char *const others[] = { "findings", "coverage" };
	int status = 0;

	if (mkdir(directory, 0700) && errno != EEXIST)
		return error_set(ret_error, EXIT_UNUSABLE, "%s: cannot make the directory: %s",
				 directory, strerror(errno));
	for (size_t i = 0; i < report->table_count && !status; i++)
		if (render_has_section(options, report->tables[i]->id))
			status = write_file(report, report->tables[i], report->tables[i]->id,
					    options, directory, ret_error);
	for (size_t i = 0; i < 2 && !status; i++)
		if (render_has_section(options, others[i]))
			status = write_file(report, NULL, others[i], options, directory, ret_error);
	return status;
}
