#!/bin/bash
# SPDX-License-Identifier: MIT
# A program under gdb and strace; with the shim in the program, not in them. $SHIM_OF_RUN is empty in the native run.
set -u
shim=$SHIM_OF_RUN
unset LD_PRELOAD
cat >program.c <<'C'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int value = 1;
static void handler(int number) { value += number; }
static int leaf(int n) { char *block = malloc(n); value += n; free(block); return n * 2; }
static void *work(void *unused) { (void)unused; return malloc(leaf(7)); }
int main(void)
{
	pthread_t thread;
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	for (int i = 1; i < 4; i++)
		printf("%d\n", leaf(i));
	pthread_create(&thread, NULL, work, NULL);
	pthread_join(thread, NULL);
	printf("%d\n", value);
	fflush(stdout);
	if (getenv("CRASH"))
		*(volatile int *)getenv("CRASH_AT") = 0;
	return 6;
}
C
${CC:-gcc} -g -O0 -o program program.c -pthread || exit
cat >commands <<'G'
set pagination off
set debuginfod enabled off
set width 0
set confirm off
handle SIGUSR1 nostop noprint pass
set print thread-events off
break leaf
run
backtrace
print n
finish
watch value
continue
continue
delete
break work
continue
backtrace 1
call leaf(20)
next
info breakpoints
delete
continue
G
run_gdb() {
	gdb -q -nx -batch ${shim:+-ex "set exec-wrapper env LD_PRELOAD=$shim"} "$@" ./program 2>&1 |
		grep -vE '^(\[|Using host|warning: |Download|$)|Thread 0x|at \.\./|\.\./sysdeps|__libc_start' |
		sed -E 's/0x[0-9a-f]+/0xN/g; s/\(LWP [0-9]+\)//; s/^\$[0-9]+/$/; s/Thread [0-9.]+ "[^"]*"( hit )?//'
}
echo "-- gdb"
run_gdb -x commands
echo "-- gdb, a crash"
CRASH=1 CRASH_AT= run_gdb -ex 'set width 0' -ex 'handle SIGUSR1 nostop noprint pass' -ex run -ex 'print value' -ex 'bt -1'
echo "-- gdb, attached"
cat >loop.py <<'P'
import time
data = []
open("ready", "w").close()
end = time.monotonic() + 60
import os
while not os.path.exists("stop") and time.monotonic() < end:
    data.append(bytes(5000)); data = data[-1000:]
    time.sleep(0.0005)
print("loop ended")
P
LD_PRELOAD=$shim python3 loop.py & loop=$!
while [ ! -e ready ]; do sleep 0.05; done
gdb -q -nx -batch -p $loop -ex 'print (int)getpid() > 1' -ex detach 2>/dev/null | grep '^\$'
strace -f -o attached -p $loop 2>said & tracer=$!
sleep 0.5; kill -INT $tracer; wait $tracer; echo "strace $?"
touch stop; wait $loop; echo "loop $?"
echo "-- strace"
strace -f -o calls ${shim:+-E LD_PRELOAD=$shim} ./program; echo "exit $?"
grep -oE 'write\(1, "[^"]*"|tgkill\([0-9]+, [0-9]+, SIGUSR1|SIGUSR1 \{|exit_group\([0-9]+' calls | sed 's/tgkill([0-9]*, [0-9]*/tgkill(/'
rm -f calls attached said
