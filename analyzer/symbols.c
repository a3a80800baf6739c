/* SPDX-License-Identifier: MIT */
/*
 * Names of frames and stacks, each worked out once; see symbols.h. Files of modules are opened when
 * the first of their frames is asked for.
 */
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "hash_mix.h"
#include "report_alloc.h"
#include "report_hash.h"
#include "symbols_file.h"

#define DEFAULT_DEBUG_DIR "/usr/lib/debug"

/* Longer ones (of a name with its place) are cut. */
#define NAME_MAX_BYTES 8192u

struct module_names {
	struct symbol_file *file;
	bool is_tried;
};

struct stack_names {
	const char **names;
	uint32_t count;
	bool is_known;
};

struct symbols {
	const struct trace *trace;
	struct symbols_options options;
	struct module_names *modules;	/* by module id */
	struct symbol_frame *frames;	/* by frame id; count 0: not looked up yet */
	struct stack_names *stacks;	/* by stack id */
	struct arena arena;		/* whatever is handed out */
	struct key_index texts;		/* hash > index in names */
	const char **names;		/* each text once */
	size_t name_capacity;
};

static const struct symbol_function unknown_function = { .name = "?" };

struct symbols *symbols_new(const struct trace *trace, const struct symbols_options *options)
{
	struct symbols *symbols = report_alloc(1, sizeof(*symbols));

	symbols->trace = trace;
	if (options)
		symbols->options = *options;
	if (!symbols->options.debug_dir)
		symbols->options.debug_dir = DEFAULT_DEBUG_DIR;
	symbols->modules = report_alloc(trace_module_limit(trace), sizeof(*symbols->modules));
	symbols->frames = report_alloc(trace_frame_limit(trace), sizeof(*symbols->frames));
	symbols->stacks = report_alloc(trace_stack_limit(trace), sizeof(*symbols->stacks));
	return symbols;
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (uint32_t i = 0; i < trace_module_limit(symbols->trace); i++)
		symbol_file_close(symbols->modules[i].file);
	arena_release(&symbols->arena);
	key_index_release(&symbols->texts);
	free(symbols->names);
	free(symbols->modules);
	free(symbols->frames);
	free(symbols->stacks);
	free(symbols);
}

/* @return the one copy of a text: equal names are equal pointers. */
static const char *intern(struct symbols *symbols, const char *text)
{
	for (uint64_t hash = hash_text(text);; hash++) {
		uint32_t known_count = symbols->texts.count;
		uint32_t i = key_index_put(&symbols->texts, hash);

		if (i == known_count) {
			symbols->names = report_grow(symbols->names, &symbols->name_capacity,
						     i + 1, sizeof(*symbols->names));
			symbols->names[i] = arena_text(&symbols->arena, text);
			return symbols->names[i];
		}
		if (!strcmp(symbols->names[i], text))
			return symbols->names[i];
	}
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *symbols_module_name(struct symbols *symbols, uint32_t module)
{
	const struct trace_module *row = trace_module(symbols->trace, module);

	return row && row->path[0] ? last_part(row->path) : "?";
}

static struct symbol_file *module_file(struct symbols *symbols, uint32_t module)
{
	const struct trace_module *row = trace_module(symbols->trace, module);
	struct module_names *names;

	if (!row || symbols->options.is_disk_ignored)
		return NULL;
	names = &symbols->modules[module];
	if (!names->is_tried) {
		names->is_tried = true;
		names->file = symbol_file_open(row->path, row->build_id, row->build_id_bytes,
					       symbols->options.debug_dir,
					       symbols->options.has_lines);
	}
	return names->file;
}

static const char *with_line(struct symbols *symbols, const char *name,
			     const struct debug_function *from)
{
	char text[NAME_MAX_BYTES];

	if (!symbols->options.has_lines || !from->file || !from->line)
		return name;
	snprintf(text, sizeof(text), "%s at %s:%" PRIu32, name, last_part(from->file), from->line);
	return intern(symbols, text);
}

/* Symbol tables of libraries name versions: pthread_create@@GLIBC_2.34. */
static char *without_version(const char *name)
{
	size_t length = strcspn(name, "@");

	return strndup(name, length ? length : strlen(name));
}

static const char *readable(struct symbols *symbols, const char *name)
{
	char *plain = without_version(name), *text = plain ? demangle_name(plain) : NULL;
	const char *kept = intern(symbols, text ? text : "?");

	free(text);
	free(plain);
	return kept;
}

/* Functions by debug information. @return how many; 0 when there is none. */
static uint32_t from_debug(struct symbols *symbols, struct symbol_file *file, uint64_t offset,
			   struct symbol_function *functions)
{
	struct debug_function found[DEBUG_MAX_FUNCTIONS];
	unsigned count = symbol_file_functions(file, offset, found);

	for (unsigned i = 0; i < count; i++) {
		const char *name = readable(symbols, found[i].name);

		functions[i] = (struct symbol_function){
			.name = with_line(symbols, name, &found[i]),
			.file = found[i].file, .line = found[i].line,
			.is_inlined = i + 1 < count,
		};
	}
	return count;
}

static const char *nameless(struct symbols *symbols, struct trace_frame place)
{
	char text[NAME_MAX_BYTES];

	if (place.module)
		snprintf(text, sizeof(text), "%s+0x%" PRIx64,
			 symbols_module_name(symbols, place.module), place.offset);
	else
		snprintf(text, sizeof(text), "0x%" PRIx64, place.offset);
	return intern(symbols, text);
}

/* at: what is looked up; shown: what stands in the name when nothing is found. */
static struct symbol_frame look_up(struct symbols *symbols, struct trace_frame at,
				   struct trace_frame shown)
{
	struct symbol_function functions[DEBUG_MAX_FUNCTIONS], *kept;
	struct symbol_file *file = module_file(symbols, at.module);
	const struct trace_symbol *symbol;
	const char *name = NULL;
	uint32_t count = 0;

	if (file) {
		count = from_debug(symbols, file, at.offset, functions);
		if (!count)
			name = symbol_file_name(file, at.offset);
	}
	if (!count) {
		symbol = name ? NULL : trace_symbol_at(symbols->trace, at);
		if (symbol)
			name = symbol->name;
		name = name ? readable(symbols, name) : nameless(symbols, shown);
		functions[0] = (struct symbol_function){ .name = name };
		count = 1;
	}
	kept = arena_alloc(&symbols->arena, count * sizeof(*kept));
	memcpy(kept, functions, count * sizeof(*kept));
	return (struct symbol_frame){ kept, count };
}

struct symbol_frame symbols_frame(struct symbols *symbols, uint32_t frame)
{
	struct symbol_frame *known;

	if (frame >= trace_frame_limit(symbols->trace))
		return (struct symbol_frame){ &unknown_function, 1 };
	known = &symbols->frames[frame];
	if (!known->count) {
		struct trace_frame place = trace_frame(symbols->trace, frame), at = place;

		at.offset -= at.offset != 0;
		*known = look_up(symbols, at, place);
	}
	return *known;
}

static void name_stack(struct symbols *symbols, struct trace_stack stack, struct stack_names *names)
{
	uint32_t count = 0;

	names->is_known = true;
	for (uint32_t i = 0; i < stack.count; i++)
		count += symbols_frame(symbols, stack.frames[i]).count;
	names->names = arena_alloc(&symbols->arena, (count + 1u) * sizeof(*names->names));
	for (uint32_t i = 0; i < stack.count; i++) {
		struct symbol_frame frame = symbols_frame(symbols, stack.frames[i]);

		for (uint32_t j = 0; j < frame.count; j++)
			names->names[names->count++] = frame.functions[j].name;
	}
}

const char *const *symbols_stack(struct symbols *symbols, uint32_t stack, uint32_t *ret_count)
{
	struct stack_names *names;

	*ret_count = 0;
	if (stack >= trace_stack_limit(symbols->trace))
		return NULL;
	names = &symbols->stacks[stack];
	if (!names->is_known)
		name_stack(symbols, trace_stack(symbols->trace, stack), names);
	*ret_count = names->count;
	return names->names;
}

const char *symbols_address(struct symbols *symbols, uint64_t addr, uint64_t time_ns)
{
	struct trace_frame place = trace_frame_of_address(symbols->trace, addr, time_ns);
	struct symbol_frame frame = look_up(symbols, place, place);

	return frame.functions[frame.count - 1].name;
}
