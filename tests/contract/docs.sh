#!/bin/sh
# SPDX-License-Identifier: MIT
# Generated documents are what `make docs` would write now: a run of it in a copy changes nothing.
set -eu
grep -q '^docs:' "$TOP/Makefile" || { echo "the Makefile has no target docs"; exit 1; }
mkdir tree
(cd "$TOP" && find . -path ./.git -prune -o -path "./$(basename "$BUILD")" -prune -o -type f -print |
	tar -cf - -T -) | tar -xf - -C tree
find tree -name '*.md' -exec md5sum {} + | sort >before
make -s -C tree docs >log 2>&1 || { cat log; exit 1; }
find tree -name '*.md' -exec md5sum {} + | sort >after
if ! diff before after; then
	echo "out of date: run 'make docs'"
	exit 1
fi
