#!/bin/sh
# SPDX-License-Identifier: MIT
# libllmtrace.so exports the hooks of hooks.def, the names of exports_extra.def, and nothing else; no symbol has a version (a named node would disable hooks on versioned symbols).
set -eu
shim=$BUILD/libllmtrace.so
[ -e "$shim" ] || { echo "$shim was not built"; exit 1; }

# The preprocessor expands the tables as the build does: the name is the third argument of a hook.
{
	echo '#define LT_HOOK(need, result, name, ...) @name@'
	echo '#define LT_EXPORT_EXTRA(name) @name@'
	echo '#include "hooks.def"'
	echo '#include "exports_extra.def"'
} | ${CC:-cc} -E -P -I "$TOP/preload" -x c - | grep -o '@[^@]*@' | tr -d '@ ' | sort >wanted
[ "$(wc -l <wanted)" -ge 100 ] || { echo "the tables give only these:"; cat wanted; exit 1; }
if uniq -d wanted | grep .; then
	echo "these names stand in the tables twice"
	exit 1
fi

nm -D --defined-only "$shim" | awk '{print $3}' | sort -u >got
if grep '@' got; then
	echo "these symbols have a version"
	exit 1
fi
if readelf -V "$shim" | grep -q 'Version definition'; then
	echo "the library defines versions"
	exit 1
fi
if ! diff wanted got >difference; then
	echo "< wanted by hooks.def or exports_extra.def    > exported"
	grep '^[<>]' difference
	exit 1
fi
