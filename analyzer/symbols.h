/* SPDX-License-Identifier: MIT */
/*
 * Names of frames: functions with those inlined into them, and source lines. Taken from the file on
 * disk (or its separate debug file) when its build id is the one of the traced module, else from
 * the names that stand in the trace, else `module+0x1234`. A name is never that of the nearest
 * function: the address lies inside the range of what is named. Everything is looked up once and
 * kept.
 *
 * One thread; the trace must outlive the symbols. Opens files, never the network.
 */
#ifndef LLMTRACE_ANALYZER_SYMBOLS_H
#define LLMTRACE_ANALYZER_SYMBOLS_H

#include "trace.h"

struct symbols;

struct symbols_options {
	bool is_disk_ignored;		/* names of the trace alone */
	bool has_lines;			/* names end in " at file.c:123" where that is known */
	const char *debug_dir;		/* root of separate debug files; NULL: /usr/lib/debug */
};

/* One function of a frame. */
struct symbol_function {
	const char *name;		/* demangled and trimmed */
	const char *file;		/* source file, NULL when not known */
	uint32_t line;			/* 0 when not known */
	bool is_inlined;		/* into the next one of the frame */
};

struct symbol_frame {
	const struct symbol_function *functions;	/* innermost first */
	uint32_t count;					/* at least 1 */
};

/* options: NULL for the defaults. @return never NULL. */
struct symbols *symbols_new(const struct trace *trace, const struct symbols_options *options);
void symbols_free(struct symbols *symbols);

/*
 * Functions at a frame of a stack. Frames of stacks are return addresses (the leaf too: it is where
 * the hooked function returns to), so the instruction before them is what is looked up. frame:
 * below trace_frame_limit().
 */
struct symbol_frame symbols_frame(struct symbols *symbols, uint32_t frame);

/*
 * Names of a stack, leaf first, inlined functions as frames of their own; fit for
 * table_set_stack(). Equal names are equal pointers, in all stacks.
 * @return an array that lives until symbols_free; ret_count is 0 for an unknown stack.
 */
const char *const *symbols_stack(struct symbols *symbols, uint32_t stack, uint32_t *ret_count);

/*
 * @return the name of the function that begins at or covers an address (a thread's start routine).
 */
const char *symbols_address(struct symbols *symbols, uint64_t addr, uint64_t time_ns);

/* @return the last part of a module's path, "?" for an unknown module. */
const char *symbols_module_name(struct symbols *symbols, uint32_t module);

#endif
