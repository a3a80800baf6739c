#!/bin/sh
# SPDX-License-Identifier: MIT
# The include law: preload > include/llmtrace < analyzer. The two sides never meet, the contract headers
# include neither, samples and fixtures include none of ours (but the public marker header).
# shellcheck disable=SC2086	# lists of words
set -eu
cd "$TOP"
failed=0

# complain PATTERN WHAT FILES...: prints the includes that match.
complain() {
	pattern=$1 what=$2
	shift 2
	found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<]$pattern" "$@" /dev/null) || return 0
	echo "$what:"
	echo "$found"
	failed=1
}

# Names of the headers of a side, as an alternation: a side may be included by bare name too.
headers_of() {
	find "$1" -name '*.h' -o -name '*.def' | sed 's|.*/||; s|\.|\\.|' | sort -u | paste -sd'|'
}

preload=$(find preload -name '*.[chS]' -o -name '*.def')
analyzer=$(find analyzer -name '*.[ch]')
shared=$(find include -name '*.[ch]' -o -name '*.def')
others=$(find tests/fixtures samples -name '*.[ch]')
if [ -z "$preload" ] || [ -z "$analyzer" ] || [ -z "$shared" ]; then
	echo "a side is missing"
	exit 1
fi

only_analyzer=$(headers_of analyzer)
only_preload=$(headers_of preload)
# A name that both sides have is its own side's.
both=$(printf '%s\n%s\n' "$(echo "$only_analyzer" | tr '|' '\n')" "$(echo "$only_preload" | tr '|' '\n')" |
	sort | uniq -d | paste -sd'|')
[ -z "$both" ] || echo "names on both sides: $both"

complain '([^">]*/)?analyzer/' 'preload includes the analyzer' $preload $shared
complain '([^">]*/)?preload/' 'the analyzer includes preload' $analyzer $shared
for header in $(echo "$only_analyzer" | tr '|' ' '); do
	echo "$only_preload" | tr '|' '\n' | grep -qxF "$header" && continue
	complain "${header}[\">]" 'preload includes the analyzer' $preload $shared
done
for header in $(echo "$only_preload" | tr '|' ' '); do
	echo "$only_analyzer" | tr '|' '\n' | grep -qxF "$header" && continue
	complain "${header}[\">]" 'the analyzer includes preload' $analyzer $shared
done
found=$(grep -nE '#[[:space:]]*include[[:space:]]*["<](\.\./|llmtrace/)' $others | grep -v 'llmtrace/mark\.h' || true)
[ -z "$found" ] || { echo "fixtures and samples include none of ours:"; echo "$found"; failed=1; }
exit $failed
