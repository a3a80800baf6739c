/* SPDX-License-Identifier: MIT */
/*
 * Declares the functions that hook files define, as hooks.def writes them: for those that no header
 * declares, and so that the compiler compares the table with the headers for all others. Include it
 * after the headers of the hooked functions.
 */
#ifndef LLMTRACE_HOOKED_H
#define LLMTRACE_HOOKED_H

#include "real.h"

/* stdio.h expands these in place when it optimises */
#undef fread_unlocked
#undef fwrite_unlocked

#define LT_HOOK(need, result, name, params, group) extern result name params;
#include "hooks.def"
#undef LT_HOOK

#endif
