/* SPDX-License-Identifier: MIT */
/*
 * Names of the functions that appear in stacks, from the modules' own symbol tables, so that a
 * trace reads on a machine that does not have the files. Belongs to the writer thread; reads files
 * by direct system calls.
 */
#ifndef LLMTRACE_FUNCTION_NAMES_H
#define LLMTRACE_FUNCTION_NAMES_H

#include <stdint.h>

/* A return address that appears in a stack: offset in the module, in the file's own numbering. */
void function_names_want(uint32_t module, uint64_t offset);

/*
 * Looks up what is wanted and adds symbol definitions. One pass over a symbol table for each module
 * with news.
 */
void function_names_resolve(void);

#endif
