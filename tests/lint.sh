#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh: clang-tidy (see .clang-tidy), cppcheck and shellcheck over the tree. Prints what they find and
# ends with 1 when there is something. Files go to clang-tidy one by one, two at a time.
# cppcheck's exceptions: the shift of a negative number is defined by the compilers that build this, a
# linker's two names are one section, a table of hash slots is asked twice for different slots, and its
# parser does not know empty literals.
set -eu
cd "$(dirname "$0")/.."
arch=$(uname -m)
shim="-Iinclude -Ipreload -Ipreload/arch -Ipreload/arch/$arch"
report="-Iinclude -Ianalyzer -Ianalyzer/command"
failed=0

list() {
	for file in analyzer/*.c analyzer/command/*.c include/llmtrace/*.c; do
		echo "$file -- -std=gnu11 -D_GNU_SOURCE $report"
	done
	for file in preload/*.c; do
		echo "$file -- -std=gnu11 -D_GNU_SOURCE -fno-builtin $shim"
	done
}
echo "clang-tidy: $(list | wc -l) files"
list | xargs -P 2 -L 1 clang-tidy --quiet 2>/dev/null || failed=1

echo "cppcheck"
# shellcheck disable=SC2086	# lists of words
cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr \
	--suppress=shiftTooManyBitsSigned --suppress=internalAstError \
	--suppress=comparePointers:preload/session.c \
	--suppress=identicalInnerCondition:analyzer/stacks.c \
	--suppress=uselessAssignmentPtrArg:include/llmtrace/events.def \
	-U__clang_analyzer__ --error-exitcode=1 $report $shim analyzer include preload || failed=1

# Scripts that are run to be traced do odd things on purpose.
echo "shellcheck"
git ls-files '*.sh' .ci/run ':!tests/programs/scripts' | xargs shellcheck || failed=1
[ $failed -eq 0 ] && echo "lint: nothing found"
exit $failed
