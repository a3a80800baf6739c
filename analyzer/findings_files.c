/* SPDX-License-Identifier: MIT */
/*
 * Findings about files: tiny reads that cost time, a model that was read instead of mapped, a load
 * that happened twice.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "units.h"

#define SMALL_READS_MIN 10000u
#define SMALL_READS_MIN_NS 20000000u
#define SMALL_READS_LOAD_SHARE 10u	/* of the load: a tenth */
#define MODEL_MIN_BYTES (64u << 20)
#define DRY_RUN_MIN_NS 200000000u
#define DRY_RUN_LOAD_SHARE 5u		/* of the real load: a fifth */

static const char *path_of(const struct findings *findings, uint32_t file)
{
	return fd_model_file(findings->context->model->fds, file)->path;
}

static void small_reads(struct findings *findings)
{
	uint64_t load_ns = findings_phase_ns(findings, PHASE_LOAD) +
			   findings_phase_ns(findings, PHASE_LOAD_DRY);
	char took[UNITS_BYTES], count[UNITS_BYTES], bytes[UNITS_BYTES];

	for (uint32_t i = 0; i < findings->small_capacity; i++) {
		const struct small_reads *small = &findings->small[i];

		if (small->call_count < SMALL_READS_MIN ||
		    small->duration_ns < SMALL_READS_MIN_NS ||
		    small->duration_ns < load_ns / SMALL_READS_LOAD_SHARE)
			continue;
		findings_add(findings,
			     &(struct finding_text){
				     .id = "tiny_reads",
				     .severity = SEVERITY_LOW,
				     .advice = "read larger pieces, or map the file: each call "
					       "costs more than the "
					       "bytes that it brings",
				     .table = "io_by_file",
				     .saving_ns = small->duration_ns,
				     .row = findings_row_of(findings, "io_by_file", "path",
							    path_of(findings, i)) },
			     "%s read calls of %.3g bytes on average took %s (%s of %s)",
			     units_count(count, (double)small->call_count),
			     (double)small->bytes / (double)small->call_count,
			     units_ns(took, (double)small->duration_ns),
			     units_bytes(bytes, (double)small->bytes), path_of(findings, i));
	}
}

static bool number_at(const struct findings *findings, size_t row, const char *column,
		      double *number)
{
	return findings_number(findings, "io_by_file", row, column, number);
}

/* For a GPU reading is right: the weights leave host memory anyway. */
static void model_was_read(struct findings *findings)
{
	const struct table *files = report_find_table(findings->report, "io_by_file");
	uint64_t load_ns = findings_phase_ns(findings, PHASE_LOAD);
	double read, mapped, size, took_ns;
	char bytes[UNITS_BYTES], took[UNITS_BYTES], advice[256];

	for (size_t row = 0; files && !findings->engine.has_gpu && row < table_row_count(files);
	     row++) {
		if (!load_ns || !number_at(findings, row, "read_bytes", &read) ||
		    !number_at(findings, row, "mapped_bytes", &mapped) ||
		    !number_at(findings, row, "file_bytes", &size) ||
		    !number_at(findings, row, "read_ns", &took_ns) ||
		    size < MODEL_MIN_BYTES || mapped > 0 || read < size * 0.9)
			continue;
		snprintf(advice, sizeof(advice),
			 "to share the pages of the file with the page cache "
			 "and with other processes: %s",
			 engine_flag(&findings->engine, ENGINE_FLAG_MMAP));
		findings_add(findings,
			     &(struct finding_text){ .id = "model_read",
						     .severity = SEVERITY_INFO,
						     .phase = "load",
						     .advice = advice,
						     .table = "io_by_file",
						     .row = row },
			     "the model was read (%s in %s), not mapped: its weights are private "
			     "memory of "
			     "this process",
			     units_bytes(bytes, read), units_ns(took, took_ns));
	}
}

static void model_was_read_twice(struct findings *findings)
{
	const struct table *files = report_find_table(findings->report, "io_by_file");
	double again, size;
	char bytes[UNITS_BYTES];

	for (size_t row = 0; files && row < table_row_count(files); row++) {
		if (!number_at(findings, row, "reread_bytes", &again) ||
		    !number_at(findings, row, "file_bytes", &size) ||
		    size < MODEL_MIN_BYTES || again < size / 2)
			continue;
		findings_add(findings, &(struct finding_text){
			.id = "read_again", .severity = SEVERITY_MEDIUM,
			.advice = "io_by_stack tells who reads it: keep what was read",
			.table = "io_by_file", .row = row },
			"%s of %s were read more than once", units_bytes(bytes, again),
			table_get(files, row, "path")->text);
	}
}

static void costly_dry_run(struct findings *findings)
{
	uint64_t dry_ns = findings_phase_ns(findings, PHASE_LOAD_DRY) +
			  findings_phase_ns(findings, PHASE_CONTEXT_DRY);
	uint64_t load_ns = findings_phase_ns(findings, PHASE_LOAD);
	char dry[UNITS_BYTES], load[UNITS_BYTES], advice[256];

	if (dry_ns < DRY_RUN_MIN_NS || dry_ns < load_ns / DRY_RUN_LOAD_SHARE)
		return;
	snprintf(advice, sizeof(advice), "it measures what fits into memory; without it: %s",
		 engine_flag(&findings->engine, ENGINE_FLAG_NO_FIT));
	findings_add(findings, &(struct finding_text){
		.id = "dry_run", .severity = SEVERITY_LOW, .phase = "load (dry run)",
		.advice = advice, .table = "phases", .saving_ns = dry_ns,
		.row = findings_row_of(findings, "phases", "phase", "load (dry run)") },
		"the model was loaded twice: a dry run took %s, the load itself %s",
		units_ns(dry, (double)dry_ns), units_ns(load, (double)load_ns));
}

static bool is_mapped_twice(const struct findings *findings, size_t row, double *opens)
{
	double mapped, size;

	return number_at(findings, row, "mapped_bytes", &mapped) &&
	       number_at(findings, row, "file_bytes", &size) && size >= MODEL_MIN_BYTES &&
	       mapped >= 1.9 * size && number_at(findings, row, "open_count", opens);
}

static void model_was_mapped_twice(struct findings *findings)
{
	const struct table *files = report_find_table(findings->report, "io_by_file");
	double opens;

	for (size_t row = 0; files && row < table_row_count(files); row++) {
		if (!is_mapped_twice(findings, row, &opens))
			continue;
		findings_add(findings, &(struct finding_text){
			.id = "mapped_again", .severity = SEVERITY_LOW,
			.advice = "the rows of maps tell who maps it: one mapping can serve both",
			.table = "io_by_file", .row = row },
			"%s was opened %.0f times and mapped more than once",
			table_get(files, row, "path")->text, opens);
	}
}

void findings_of_files(struct findings *findings)
{
	small_reads(findings);
	model_was_read(findings);
	model_was_read_twice(findings);
	model_was_mapped_twice(findings);
	costly_dry_run(findings);
}
