#!/bin/bash
# SPDX-License-Identifier: MIT
# A shell at work: pipes, substitutions, job control, traps, co-processes, descriptors by number, here-documents.
exec 2>&1
echo "-- pipes"
seq 20000 | sort -rn | awk '{s += $1} END {print s, NR}' | tee >(cat >tee.out) | tr ' ' '-'
yes | head -n 3 | wc -l
echo "${PIPESTATUS[@]}"
( exit 3 ) | ( exit 4 ) | true; echo "${PIPESTATUS[@]}"
diff <(seq 5) <(seq 6); echo "diff $?"
echo "-- descriptors"
exec 10>ten 200>two-hundred 9<<<"nine"
echo ten >&10; echo two hundred >&200; read -r line <&9; echo "$line"
exec 10>&- 9<&-; ls -1 /proc/self/fd | sort -n | tr '\n' ' '; echo
seen=; for fd in /proc/$$/fd/*; do seen+="${fd##*/} "; done; echo "$seen"
{ echo out; echo err >&2; } 2>&1 >/dev/null | sed 's/^/only /'
exec {free}>free; echo "free number $free" >&$free
echo "-- jobs"
set -m
sleep 100 & first=$!
sleep 100 & second=$!
jobs | sed 's/  */ /g'
kill -STOP $first; sleep 0.2; jobs -s | wc -l
kill %2; wait $second; echo "waited $?"
{ kill -CONT $first; sleep 0.2; kill -KILL $first; wait $first; jobs; } >/dev/null 2>&1
set +m
for i in 1 2 3 4 5 6; do ( sleep 0.0$i; exit $i ) & done
sum=0; for job in $(jobs -p); do wait "$job"; sum=$((sum + $?)); done; echo "sum $sum"
echo "-- traps"
trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo exit' EXIT
bash -c 'trap "echo term; exit 7" TERM; kill -TERM $$; sleep 5'; echo $?
bash -c 'kill -SEGV $$' ; echo $?
bash -c 'kill -KILL $$' ; echo $?
timeout 0.3 sleep 10; echo "timeout $?"
timeout -s KILL 0.3 bash -c 'trap "" TERM; while :; do :; done'; echo "timeout $?"
( ulimit -v 100000; ulimit -n 20; ulimit -n; head -c 200000 /dev/zero >big; echo "big $?"; ls -s big >/dev/null )
echo "-- coprocess"
coproc UP { while read -r l; do echo "${l^^}"; done; }
echo hello >&"${UP[1]}"; read -r up <&"${UP[0]}"; echo "$up"; exec {UP[1]}>&-; wait
echo "-- nested"
a=$(b=$(c=$(echo deep; exit 5); echo "$c $?"); echo "$b"); echo "$a"
find . -maxdepth 1 -type f -print0 | sort -z | xargs -0 -n 2 -P 3 sh -c 'wc -c "$@" >/dev/null' x; echo "xargs $?"
nice -n 5 nice; nohup true; setsid -w true; env -i /bin/sh -c 'echo $#'; stdbuf -oL echo line
sh -c 'exec sh -c "exec echo exec of exec"'
printf '%s\n' {1..300} | while read -r n; do [ $((n % 100)) -eq 0 ] && /bin/echo "$n"; done
echo "end"
