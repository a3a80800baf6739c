#!/bin/sh
# SPDX-License-Identifier: MIT
# make.sh NAME: records a golden trace of the format that this tree writes: golden/NAME.zst, and what
# dump prints of it: golden/NAME.dump, without the stacks: names in libc depend on the debug files that
# a machine has. For a new format version only: a golden file is never changed.
# Runs in a directory that looks the same everywhere, so that no path of this machine gets into the file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
place=/opt/llmtrace-golden
[ $# -eq 1 ] || { echo "usage: make.sh NAME" >&2; exit 2; }
[ ! -e "$here/$1.zst" ] || { echo "make.sh: $1.zst is there; golden files are never changed" >&2; exit 1; }

mkdir "$place"
trap 'rm -rf "$place"' EXIT
cp "$build/tests/fixtures/golden" "$build/libllmtrace.so" "$place"
seq 1000 >"$place/data"
(cd "$place" && env -i PATH=/usr/bin:/bin LD_PRELOAD="$place/libllmtrace.so" LLMTRACE_OUTPUT="$place/trace.zst" \
	./golden "$place/data" </dev/null >/dev/null 2>&1)
cp "$place/trace.zst" "$here/$1.zst"
chmod 644 "$here/$1.zst"
rm -rf "$place"
"$build/llmtrace-report" dump "$here/$1.zst" | sed 's/ stack=\[.*//' >"$here/$1.dump"
