/* SPDX-License-Identifier: MIT */
/*
 * Findings about page faults: a model that came from storage fault by fault, one that does not stay
 * in memory while tokens are made, large memory in small pages. What a finding costs is the time in
 * which at least one thread was held up: threads wait side by side.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze_faults.h"
#include "findings.h"
#include "units.h"

#define LOST_SHARE_MAX 0.1		/* above it nothing is ranked */
#define LARGE_BYTES (64u << 20)
#define COLD_SLOW_MIN 100u
#define COLD_MIN_NS 100000000u
#define PHASE_SHARE 0.05		/* of the phase with the most stall */
#define TOKENS_MIN 4u
#define TOKEN_FAULTS_MIN 100u
#define REREAD_FACTOR 1.1		/* more than the file was read */
#define SMALL_PAGE_FAULTS_MIN 1000u
#define SMALL_PAGE_MIN_NS 50000000u

/* What is known of a row of maps. */
struct waited {
	size_t row;
	const char *mapping;
	double length_bytes, map_count, fault_count, major_count, slow_count, stall_ns, huge_bytes;
	double wait_ns;			/* in which at least one thread was held up */
	bool is_file, is_random;
};

static bool has_word(const struct table *maps, size_t row, const char *column, const char *word)
{
	const struct value *value = table_get(maps, row, column);

	return value->type == VALUE_TEXT && strstr(value->text, word);
}

static bool look_at(const struct findings *findings, size_t row, struct waited *ret_waited)
{
	const struct table *maps = report_find_table(findings->report, "maps");
	const struct value *mapping = table_get(maps, row, "mapping");

	*ret_waited = (struct waited){ .row = row };
	if (mapping->type != VALUE_TEXT ||
	    !findings_number(findings, "maps", row, "length_bytes", &ret_waited->length_bytes) ||
	    !findings_number(findings, "maps", row, "map_count", &ret_waited->map_count) ||
	    !findings_number(findings, "maps", row, "fault_count", &ret_waited->fault_count) ||
	    !findings_number(findings, "maps", row, "major_count", &ret_waited->major_count) ||
	    !findings_number(findings, "maps", row, "slow_count", &ret_waited->slow_count) ||
	    !findings_number(findings, "maps", row, "fault_stall_ns", &ret_waited->stall_ns) ||
	    !findings_number(findings, "maps", row, "fault_wait_ns", &ret_waited->wait_ns) ||
	    !findings_number(findings, "maps", row, "huge_bytes", &ret_waited->huge_bytes))
		return false;
	ret_waited->mapping = mapping->text;
	/* libraries come fault by fault, and nobody can ask for something else */
	ret_waited->is_file = mapping->text[0] == '/' && !has_word(maps, row, "prot", "x");
	ret_waited->is_random = has_word(maps, row, "advice", "random");
	return ret_waited->length_bytes >= LARGE_BYTES;
}

/* The phase in which the process waited most; rows of marks lie over others. */
static const struct phase_row *worst_phase(const struct findings *findings)
{
	const struct analysis_context *context = findings->context;
	const struct phase_row *worst = NULL;

	for (size_t i = 0; i < context->phase_count; i++) {
		const struct phase_row *row = &context->phases[i];

		if (row->kind != PHASE_MARK &&
		    (!worst || row->counters.fault_stall_ns > worst->counters.fault_stall_ns))
			worst = row;
	}
	return worst;
}

static bool is_long(const struct waited *waited, const struct phase_row *phase)
{
	return phase && waited->stall_ns >= PHASE_SHARE * (double)phase->duration_ns;
}

/* ---- a model that came fault by fault ---- */

static void add_cold(struct findings *findings, const struct waited *waited,
		     const struct phase_row *phase)
{
	char slow[UNITS_BYTES], all[UNITS_BYTES], major[UNITS_BYTES], stall[UNITS_BYTES];
	char advice[512];
	const struct engine *engine = &findings->engine;

	if (waited->is_random)
		snprintf(advice, sizeof(advice), "with MADV_RANDOM each fault brings one page of "
			 "4 KiB: %s; or read the file first: %s",
			 engine_flag(engine, ENGINE_FLAG_NO_RANDOM),
			 engine_flag(engine, ENGINE_FLAG_NO_MMAP));
	else
		snprintf(advice, sizeof(advice), "read the file in large pieces before it is used: "
			 "%s, or MADV_POPULATE_READ; a second run finds it in the page cache",
			 engine_flag(engine, ENGINE_FLAG_NO_MMAP));
	findings_add(findings, &(struct finding_text){
		.id = waited->is_random ? "random_faults" : "cold_faults",
		.severity = waited->is_random ? SEVERITY_HIGH : SEVERITY_MEDIUM,
		.phase = phase->name, .advice = advice, .table = "maps", .row = waited->row,
		.saving_ns = (uint64_t)waited->wait_ns },
		"%s page faults on %s took %s%s: %s of them were major and %s slow, as those are "
		"that wait for storage", units_count(all, waited->fault_count), waited->mapping,
		units_ns(stall, waited->stall_ns),
		waited->is_random ? ", with MADV_RANDOM in force" : "",
		units_count(major, waited->major_count), units_count(slow, waited->slow_count));
}

static bool is_cold(const struct waited *waited, const struct phase_row *phase)
{
	return waited->is_file &&
	       (waited->slow_count >= COLD_SLOW_MIN || waited->major_count >= COLD_SLOW_MIN) &&
	       waited->stall_ns >= COLD_MIN_NS && is_long(waited, phase);
}

/* ---- a model that does not stay ---- */

/* What faults on this mapping cost while single tokens were decoded. */
static struct fault_group during_tokens(const struct findings *findings, const char *mapping)
{
	const struct model *model = findings->context->model;
	struct fault_group sum = { 0 };

	for (uint32_t i = 0; i < model->maps.group_count; i++) {
		struct fault_group group = fault_model_group(&model->faults, i);

		if (!group.token_count ||
		    strcmp(model_map_name(model, &model->maps.groups[i]), mapping))
			continue;
		sum.token_count += group.token_count;
		sum.token_stall_ns += group.token_stall_ns;
		sum.token_wait_ns += group.token_wait_ns;
	}
	return sum;
}

static const char *memory_text(const struct findings *findings, double length_bytes, char *buffer,
			       size_t bytes)
{
	const char *meta = trace_meta(findings->context->trace, "memory_bytes");
	double memory = meta ? strtod(meta, NULL) : 0;
	char text[UNITS_BYTES];

	buffer[0] = '\0';
	if (memory > 0 && length_bytes > memory)
		snprintf(buffer, bytes, "; the machine has %s of memory",
			 units_bytes(text, memory));
	return buffer;
}

static void add_evicted(struct findings *findings, const struct waited *waited,
			const struct fault_group *during, double per_token)
{
	size_t row = findings_row_of(findings, "tokens", "metric", "storage_bytes");
	char each[UNITS_BYTES], count[UNITS_BYTES], stall[UNITS_BYTES], length[UNITS_BYTES];
	char advice[512], memory[96];

	snprintf(advice, sizeof(advice), "the file does not stay in memory: free memory, take a "
		 "smaller quantization, or hold it there with %s",
		 engine_flag(&findings->engine, ENGINE_FLAG_MLOCK));
	findings_add(findings, &(struct finding_text){
		.id = "model_read_again", .severity = SEVERITY_HIGH, .phase = "generation",
		.advice = advice, .table = "tokens", .row = row, .also_table = "maps",
		.also_row = waited->row,
		.saving_ns = during->token_wait_ns },
		"each generated token read %s from storage, by page faults on %s (%s): %s of them "
		"took %s in all, and parts of it came more than once%s",
		units_bytes(each, per_token), waited->mapping,
		units_bytes(length, waited->length_bytes), units_count(count, waited->fault_count),
		units_ns(stall, waited->stall_ns),
		memory_text(findings, waited->length_bytes, memory, sizeof(memory)));
}

/* A file that was read once came cold; one that was read more often went in between. */
static bool is_evicted(const struct findings *findings, const struct waited *waited,
		       struct fault_group *ret_during, double *ret_per_token)
{
	size_t row = findings_row_of(findings, "tokens", "metric", "storage_bytes");
	uint64_t generation_ns = findings_phase_ns(findings, PHASE_GENERATION);
	uint64_t tokens = phase_rows_tokens(findings->context->phases,
					    findings->context->phase_count, PHASE_GENERATION);
	double storage;

	if (!waited->is_file || tokens < TOKENS_MIN ||
	    !findings_number(findings, "tokens", row, "per_generated_token", ret_per_token) ||
	    !findings_storage_bytes(findings, &storage) ||
	    storage < REREAD_FACTOR * waited->length_bytes || *ret_per_token < 4096)
		return false;
	*ret_during = during_tokens(findings, waited->mapping);
	return ret_during->token_count >= TOKEN_FAULTS_MIN &&
	       (double)ret_during->token_stall_ns >= PHASE_SHARE * (double)generation_ns;
}

/* ---- large memory in small pages ---- */

static const char *huge_advice(const struct findings *findings)
{
	const char *mode = trace_meta(findings->context->trace, "transparent_hugepage");

	if (mode && strstr(mode, "[madvise]"))
		return "huge pages are given where they are asked for: madvise(MADV_HUGEPAGE) on "
		       "this memory, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 for what malloc maps, "
		       "or `echo always > /sys/kernel/mm/transparent_hugepage/enabled`";
	if (mode && strstr(mode, "[never]"))
		return "huge pages are switched off: `echo madvise > "
		       "/sys/kernel/mm/transparent_hugepage/enabled` and madvise(MADV_HUGEPAGE) on "
		       "this memory, or `echo always`";
	return NULL;
}

/* Memory in pieces that hold no huge page, and what asked for them, is left alone. */
static bool may_be_huge(const struct findings *findings, const struct waited *waited)
{
	const struct table *maps = report_find_table(findings->report, "maps");

	return waited->mapping[0] == '[' && strncmp(waited->mapping, "[not", 4) &&
	       waited->length_bytes >= 2 * FAULT_HUGE_BYTES * waited->map_count &&
	       waited->huge_bytes < waited->length_bytes / 2 &&
	       (!has_word(maps, waited->row, "advice", "hugepage") ||
		has_word(maps, waited->row, "advice", "nohugepage"));
}

static void small_pages(struct findings *findings, const struct waited *waited,
			const struct phase_row *phase)
{
	const char *advice = huge_advice(findings);
	char count[UNITS_BYTES], length[UNITS_BYTES], stall[UNITS_BYTES], huge[UNITS_BYTES];

	if (!advice || !may_be_huge(findings, waited) ||
	    waited->fault_count < SMALL_PAGE_FAULTS_MIN ||
	    waited->stall_ns < SMALL_PAGE_MIN_NS || !is_long(waited, phase))
		return;
	findings_add(findings, &(struct finding_text){
		.id = "small_pages", .severity = SEVERITY_LOW, .phase = phase->name,
		.advice = advice, .table = "maps", .row = waited->row,
		.saving_ns = (uint64_t)waited->wait_ns },
		"%s page faults filled %s of %s memory, %s of it in huge pages; they took %s",
		units_count(count, waited->fault_count), units_bytes(length, waited->length_bytes),
		waited->mapping, units_bytes(huge, waited->huge_bytes),
		units_ns(stall, waited->stall_ns));
}

void findings_of_faults(struct findings *findings)
{
	const struct table *maps = report_find_table(findings->report, "maps");
	const struct phase_row *phase = worst_phase(findings);
	struct fault_group during;
	struct waited waited;
	double per_token;

	if (!faults_have_addresses(findings->context) ||
	    faults_lost_share(findings->context) > LOST_SHARE_MAX)
		return;
	for (size_t row = 0; maps && row < table_row_count(maps); row++) {
		if (!look_at(findings, row, &waited))
			continue;
		if (is_evicted(findings, &waited, &during, &per_token))
			add_evicted(findings, &waited, &during, per_token);
		else if (is_cold(&waited, phase))
			add_cold(findings, &waited, phase);
		else
			small_pages(findings, &waited, phase);
	}
}
