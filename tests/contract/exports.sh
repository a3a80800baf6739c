#!/bin/sh
# SPDX-License-Identifier: MIT
# libllmtrace.so exports the hooks of hooks.def, the names that exports.map.S documents, and nothing
# else; no symbol has a version (a named node would disable hooks on versioned symbols).
set -eu
shim=$BUILD/libllmtrace.so
[ -e "$shim" ] || { echo "$shim was not built"; exit 1; }

# The preprocessor expands the table as the build does: a name is the third argument.
{
	echo '#define LT_HOOK(need, result, name, ...) @name@'
	cat "$TOP/preload/hooks.def"
} | ${CC:-cc} -E -P -x c - | grep -o '@[^@]*@' | tr -d '@ ' | sort -u >wanted.hooks
[ "$(wc -l <wanted.hooks)" -ge 100 ] || { echo "hooks.def gives only these:"; cat wanted.hooks; exit 1; }

# Names behind the table: phases (thunks) and aliases stand in the version script.
nm -D --defined-only "$shim" | awk '{print $3}' | sort -u >got
if grep '@' got; then
	echo "these symbols have a version"
	exit 1
fi
if readelf -V "$shim" | grep -q 'Version definition'; then
	echo "the library defines versions"
	exit 1
fi
sort -u "$TOP/tests/contract/exports.extra" | grep -v '^#' >wanted.extra || true
sort -u wanted.hooks wanted.extra >wanted
if ! diff wanted got >difference; then
	echo "< wanted by hooks.def or tests/contract/exports.extra    > exported"
	grep '^[<>]' difference
	exit 1
fi
