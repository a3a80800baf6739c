/* SPDX-License-Identifier: MIT */
/*
 * What the file of a module, and its separate debug file, say of addresses: symbols and debug
 * information. Addresses are in the file's own numbering. Only files whose build id is the wanted
 * one are opened. One thread; reads files, never the network.
 */
#ifndef LLMTRACE_ANALYZER_SYMBOLS_FILE_H
#define LLMTRACE_ANALYZER_SYMBOLS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol_file;

/* A function of debug information. Strings live as long as the file. */
struct debug_function {
	const char *name;
	bool is_mangled;
	const char *file;		/* NULL when not known */
	uint32_t line;
};

#define DEBUG_MAX_FUNCTIONS 64

/*
 * is_separate_used: whether functions come from the debug information of a separate debug file,
 * too. Its symbols are read in any case.
 * @return NULL when neither the file nor a debug file with that build id is there.
 */
struct symbol_file *symbol_file_open(const char *path, const uint8_t *build_id,
				     size_t build_id_bytes, const char *debug_dir,
				     bool is_separate_used);
void symbol_file_close(struct symbol_file *file);

/* @return the name (mangled) of the symbol whose range holds the offset, NULL when none does. */
const char *symbol_file_name(struct symbol_file *file, uint64_t offset);

/*
 * Functions at an offset by debug information, innermost inlined one first.
 * @return how many of DEBUG_MAX_FUNCTIONS were filled in, 0 when there is none.
 */
unsigned symbol_file_functions(struct symbol_file *file, uint64_t offset,
			       struct debug_function *ret_functions);

#endif
