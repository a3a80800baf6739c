/* SPDX-License-Identifier: MIT */
/*
 * fallback_<name>: what real_<name> points to where the C library lacks an optional function of
 * hooks.def. A program that calls one got it from somewhere: each does the work by an older
 * function or by the system call, with errno as the real one sets it, and fails with ENOSYS only
 * where the kernel lacks it too.
 */
#ifndef LLMTRACE_FALLBACKS_H
#define LLMTRACE_FALLBACKS_H

#include "real.h"

#define LT_FALLBACK_required(result, name, params)
#define LT_FALLBACK_optional(result, name, params) result fallback_##name params;
#define LT_HOOK(need, result, name, params, group) LT_FALLBACK_##need(result, name, params)
#include "hooks.def"
#undef LT_HOOK
#undef LT_FALLBACK_required
#undef LT_FALLBACK_optional

#endif
