#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that start programs: limits, priorities, sessions, terminals, other preloads, make, xargs, find, awk.
exec 2>&1
look='import os, sys; d = [bytes(100)] * 100000; print(os.getpriority(0, 0), os.sched_getscheduler(0), os.sched_getaffinity(0) == {0}, sys.argv[1:]); sys.exit(4)'
py() { "$@" python3 -c "$look" x; echo "$?"; }
py timeout 20; py nice -n 7; py nohup; py setsid -w; py env A=B; py taskset -c 0; py chrt --batch 0; py ionice -c 3; py stdbuf -o0
py setarch -R; py prlimit --nofile=40 --core=0; py choom -n 10 --; py flock lock; py setpriv --no-new-privs; py fakeroot
fakeroot sh -c 'touch owned; chown 5:6 owned; stat -c "%u %g" owned'; stat -c '%u' owned
sh -c 'cpulimit=1; exec python3 -c "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
while True: bytes(1000)"'; echo "cpu limit $?"
python3 -c 'import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2)
try: x = bytearray(1 << 30)
except MemoryError: print("no memory", len([bytes(1000)] * 1000))'
script -qec 'tty >/dev/null && echo a terminal; stty size; bash --norc -i -c "echo \$-"' /dev/null | tr -d '\r' | grep -v '^bash: '
cat >Makefile <<'M'
objects = $(foreach n,1 2 3 4 5 6 7 8,o$n)
all: $(objects) ; @cat $^ | sha256sum; $(MAKE) -s sub; exit 0
o%: ; @sleep 0.0$*; seq $*000 >$@
sub: ; @echo made by $(MAKELEVEL)
fail: ; @exit 3
M
make -s -j3 all; make -s fail; echo "make $?"
seq 40 | xargs -n 3 -P 4 sh -c 'echo $(( $1 % 4 ))' x | sort | uniq -c
find /etc -maxdepth 1 -name '*.conf' -exec sh -c 'wc -l <"$1" >/dev/null' x {} \; ; echo "find $?"
seq 200000 | awk '{ a[$1 % 1000] += $1 } END { for (i in a) s += a[i]; print s; system("exit 3"); print "x" | "cat"; close("cat") }'
seq 100000 | sed -n '/9$/p' | tac | head -3
printf '%s\n' 'print(1)' | python3 -; echo 'print(sum(map(len, [b"x" * 100] * 1000)))' | python3
perl -e 'exec {"perl"} "perl", "-e", "print qq(perl exec\n); exit 6"'; echo $?
bash -c 'exec -a other python3 -c "import sys; print(sys.argv)"'
bash -c 'exec /nonexistent'; echo $?
bash -c './owned'; echo $?
printf '#!/usr/bin/env -S python3 -B\nimport sys; print("script", sys.argv[1:])\n' >run; chmod +x run; ./run a b
busybox sh -c 'seq 1000 | busybox awk "{s+=\$1} END {print s}"; busybox gzip -c run | busybox zcat | busybox md5sum; sleep 0.1 & wait; exit 8'; echo "busybox $?"
