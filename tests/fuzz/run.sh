#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh SECONDS TARGET...: runs each fuzz target for that long, on its seeds and on what earlier runs
# found; prints 'N findings' in the end. Exit code: 0 without findings, 1 with some, 2 for wrong use.
# What leads to a finding is kept in BUILD/fuzz/findings. The limits are those that the report
# promises: no input of this size takes a gigabyte or ten seconds (of a build that is 10 times slower).
set -eu
[ $# -ge 2 ] || { echo "usage: run.sh SECONDS TARGET..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}/fuzz
seconds=$1
shift
findings=$build/findings
mkdir -p "$findings"
for target in "$@"; do
	corpus=$build/corpus/$target
	made=$build/seeds/$target
	mkdir -p "$corpus" "$made" "$here/seeds/$target"
	echo "fuzz_$target: $seconds s"
	"$build/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-malloc_limit_mb=1024 -max_len=40000 -print_final_stats=1 \
		-artifact_prefix="$findings/$target-" "$corpus" "$here/seeds/$target" "$made" \
		>"$build/$target.log" 2>&1 || true
	grep -E '^stat::number_of_executed_units|^SUMMARY|^FINDING|runtime error' "$build/$target.log" || true
done
count=$(find "$findings" -type f | wc -l)
[ "$count" -eq 0 ] || find "$findings" -type f
echo "$count findings"
[ "$count" -eq 0 ]
