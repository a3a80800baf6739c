# SPDX-License-Identifier: MIT
"""What a process can see of itself: descriptors, environment, signals, limits, threads, and the same in children
made in each way. Names of the shim's own variables and library are left out; everything else must be as without it."""
import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading

OURS = ("LD_PRELOAD", "LLMTRACE_", "SHIM_OF_RUN")


def descriptors():
    found = []
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue    # the one that listed
        found.append(f"{name}:{target.split(':')[0].rsplit('/', 1)[-1]}")
    return found


def status_lines():
    wanted = ("Name", "Umask", "Uid", "Gid", "SigBlk", "SigIgn", "SigCgt", "ShdPnd", "CapEff", "NoNewPrivs", "Seccomp",
              "Cpus_allowed_list", "CoreDumping", "THP_enabled")
    with open("/proc/self/status") as file:
        return [line.strip() for line in file if line.split(":")[0] in wanted]


def look(who):
    print(f"== {who}")
    print("descriptors", *descriptors())
    for name, value in sorted(os.environ.items()):
        if not name.startswith(OURS):
            print("env", name, value)
    print("ours", sorted(n for n in os.environ if n.startswith("LLMTRACE_")) == OURS_AT_START)
    print("preload", os.environ.get("LD_PRELOAD", "") == os.environ.get("SHIM_OF_RUN", ""))
    print(*status_lines(), sep="\n")
    print("handlers", *[s.name for s in signal.Signals if s not in (signal.SIGKILL, signal.SIGSTOP)
                        and signal.getsignal(s) is not signal.SIG_DFL])
    print("limits", *[resource.getrlimit(n) for n in range(16)])
    print("nice", os.nice(0), "cwd", os.getcwd(), "session", os.getsid(0) == os.getpid(),
          "threads", threading.active_count(), "scheduler", os.sched_getscheduler(0))
    with open("/proc/self/oom_score_adj") as file:
        print("oom", file.read().strip())
    libc = ctypes.CDLL(None)
    libc.dlerror.restype = ctypes.c_char_p
    print("dlerror", libc.dlerror())
    print("dumpable", libc.prctl(3), "subreaper", ctypes.c_int(0).value, "timerslack", libc.prctl(30))
    sys.stdout.flush()


OURS_AT_START = sorted(n for n in os.environ if n.startswith("LLMTRACE_"))


def main():
    look("start" if len(sys.argv) == 1 else sys.argv[1])
    if len(sys.argv) > 1:
        return
    for name in ("first", "second"):
        with open(name, "w") as file:
            print(name, "has number", file.fileno())
    child = os.fork()
    if child == 0:
        look("forked child")
        os._exit(3)
    print("ended", os.waitpid(child, 0)[1])
    me = [sys.executable, __file__]
    print(subprocess.run([*me, "subprocess"], check=False).returncode)
    print(subprocess.run([*me, "kept descriptors"], close_fds=False, check=False).returncode)
    with open("first") as kept:
        print(subprocess.run([*me, "passed"], pass_fds=[kept.fileno()], check=False).returncode)
    print(os.waitpid(os.posix_spawn(sys.executable, [*me, "posix_spawn"], os.environ), 0)[1])
    print(subprocess.run([*me, "no environment"], env={}, check=False).returncode)
    print(os.system(f"{sys.executable} {__file__} system"))
    thread = threading.Thread(target=look, args=("thread",))
    thread.start()
    thread.join()
    os.execv(sys.executable, [*me, "exec"])


main()
