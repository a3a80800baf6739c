#!/bin/sh
# SPDX-License-Identifier: MIT
# Rules for every file: not over 600 lines, an SPDX line in front, no paths of somebody's machine, no
# work left open, no tabs-and-spaces mix in shell and Python that git calls an error.
set -eu
cd "$TOP"
failed=0
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	files=$(git ls-files)
else
	files=$(find . -path ./build -prune -o -type f -print | sed 's|^\./||')
fi
sources=$(echo "$files" | grep -E '\.(c|h|S|def|sh|py|mjs|mk)$|(^|/)Makefile$')

for file in $sources; do
	[ -e "$file" ] || continue
	lines=$(wc -l <"$file")
	[ "$lines" -le 600 ] || { echo "$file: $lines lines, 600 are allowed"; failed=1; }
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
		{ echo "$file: no SPDX line"; failed=1; }
done

# Put together here so that this file does not hold them itself.
root=/ro""ot/ work=/wo""rk/ home=/ho""me/ todo='TO''DO|FIX''ME|XX''X'
report() {
	[ -z "$2" ] || { echo "$1:"; echo "$2" | cut -c1-200; failed=1; }
}
report "paths of one machine" "$(echo "$files" | xargs grep -nIE "($root|$work|$home)[a-z]" 2>/dev/null || true)"
report "work left open" "$(echo "$sources" | xargs grep -nIwE "($todo)" 2>/dev/null || true)"
exit $failed
