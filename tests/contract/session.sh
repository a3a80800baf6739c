#!/bin/sh
# SPDX-License-Identifier: MIT
# A forked child that is recorded gives the variables of one recording their first values back. Every file
# of the shim that keeps something is either one of those (SESSION_SOURCES in the Makefile) or listed here,
# with what a forked child goes on with.
set -eu
kept="
boot_arena	blocks that the target still has
cfi_find	the loader's function
clock		the kind of clock
follow		who the traced process above is
frame_rules	rules of code, the same in the child
hook		the switch: wiped by the kernel
hook_phases	places of calls that were found, the same in the child
hook_process	the thread that forks: none in the child
hook_threads	the key, tickets
identity	read again
init		the process, the page of the switch
io_runs		counters that only ever change
loader_trust	distrust, set again
module_symbols	objects that the program was started with
modules		the objects that are mapped, the same in the child
options		the same in the child
own_fds		descriptors that the child has, too
pool_sweep	room to read into
privacy		names of the user
real		the real functions
session		the first values themselves
stack		depth and sizes
sys_memory	the memory is mapped in the child, too
thread_slots	slots that threads of the parent had are lost
"
failed=0
for object in "$BUILD"/shim/preload/*.c.o; do
	name=$(basename "$object" .c.o)
	objdump -h "$object" | awk '$2 ~ /^\.(bss|data|data\.rel|data\.rel\.local)$/ && $3 !~ /^0+$/ {found = 1}
		END {exit !found}' || continue
	echo "$kept" | grep -q "^$name	" && continue
	echo "preload/$name.c keeps variables: put it into SESSION_SOURCES when they belong to one" \
		"recording, else into the list of tests/contract/session.sh"
	failed=1
done
objdump -h "$BUILD/shim/preload/pool.c.o" | grep -q lt_session_bss || { echo "no session at all"; failed=1; }
exit $failed
