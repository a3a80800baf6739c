/* SPDX-License-Identifier: MIT */
/*
 * Names of frames and stacks, each worked out once; see symbols.h. Files of modules are opened when
 * the first of their frames is asked for.
 */
#define _GNU_SOURCE 1		/* asprintf */
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "demangle.h"
#include "symbols_file.h"

#define DEFAULT_DEBUG_DIR "/usr/lib/debug"

struct module_names {
	struct symbol_file *file;
	bool is_tried;
};

struct stack_names {
	const char **names;
	uint32_t count;
	bool is_known;
};

/* Whatever was handed out: released at the end. */
struct owned {
	void *pointer;
};

struct symbols {
	const struct trace *trace;
	struct symbols_options options;
	struct module_names *modules;	/* by module id */
	struct symbol_frame *frames;	/* by frame id; count 0: not looked up yet */
	struct stack_names *stacks;	/* by stack id */
	struct owned *owned;
	size_t owned_count, owned_capacity;
};

static const struct symbol_function unknown_function = { .name = "?" };

static void *own(struct symbols *symbols, void *pointer)
{
	if (!pointer || !grow((void **)&symbols->owned, symbols->owned_count,
			      &symbols->owned_capacity, sizeof(*symbols->owned))) {
		free(pointer);
		return NULL;
	}
	symbols->owned[symbols->owned_count++].pointer = pointer;
	return pointer;
}

struct symbols *symbols_new(const struct trace *trace, const struct symbols_options *options)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));

	if (!symbols)
		return NULL;
	symbols->trace = trace;
	if (options)
		symbols->options = *options;
	if (!symbols->options.debug_dir)
		symbols->options.debug_dir = DEFAULT_DEBUG_DIR;
	symbols->modules = calloc(trace_module_limit(trace) + 1u, sizeof(*symbols->modules));
	symbols->frames = calloc(trace_frame_limit(trace) + 1u, sizeof(*symbols->frames));
	symbols->stacks = calloc(trace_stack_limit(trace) + 1u, sizeof(*symbols->stacks));
	if (symbols->modules && symbols->frames && symbols->stacks)
		return symbols;
	symbols_free(symbols);
	return NULL;
}

void symbols_free(struct symbols *symbols)
{
	if (!symbols)
		return;
	for (uint32_t i = 0; symbols->modules && i < trace_module_limit(symbols->trace); i++)
		symbol_file_close(symbols->modules[i].file);
	for (size_t i = 0; i < symbols->owned_count; i++)
		free(symbols->owned[i].pointer);
	free(symbols->owned);
	free(symbols->modules);
	free(symbols->frames);
	free(symbols->stacks);
	free(symbols);
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
					       symbols->options.debug_dir);
	}
	return names->file;
}

static const char *with_line(struct symbols *symbols, const char *name,
			     const struct debug_function *from)
{
	char *text;

	if (!symbols->options.has_lines || !from->file || !from->line ||
	    asprintf(&text, "%s at %s:%" PRIu32, name, last_part(from->file), from->line) < 0)
		return name;
	return own(symbols, text) ? text : name;
}

static const char *readable(struct symbols *symbols, const char *name)
{
	char *text = own(symbols, demangle_name(name));

	return text ? text : "?";
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
	char *text;
	int length;

	if (place.module)
		length = asprintf(&text, "%s+0x%" PRIx64,
				  symbols_module_name(symbols, place.module), place.offset);
	else
		length = asprintf(&text, "0x%" PRIx64, place.offset);
	if (length < 0 || !own(symbols, text))
		return "?";
	return text;
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
	kept = own(symbols, malloc(count * sizeof(*kept)));
	if (!kept)
		return (struct symbol_frame){ &unknown_function, 1 };
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
	names->names = own(symbols, malloc((count + 1u) * sizeof(*names->names)));
	if (!names->names)
		return;
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
