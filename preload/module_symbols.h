/* SPDX-License-Identifier: MIT */
/*
 * Functions by name in what the loader has mapped, read from the objects' own tables. The loader's
 * look-ups (dlsym, dlopen) forget the error that the target has not asked for yet, and wait for
 * whoever is loading a library; this does neither.
 *
 * Any thread, not for hot paths. The shim itself is never an answer.
 */
#ifndef LLMTRACE_MODULE_SYMBOLS_H
#define LLMTRACE_MODULE_SYMBOLS_H

#include <stdbool.h>

/* Remembers which objects the program was started with. From the constructor, once. */
void symbols_init(void);

/*
 * The function that a call through the PLT of caller's module would reach without us: of the
 * objects that the program was started with, else of the caller's module, of what that one needs,
 * else of any other. @return NULL when nothing that is loaded has it.
 */
void *symbol_for_caller(const char *name, const void *caller);

/*
 * The function that a look-up in the global scope would find without us, and in the scope of
 * caller's module behind it. Asks the loader: only inside the target's own look-up.
 * @return NULL when there is none.
 */
void *symbol_in_scope(const char *name, const void *caller);

#endif
