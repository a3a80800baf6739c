/* SPDX-License-Identifier: MIT */
/*
 * The dump, for eyes, grep and tests. One event is one line:
 *
 *	TIME_NS TID NAME aux=NAME field=value ... stack=[leaf < caller < ...]
 *
 * TIME_NS counts from the start of the recording. aux is left out for events that have none. Fields
 * come in the order of the event table and never are left out: addresses in hex, sizes, counts and
 * durations in decimal (the unit is in the field's name), strings quoted with C escapes ("" for
 * none), prot and flags by name joined with '|', errno by name (0 for success), fields of several
 * elements as {a,b,...}. stack is left out for events that have none. Values hold no blank, but for
 * strings and stacks.
 *
 * With definitions, lines that begin with "# " come first: facts, modules, streams, strings, stacks
 * and symbols, each with its id. Damage is told in "# damage" lines at the end.
 */
#include "dump.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dump_value.h"

struct dump {
	struct trace *trace;
	struct symbols *symbols;
	FILE *out;
	const struct dump_options *options;
};

static void put_stack(const struct dump *dump, uint32_t stack)
{
	uint32_t count;
	const char *const *names = symbols_stack(dump->symbols, stack, &count);

	fputs(" stack=[", dump->out);
	for (uint32_t i = 0; i < count; i++) {
		fputs(i ? " < " : "", dump->out);
		dump_name(dump->out, names[i]);
	}
	if (trace_stack(dump->trace, stack).is_truncated)
		fputs(" < ...", dump->out);
	fputc(']', dump->out);
}

static void put_field(const struct dump *dump, const struct lt_record *record,
		      const struct lt_field_info *field)
{
	fprintf(dump->out, " %s=", field->name);
	if (field->count > 1)
		fputc('{', dump->out);
	for (unsigned i = 0; i < field->count; i++) {
		if (i)
			fputc(',', dump->out);
		dump_value(dump->out, dump->trace, record, field, i);
	}
	if (field->count > 1)
		fputc('}', dump->out);
}

static void put_event(const struct dump *dump, const struct lt_record *record, uint32_t tid)
{
	const struct lt_event_info *info = dump_event_info(LT_STATE_KIND(record->state));
	const char *aux = trace_aux_name(dump->trace, record);
	unsigned aux_value = LT_STATE_AUX(record->state);

	fprintf(dump->out, "%" PRId64 " %" PRIu32 " %s",
		(int64_t)(record->time - trace_facts(dump->trace)->start_ns), tid, info->name);
	if (aux) {
		fputs(" aux=", dump->out);
		dump_name(dump->out, aux);
	} else if (aux_value) {
		fprintf(dump->out, " aux=%u", aux_value);
	}
	for (unsigned i = 0; i < info->field_count; i++)
		put_field(dump, record, &info->fields[i]);
	if (record->stack && !dump->options->is_stacks_left_out)
		put_stack(dump, record->stack);
	fputc('\n', dump->out);
}

static void put_modules(const struct dump *dump)
{
	for (uint32_t id = 1; id < trace_module_limit(dump->trace); id++) {
		const struct trace_module *module = trace_module(dump->trace, id);

		if (!module)
			continue;
		fprintf(dump->out,
			"# module %" PRIu32 " 0x%" PRIx64 "-0x%" PRIx64 " bias=0x%" PRIx64
			" build_id=",
			id, module->start_addr, module->end_addr, module->load_bias);
		for (size_t i = 0; i < module->build_id_bytes; i++)
			fprintf(dump->out, "%02x", module->build_id[i]);
		fputs(" path=", dump->out);
		dump_text(dump->out, module->path, strlen(module->path));
		fputc('\n', dump->out);
	}
}

static void put_streams_and_strings(const struct dump *dump)
{
	for (uint32_t id = 1; id < trace_stream_limit(dump->trace); id++) {
		const struct trace_stream *stream = trace_stream(dump->trace, id);

		if (stream)
			fprintf(dump->out,
				"# stream %" PRIu32 " tid=%" PRIu32 " events=%" PRIu64 "\n", id,
				stream->tid, stream->event_count);
	}
	for (uint32_t id = 1; id < trace_string_limit(dump->trace); id++) {
		const char *text = trace_string(dump->trace, id);

		if (!text)
			continue;
		fprintf(dump->out, "# string %" PRIu32 " ", id);
		dump_text(dump->out, text, trace_string_bytes(dump->trace, id));
		fputc('\n', dump->out);
	}
}

static void put_symbols(const struct dump *dump)
{
	size_t count;
	const struct trace_symbol *symbols = trace_symbols(dump->trace, &count);

	for (size_t i = 0; i < count; i++) {
		fprintf(dump->out, "# symbol module=%" PRIu32 " 0x%" PRIx64 "+%" PRIu64 " ",
			symbols[i].module, symbols[i].start_offset, symbols[i].size_bytes);
		dump_name(dump->out, symbols[i].name);
		fputc('\n', dump->out);
	}
}

static void put_stacks(const struct dump *dump)
{
	for (uint32_t id = 1; id < trace_stack_limit(dump->trace); id++) {
		struct trace_stack stack = trace_stack(dump->trace, id);

		if (!stack.count)
			continue;
		fprintf(dump->out, "# stack %" PRIu32 "%s", id,
			stack.is_truncated ? " truncated" : "");
		for (uint32_t i = 0; i < stack.count; i++) {
			struct trace_frame frame = trace_frame(dump->trace, stack.frames[i]);

			fprintf(dump->out, " %" PRIu32 "+0x%" PRIx64, frame.module, frame.offset);
		}
		fputc('\n', dump->out);
	}
}

static void put_definitions(const struct dump *dump)
{
	const char *key, *value;

	for (size_t i = 0; trace_meta_at(dump->trace, i, &key, &value); i++) {
		fputs("# meta ", dump->out);
		dump_name(dump->out, key);
		fputc('=', dump->out);
		dump_text(dump->out, value, strlen(value));
		fputc('\n', dump->out);
	}
	put_modules(dump);
	put_streams_and_strings(dump);
	put_symbols(dump);
	put_stacks(dump);
}

static void put_damage(const struct dump *dump)
{
	const struct trace_facts *facts = trace_facts(dump->trace);

	for (size_t i = 0; i < facts->damage_count; i++) {
		const struct trace_damage *damage = &facts->damage[i];

		fprintf(dump->out, "# damage offset=%" PRIu64 " bytes=%" PRIu64 " events=%" PRIu64
			"%s: %s\n", damage->offset, damage->byte_count, damage->event_count,
			damage->is_estimated ? " (estimated)" : "", damage->reason);
	}
}

int dump_run(struct trace *trace, struct symbols *symbols, const struct dump_options *options,
	     FILE *out, struct error *ret_error)
{
	static const struct dump_options defaults;
	struct dump dump = { trace, symbols, out, options ? options : &defaults };
	struct trace_batch batch;

	if (dump.options->has_definitions)
		put_definitions(&dump);
	while (!ferror(out) && trace_next_batch(trace, &batch))
		for (size_t i = 0; i < batch.count; i++)
			put_event(&dump, batch.records[i], batch.tid);
	put_damage(&dump);
	if (fflush(out) != 0 || ferror(out))
		return error_set(ret_error, EXIT_UNUSABLE, "the dump cannot be written: %s",
				 strerror(errno));
	return trace_facts(trace)->is_damaged ? EXIT_DATA_MISSING : EXIT_FINE;
}
