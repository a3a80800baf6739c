# SPDX-License-Identifier: MIT
"""Programs that start others, or look at what they were given."""
import program_runs
from program_runs import Row

# "SCRIPT: line 3:  4711 Killed   COMMAND", from bash
SHELL_PIDS = ((r"line [0-9]+: +[0-9]+ ", "line N: PID "), (r"^\[[0-9]+\] [0-9]+$", "[N] PID"))
# The C library handles a signal of its own, 33, in processes that have made a thread.
THREAD_SIGNALS = ((r"^(Sig(Cgt|Ign):\t0000000)1", r"\g<1>0"),)

ROWS = [
    Row("surroundings", "python3 $SCRIPTS/surroundings.py", needs=("python3",), quick=True,
        normalise=THREAD_SIGNALS),
    Row("shell_jobs", "bash $SCRIPTS/shell_jobs.sh",
        normalise=SHELL_PIDS, quick=True),
    Row("launchers", "bash $SCRIPTS/launchers.sh", needs=("fakeroot", "busybox", "script"),
        normalise=SHELL_PIDS),
    Row("namespaces", "bash $SCRIPTS/namespaces.sh", needs=("busybox", "setpriv", "unshare")),
    Row("credentials", "bash $SCRIPTS/credentials.sh", needs=("setpriv", "nsenter"),
        broken="the shim's threads take part in setuid and make a process one of several threads"),
    Row("debuggers", "bash $SCRIPTS/debuggers.sh", needs=("gdb", "strace"), ignore=("program",),
        normalise=((r"kill: \([0-9]+\)", "kill: (PID)"),)),
    Row("fork_pool", "python3 $SCRIPTS/fork_pool.py arrays", needs=("python3",), quick=True),
    *(Row("multiprocessing_" + how, f"python3 $SCRIPTS/fork_pool.py {how}", needs=("python3",))
      for how in ("fork", "spawn", "forkserver")),
    Row("asyncio_children", "python3 $SCRIPTS/asyncio_children.py", needs=("python3",)),
    Row("daemonise", "python3 $SCRIPTS/daemonise.py", needs=("python3",), quick=True),
]

globals().update(program_runs.cases(ROWS, __name__))
