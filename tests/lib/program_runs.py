# SPDX-License-Identifier: MIT
"""Real programs as torture: a row of a table is a program, run without the shim and with it.

Both runs have the same working directory, one after the other, an environment of their own, and must
leave the same behind: exit code, output, files (type, mode, size, contents), processes, and nothing
in /dev/shm. Every trace that the traced runs write must be read by the report, with nothing lost.
"""
import collections
import ctypes
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import first_difference

PR_SET_CHILD_SUBREAPER = 36
SLOW_RATIO, SLOW_FROM_S = 5, 0.5
LEFTOVER_WAIT_S = 5
TRACES_READ_MAX = 100
FOLLOW_MODES = ("auto", "1")
POOL_HEAD_BYTES = 1 << 16

# name: of the case. command: a shell line, run by bash in an empty folder; $SCRIPTS is tests/programs/scripts, $TOP
# the project, $BUILD its build, $CC the compiler. normalise: [(pattern, replacement)] on both outputs. ignore:
# patterns of paths, from the working folder, whose contents are not compared. needs: commands or files. quick: part
# of `make check`. broken: what is known to differ: the case is
# skipped and says so, unless RUN_BROKEN is set.
Row = collections.namedtuple("Row", "name command normalise ignore needs quick limit_s follow broken",
                             defaults=((), (), (), False, 100, FOLLOW_MODES, ""))
Run = collections.namedtuple("Run", "code out err files leftover seconds")

ADDRESS = (r"0x[0-9a-f]{5,16}", "0xADDRESS")


def cases(rows, module):
    """The case_* functions of a table, for the module's globals()."""
    found = {}
    for row in rows:
        def case(ctx, row=row):
            Comparison(ctx, row).check()
        case.__module__, case.is_long = module, not row.quick
        case.limit_s = row.limit_s * (1 + len(row.follow)) + 60
        found["case_" + row.name] = case
    return found


def become_subreaper():
    """Processes that outlive their parents become our children, so that we see and end them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    """@return {pid: name} of our children that live."""
    found = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                pid, _, rest = file.read().partition(" (")
        except OSError:
            continue	# it has ended
        name, _, rest = rest.rpartition(") ")
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found[int(pid)] = name
    return found


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def process_list():
    return subprocess.run(["ps", "-eo", "pid,ppid,pgid,stat,wchan:20,args", "--forest"],
                          capture_output=True, check=False).stdout.decode(errors="replace")


def end_leftover(wait_s):
    """@return the sorted names of the processes that the program has left, which are ended."""
    end = time.monotonic() + wait_s
    while children() and time.monotonic() < end:
        time.sleep(0.02)
        reap()
    left = children()
    names = sorted(left.values())
    while left:	# the children of a killed process become ours
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        reap()
        left = children()
    return names


def describe(path, is_compared):
    """What is compared of one file."""
    status = os.lstat(path)
    mode = oct(status.st_mode)
    if os.path.islink(path):
        return mode, os.readlink(path)
    if not os.path.isfile(path) or not is_compared:
        return (mode,)
    with open(path, "rb") as file:
        return mode, status.st_size, status.st_nlink, hashlib.sha256(file.read()).hexdigest()


def read_tree(top, ignored):
    """@return {path from top: what it is}"""
    found = {}
    for folder, subfolders, names in os.walk(top):
        for name in subfolders + names:
            path = os.path.join(folder, name)
            short = os.path.relpath(path, top)
            found[short] = describe(path, not any(re.fullmatch(p, short) for p in ignored))
    return found


class Comparison:
    def __init__(self, ctx, row):
        self.ctx, self.row = ctx, row
        # short: the paths of Unix sockets below it have 107 bytes
        self.base = tempfile.mkdtemp(prefix="lt-", dir="/tmp")
        os.chmod(self.base, 0o755)

    def env(self):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
               "HOME": os.path.join(self.base, "home"), "TMPDIR": f"{self.base}/here/tmp", "USER": "tester",
               "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "PYTHONHASHSEED": "0",
               "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": "1700000000",
               "SCRIPTS": os.path.join(self.ctx.top, "tests", "programs", "scripts"),
               "TOP": self.ctx.top, "BUILD": self.ctx.build, "CC": os.environ.get("CC", "gcc"),
               "SHIM_OF_RUN": ""}
        return env

    def run(self, how, settings):
        work = f"{self.base}/here"
        for folder in ("home", "here/tmp"):
            os.makedirs(f"{self.base}/{folder}")
        os.chmod(f"{work}/tmp", 0o1777)
        outputs = [f"{self.base}/{name}" for name in ("out", "err")]	# the same in both runs
        start = time.monotonic()
        with open(outputs[0], "wb") as out, open(outputs[1], "wb") as err:
            process = subprocess.Popen(["/bin/bash", "-c", self.row.command], cwd=work,
                                       env={**self.env(), **settings}, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err)
            try:
                code = process.wait(self.row.limit_s)
            except subprocess.TimeoutExpired:
                code = "no end; these were running:\n" + process_list()
        seconds = time.monotonic() - start
        leftover = end_leftover(LEFTOVER_WAIT_S if isinstance(code, int) else 0)
        texts = []
        for path in outputs:
            with open(path, errors="backslashreplace") as file:
                text = file.read()
            for pattern, replacement in (*self.row.normalise, ADDRESS):
                text = re.sub(pattern, replacement, text, flags=re.M)
            texts.append(text)
            with open(f"{self.base}/{how}.{os.path.basename(path)}", "w") as file:
                file.write(text)
        files = read_tree(work, self.row.ignore)
        os.rename(work, f"{self.base}/{how}")
        shutil.rmtree(f"{self.base}/home")
        return Run(code, *texts, files, leftover, seconds)

    def traced(self, follow):
        folder = f"{self.base}/traces-{follow}"
        os.mkdir(folder)
        os.chmod(folder, 0o1777)
        run = self.run("traced-" + follow,
                       {"LD_PRELOAD": self.ctx.shim, "LLMTRACE_FOLLOW": follow,
                        "LLMTRACE_OUTPUT": f"{folder}/%x-%p.zst", "SHIM_OF_RUN": self.ctx.shim})
        return run, folder

    def same(self, native, traced, follow):
        def fail_unless(is_true, message):
            self.ctx.check(is_true, f"with LLMTRACE_FOLLOW={follow}: {message}")
        for what in ("out", "err"):
            left, right = getattr(native, what), getattr(traced, what)
            fail_unless(left == right, f"std{what} native against traced: " +
                        first_difference(left, right) + f"; stderr ends {traced.err[-600:]!r}")
        fail_unless(native.code == traced.code,
                    f"exit code {native.code} against {traced.code}: {traced.err[-600:]!r}")
        fail_unless(native.leftover == traced.leftover,
                    f"processes left {native.leftover} against {traced.leftover}")
        for name in sorted(native.files.keys() | traced.files.keys()):
            pair = [run.files.get(name) for run in (native, traced)]
            fail_unless(pair[0] == pair[1], f"file {name}: {pair[0]} against {pair[1]}")

    def read_traces(self, folder):
        """Every trace is readable, says how its process ended, and has lost nothing."""
        names = sorted(os.listdir(folder))
        self.ctx.check(names, "no trace was written")
        in_shm = " ".join(glob.glob("/dev/shm/llmtrace-*"))
        step = 1 + len(names) // TRACES_READ_MAX
        for number, name in enumerate(names):
            pid = name.rpartition("-")[2].partition(".")[0]
            if number % step and f"llmtrace-{pid}-" not in in_shm:
                continue
            trace = os.path.join(folder, name)
            if not os.path.getsize(trace):
                continue	# killed before the constructor had written the head
            done = subprocess.run([self.ctx.report_program, "--json", trace], capture_output=True,
                                  check=False)
            self.ctx.equal(done.returncode, 0,
                           f"exit code of the report of {trace} ({done.stderr[-600:]!r})")
            report = json.loads(done.stdout)["trace"]
            self.ctx.check(report["exit"]["kind"] in ("exit", "signal", "killed", "exec", "running"),
                           f"{trace}: how it ended: {report['exit']}")
            self.ctx.equal(report["lost_event_count"], 0, f"lost_event_count of {trace}")
        return len(names)

    def check_pools(self):
        """No ring file of these runs is left: all processes have ended and all traces are read."""
        left = []
        empty = [name for follow in self.row.follow for name in os.listdir(f"{self.base}/traces-{follow}")
                 if not os.path.getsize(f"{self.base}/traces-{follow}/{name}")]
        for pool in glob.glob("/dev/shm/llmtrace-*"):
            try:
                with open(pool, "rb") as file:
                    head = file.read(POOL_HEAD_BYTES)
                if any(f"{self.base}/traces-{f}/{n}".encode() in head
                       for f in self.row.follow for n in empty):
                    os.unlink(pool)	# killed before it could write the trace's head
                elif self.base.encode() + b"/" in head:
                    left.append(pool)
            except OSError:
                pass	# another run's, just removed
        for pool in left:
            os.unlink(pool)
        self.ctx.check(not left, f"left in /dev/shm: {left}")

    def look_for_needs(self):
        for need in self.row.needs:
            if not (os.path.exists(need) if need.startswith("/") else shutil.which(need)):
                self.ctx.skip(f"needs {need}")

    def check(self):
        if self.row.broken and not os.environ.get("RUN_BROKEN"):
            self.ctx.skip(f"known to differ: {self.row.broken}")
        self.look_for_needs()
        become_subreaper()
        try:
            native = self.run("native", {})
            self.ctx.check(native.code == 0, f"the native run fails with {native.code}: {native.err[-600:]!r}")
            ratios = []
            for follow in self.row.follow:
                traced, folder = self.traced(follow)
                self.same(native, traced, follow)
                count = self.read_traces(folder)
                ratios.append(f"{traced.seconds:.1f} s with {count} traces")
                if traced.seconds > SLOW_RATIO * max(native.seconds, SLOW_FROM_S):
                    self.ctx.note(f"slow: {native.seconds:.1f} s, then {ratios[-1]}")
            self.check_pools()
            print(f"{native.seconds:.1f} s native; " + "; ".join(ratios))
        except Exception:
            shutil.move(self.base, os.path.join(self.ctx.scratch, "kept"))
            raise
        shutil.rmtree(self.base)
