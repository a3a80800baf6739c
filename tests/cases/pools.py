# SPDX-License-Identifier: MIT
"""Rings that processes left in /dev/shm: which of them a later traced process removes, and where
rings go when there is no room. The rule is in include/llmtrace/pool.h."""
import glob
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time

SHM = "/dev/shm"
# offsets in struct lt_pool_header
PID, IS_CLOSED, START_TICKS, BOOT_ID, NAMESPACE, CLOCKS = 16, 20, 24, 32, 48, 72
TRACE_PATH = 128
KEPT_NS = 3600 * 10**9
GONE_PID = 4000000			# above the kernel's largest by default, and by far


def start(ctx, program, *arguments, env=None, directory="traced"):
    process = subprocess.Popen([program, *arguments], env=dict(os.environ, **ctx.trace_env(env)),
                               stdout=subprocess.PIPE, cwd=ctx.directory(directory))
    ctx.equal(process.stdout.readline(), b"ready\n", "first line")
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def sweep(ctx):
    """What a newly traced process removes. Its own trace and rings go when it ends."""
    ctx.traced([ctx.fixture("exits"), "exit"], directory="other",
               env={"LLMTRACE_OUTPUT": os.path.join(ctx.scratch, "other.zst")})


class Pool:
    """A copy of a killed process's rings under the name of a process that never was."""

    def __init__(self, source, number, trace):
        self.path = f"{SHM}/llmtrace-{GONE_PID}-{os.getpid()}{number}.pool"
        with open(source, "rb") as file:
            self.bytes = bytearray(file.read(1 << 20))
        self.set("I", PID, GONE_PID)
        self.set("Q", START_TICKS, int(f"{os.getpid()}{number}"))
        self.bytes[TRACE_PATH:TRACE_PATH + 4096] = trace.encode().ljust(4096, b"\0")
        self.set_age(2 * KEPT_NS)

    def set(self, form, at, value):
        struct.pack_into("<" + form, self.bytes, at, value)

    def set_age(self, age_ns):
        """When its clock was read last."""
        newest_ns = (time.monotonic_ns() - age_ns) % 2**64
        for at in (CLOCKS + 8, CLOCKS + 24):
            self.set("Q", at, newest_ns)

    def write(self, uid=None):
        with open(self.path, "wb") as file:
            file.write(self.bytes)
        if uid is not None:
            os.chown(self.path, uid, uid)

    def is_there(self):
        return os.path.exists(self.path)


def case_which_pools_go(ctx):
    """One pool for each condition of the rule: it goes when all hold, and stays when one does not."""
    process = start(ctx, ctx.fixture("exits"), "sleep")
    source = ctx.ring_file()
    kill(process)
    ctx.check(source.startswith(SHM), f"rings lie in {source}: no room in {SHM}?")
    gone_trace = os.path.join(ctx.scratch, "gone.zst")
    pools = {}

    def add(what, trace=gone_trace, uid=None, **changes):
        pool = pools[what] = Pool(source, len(pools), trace)
        for name, (form, at, value) in changes.items():
            pool.set(form, at, value)
            ctx.check(name, what)
        return pool, uid
    made = [
        add("goes: closed", ctx.trace, closed=("I", IS_CLOSED, 1)),
        add("goes: its trace is gone"),
        add("stays: the only copy of what its trace does not have", ctx.trace),
        add("stays: the folder of its trace is away", "/no/such/folder/trace.zst"),
        add("stays: another namespace", namespace=("Q", NAMESPACE, 1)),
        add("stays: namespace not known", namespace=("Q", NAMESPACE, 0)),
        add("stays: another boot", boot=("Q", BOOT_ID, 1)),
        add("stays: another user's", uid=65534),
        add("stays: trace moved a while ago"),
        add("stays: its process lives", pid=("I", PID, os.getpid()),
            ticks=("Q", START_TICKS, start_ticks(os.getpid()))),
    ]
    pools["stays: trace moved a while ago"].set_age(KEPT_NS // 2)
    try:
        for pool, uid in made:
            pool.write(uid)
        sweep(ctx)
        for what, pool in pools.items():
            ctx.equal(pool.is_there(), what.startswith("stays"), what)
        ctx.check(os.path.exists(source), "the rings of the killed process were removed unreported")
        ctx.equal(ctx.report()["trace"]["exit"]["kind"], "killed", "end of the killed process")
        ctx.has_no_rings()
        ctx.equal(glob.glob(f"{SHM}/llmtrace-{GONE_PID}-{os.getpid()}*.pool.*"), [], "files set aside")
    finally:
        for path in [*(pool.path for pool in pools.values()), source]:
            if os.path.exists(path):
                os.remove(path)


def start_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def case_pool_of_another_user_is_not_the_parents(ctx):
    """A traced child tells its parent how it ended, in a pool that has the parent's number: of its own
    user alone, for another one could cut it short meanwhile."""
    if os.geteuid():
        ctx.skip("only root makes files of other users")
    process = start(ctx, ctx.fixture("exits"), "sleep")
    source = ctx.ring_file()
    kill(process)
    path = f"{SHM}/llmtrace-{os.getpid()}-{start_ticks(os.getpid())}.pool"
    with open(source, "rb") as file:
        content = file.read(1 << 20)
    for uid in (0, 65534):
        try:
            with open(path, "wb") as file:
                file.write(content)
            os.chown(path, uid, -1)
            ctx.traced([ctx.fixture("exits"), "exit"], env={"LLMTRACE_OUTPUT": f"{ctx.scratch}/child.zst"})
            with open(path, "rb") as file:
                ctx.equal(file.read() != content, uid == 0, f"whether the pool of user {uid} was written")
        finally:
            os.remove(path)
    os.remove(source)


def case_rings_are_made_by_the_writer(ctx):
    """A thread may not be able to open the file of the rings any more: of the events that it then had in
    memory alone, nothing would be left. And the descriptor's number would be missing for a moment."""
    for mode in ("setuid", "chroot", "descriptors") if os.geteuid() == 0 else ("descriptors",):
        done = ctx.traced([ctx.fixture("thread_pool_grows"), mode])
        ctx.equal((done.code, done.out), (-signal.SIGKILL, ""), f"the end with {mode}")
        own = [e for e in ctx.dump() if e.name == "alloc" and e["size_bytes"] == 7777]
        ctx.equal(len(own), 60 * 20, f"mallocs recorded with {mode}")
        ctx.report()
        ctx.has_no_rings()


EXEC_SCRIPT = """
(LD_PRELOAD=$SHIM LLMTRACE_OUTPUT=$TRACE exec /bin/sh -c 'unset LD_PRELOAD; exec sleep 30') &
until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.02; done
echo before $(ls /dev/shm | grep -c pool)
LD_PRELOAD=$SHIM LLMTRACE_OUTPUT=$TRACE.other "$EXITS" exit >/dev/null
echo behind $(ls /dev/shm | grep -c pool)
kill -0 $! && echo lives
kill -9 $!
"""


def case_exec_of_a_program_that_is_not_traced(ctx):
    """The process lives on as another program: its rings are of no use, since the trace was ended."""
    names = {"SHIM": ctx.shim, "TRACE": ctx.trace, "EXITS": ctx.fixture("exits"), "LD_PRELOAD": ""}
    done = in_small_shm(ctx, "1g", ["sh", "-c", EXEC_SCRIPT], names)
    ctx.equal(done.out.split("\n")[:3], ["before 1", "behind 0", "lives"], f"rings ({done.err})")
    ctx.equal(ctx.is_whole()["trace"]["exit"]["kind"], "exec", "kind of end")


def case_living_processes_keep_theirs(ctx):
    process = start(ctx, ctx.fixture("exits"), "sleep")
    try:
        rings = ctx.ring_file()
        os.rename(ctx.trace, ctx.trace + ".moved")
        sweep(ctx)
        ctx.check(os.path.exists(rings), "the rings of a living process were removed")
    finally:
        kill(process)
        ctx.report(trace=ctx.trace + ".moved")
    ctx.check(not os.path.exists(rings), "rings left after the report")


# ---- no room ----
def in_small_shm(ctx, size, command, env):
    """Runs a command with a tmpfs of its own at /dev/shm, in a mount namespace of its own."""
    unshare = shutil.which("unshare")
    probe = subprocess.run([unshare or "false", "-m", "mount", "-t", "tmpfs", "none", SHM],
                           capture_output=True, check=False)
    if probe.returncode:
        ctx.skip("no mount namespace here: " + probe.stderr.decode().strip())
    script = f"mount -t tmpfs -o size={size} none {SHM} && exec env " + \
        " ".join(f"{name}={value}" for name, value in ctx.trace_env(env).items()) + ' "$@"'
    return ctx.run([unshare, "-m", "sh", "-c", script, "sh", *command], directory="traced")


def pool_place(ctx, trace):
    out = subprocess.run([ctx.report_program, "dump", "--definitions", trace], capture_output=True,
                         check=False).stdout.decode()
    return re.search(r'pool_place.*?"([^"]*)"[^"]*$', out, re.M)[1]


def case_no_room_in_shm(ctx):
    """Rings beside the output: kept by a kill as well, and the trace says where they lay."""
    in_small_shm(ctx, "8m", [ctx.fixture("exits"), "exit"], {})
    ctx.equal(ctx.ring_file().rpartition("/")[0], ctx.scratch, "folder of the rings")
    ctx.check(ctx.scratch in pool_place(ctx, ctx.trace), pool_place(ctx, ctx.trace))
    ctx.has_no_rings()
    ctx.is_whole()
    in_small_shm(ctx, "8m", [ctx.fixture("exits"), "sigkill"], {})
    ctx.check(os.path.exists(ctx.ring_file()), "no rings after a kill")
    allocs = [e for e in ctx.dump() if e.name == "alloc" and e.leaf == "allocate"]
    ctx.equal(len(allocs), 1000, "mallocs of a killed process")
    ctx.equal(ctx.report()["trace"]["exit"]["kind"], "killed", "kind of end")
    ctx.has_no_rings()


def check_no_room(ctx, size, is_in_file):
    full = os.path.join(ctx.scratch, "copy.zst")
    script = f'unset LD_PRELOAD; LD_PRELOAD={ctx.shim} "$0" "$1"; cp {SHM}/trace.zst* {ctx.scratch}; ' \
        f"mv {ctx.scratch}/trace.zst {full}"
    for kind in ("exit", "sigkill"):
        in_small_shm(ctx, size, ["sh", "-c", script, ctx.fixture("exits"), kind],
                     {"LLMTRACE_OUTPUT": f"{SHM}/trace.zst", "LD_PRELOAD": ""})
        ctx.equal(bool(ctx.ring_file(full)), is_in_file, "whether the rings have a file")
        if kind == "exit":
            ctx.is_whole(full)
            continue
        done = ctx.report_run(trace=full)
        ctx.equal(done.code, 3, f"exit code of the report ({done.err})")
        words = " ".join(done.out.split())
        ctx.check("its own memory" in words or "its rings are gone" in words, done.out[:600])


def case_no_room_for_rings(ctx):
    """Rings in memory alone: everything works but a kill, and then the report says what is missing."""
    check_no_room(ctx, "90k", False)
    ctx.check("memory" in pool_place(ctx, os.path.join(ctx.scratch, "copy.zst")), "pool_place")


def case_no_room_for_some_rings(ctx):
    """The head of the pool has room, rings have not."""
    check_no_room(ctx, "700k", True)


def case_no_room_for_some_rings_of_a_killed_process(ctx):
    """The same where the pool's file is there when the report comes: what it has is reported."""
    script = f'unset LD_PRELOAD; LD_PRELOAD={ctx.shim} "$0" sigkill; "$1" --json {SHM}/trace.zst'
    done = in_small_shm(ctx, "700k", ["sh", "-c", script, ctx.fixture("exits"), ctx.report_program],
                        {"LLMTRACE_OUTPUT": f"{SHM}/trace.zst", "LD_PRELOAD": ""})
    ctx.equal(done.code, 3, f"exit code of the report ({done.err})")
    report = json.loads(done.out[done.out.index("{"):])
    ctx.check("its own memory" in report["trace"]["incomplete_reason"], report["trace"])
