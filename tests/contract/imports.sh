#!/bin/sh
# SPDX-License-Identifier: MIT
# What the shim takes from the C library is listed in imports.allow, with why: nothing that allocates,
# locks or formats may creep in. It needs libc and the loader only.
set -eu
shim=$BUILD/libllmtrace.so
[ -e "$shim" ] || { echo "$shim was not built"; exit 1; }

nm -D --undefined-only "$shim" | awk '{print $2}' | sed 's/@.*//' | sort -u >got
sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$TOP/tests/contract/imports.allow" | sort -u >allowed
comm -23 got allowed >new
if [ -s new ]; then
	echo "libllmtrace.so uses names that tests/contract/imports.allow does not list:"
	cat new
	exit 1
fi
comm -13 got allowed >old
if [ -s old ]; then
	echo "tests/contract/imports.allow lists names that libllmtrace.so does not use:"
	cat old
	exit 1
fi
needed=$(readelf -d "$shim" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -vxE 'libc\.so\.6|ld-linux-x86-64\.so\.2' || true)
[ -z "$needed" ] || { echo "needs more than libc: $needed"; exit 1; }
# Dynamic TLS would be allocated with malloc on first use; no slot relocation may need it.
tls=$(readelf -lW "$shim" | awk '$1 == "TLS" {print strtonum($6)}' 2>/dev/null ||
	readelf -lW "$shim" | awk '$1 == "TLS" {print $6}')
[ $((${tls:-0})) -le 64 ] || { echo "$tls bytes of TLS, 64 are allowed"; exit 1; }
if readelf -rW "$shim" | grep -E 'DTPMOD|TLSDESC'; then
	echo "TLS is not initial-exec"
	exit 1
fi
