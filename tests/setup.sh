#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what `make`, `make check`, `make lint`, `make fuzz`, ... need on Debian 12.
#   setup.sh build|check|programs|demo|bench|fuzz|lint
# Looks for the things themselves (a command, a header), not for packages: what was installed in
# another way counts. With nothing missing it takes milliseconds and never calls apt. As root it
# installs the rest; for anybody else it prints the command and ends with 2.
set -eu

build="gcc:gcc g++:g++ make:make ld:binutils stdio.h:libc6-dev zstd.h:libzstd-dev
	elfutils/libdw.h:libdw-dev libelf.h:libelf-dev
	jansson.h:libjansson-dev"
engine="node:nodejs npm:npm /etc/ssl/certs/ca-certificates.crt:ca-certificates"
check="$engine libunwind.h:libunwind-dev cmocka.h:libcmocka-dev zstd:zstd strace:strace python3:python3
	musl-gcc:musl-tools jemalloc/jemalloc.h:libjemalloc-dev heaptrack:heaptrack heaptrack_print:heaptrack
	/usr/lib/python3.11/test/test_mmap.py:libpython3.11-testsuite git:git sqlite3:sqlite3 perl:perl valgrind:valgrind
	/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2:libjemalloc2
	/usr/lib/$(uname -m)-linux-gnu/libtcmalloc_minimal.so.4:libtcmalloc-minimal4
	/usr/lib/$(uname -m)-linux-gnu/libeatmydata.so:libeatmydata1"
# The runtimes of gcc's sanitizers come with gcc; libFuzzer with the headers of clang's package.
fuzz="clang:clang /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a:libclang-rt-14-dev"
lint="clang:clang clang-tidy:clang-tidy clang-format:clang-format cppcheck:cppcheck
	shellcheck:shellcheck"
programs="xz:xz-utils bzip2:bzip2 openssl:openssl ssh-keygen:openssh-client gdb:gdb
	fakeroot:fakeroot busybox:busybox-static script:bsdutils setpriv:util-linux ps:procps"

usage() {
	echo "usage: setup.sh build|check|programs|demo|bench|fuzz|lint" >&2
	exit 2
}

[ $# -eq 1 ] || usage
case $1 in
build) wanted=$build ;;
demo) wanted="$build $engine" ;;
check) wanted="$build $check" ;;
bench) wanted="$build $check perf:linux-perf" ;;
fuzz) wanted="$build $fuzz" ;;
lint) wanted="$build $lint" ;;
programs) wanted="$build $check $programs" ;;
*) usage ;;
esac

# Succeeds when a command, a header or a file of that name is there.
is_there() {
	case $1 in
	/*) [ -s "$1" ] ;;
	*.h)
		for dir in /usr/include /usr/include/"$(uname -m)"-linux-gnu /usr/local/include; do
			[ -e "$dir/$1" ] && return
		done
		return 1
		;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# Prints each missing package once.
list_missing() {
	for pair in $wanted; do
		is_there "${pair%%:*}" || echo "${pair#*:}"
	done | sort -u | tr '\n' ' '
}

missing=$(list_missing)
[ -n "$missing" ] || exit 0
install="apt-get install -y --no-install-recommends ${missing% }"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "setup.sh: missing for 'make $1': run as root: $install" >&2
	exit 2
fi
echo "setup.sh: $install"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086	# a list of words
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >&2 || {
	echo "setup.sh: apt-get failed; missing for 'make $1': ${missing% }" >&2
	exit 2
}
missing=$(list_missing)
[ -z "$missing" ] || {
	echo "setup.sh: still missing after the installation: ${missing% }" >&2
	exit 2
}
