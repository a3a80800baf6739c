/* SPDX-License-Identifier: MIT */
/*
 * The export list of libllmtrace.so, made by cpp from the hook table: one anonymous version node, because a named one would switch off
 * the hooks on versioned symbols without a word. The extra names have no row in hooks.def.
 */
{
global:
#define LT_HOOK(need, result, name, params, group) name;
#include "hooks.def"
#undef LT_HOOK
#define LT_EXPORT_EXTRA(name) name;
#include "exports_extra.def"
#undef LT_EXPORT_EXTRA
local:
	*;
};
