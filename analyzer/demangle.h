/* SPDX-License-Identifier: MIT */
/*
 * Readable names of functions: C++ names demangled, without parameter list and return type,
 * standard types in the form in which they are written in source. Any thread.
 */
#ifndef LLMTRACE_ANALYZER_DEMANGLE_H
#define LLMTRACE_ANALYZER_DEMANGLE_H

/*
 * name: as the symbol table has it. @return a new string, to be released with free; NULL without
 * memory.
 */
char *demangle_name(const char *name);

/*
 * Shortens a demangled C++ name in place; part of demangle_name, for names that debug info gives.
 */
void demangle_trim(char *name);

#endif
