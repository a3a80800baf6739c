/* SPDX-License-Identifier: MIT */
/*
 * Debug information of one file: which functions, inlined ones included, cover an address. Units
 * are found by a table of their ranges and searched once each, so that many addresses stay cheap.
 * One thread.
 */
#ifndef LLMTRACE_ANALYZER_SYMBOLS_DEBUG_H
#define LLMTRACE_ANALYZER_SYMBOLS_DEBUG_H

#include <libelf.h>

#include "symbols_file.h"

struct debug_info;

/* @return NULL when the ELF file has no debug information. The ELF handle must outlive it. */
struct debug_info *debug_info_new(Elf *elf);
void debug_info_free(struct debug_info *info);

/* As symbol_file_functions. */
unsigned debug_info_functions(struct debug_info *info, uint64_t offset,
			      struct debug_function *ret_functions);

#endif
