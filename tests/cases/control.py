# SPDX-License-Identifier: MIT
"""Start, stop and marks while the process runs: ctl, a signal, LLMTRACE_START."""
import os
import re
import signal
import subprocess
import time



class Controlled:
    """The fixture `controlled` under the shim, told what to do line by line."""
    def __init__(self, ctx, env=None, shim=True):
        self.ctx = ctx
        full_env = dict(os.environ, **(ctx.trace_env(env) if shim else env or {}))
        self.process = subprocess.Popen([ctx.fixture("controlled")], env=full_env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        cwd=ctx.directory("traced"), bufsize=1)
        ctx.equal(self.process.stdout.readline(), "ready\n", "first line")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def do(self, line):
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().strip()

    def ctl(self, *words, code=0):
        """@return what ctl printed: one line."""
        done = subprocess.run([os.path.join(self.ctx.build, "llmtrace"), "ctl", str(self.process.pid), *words],
                              capture_output=True, text=True, check=False)
        self.ctx.equal(done.returncode, code, f"exit code of ctl {words} ({done.stdout!r} {done.stderr!r})")
        said = done.stdout + done.stderr
        self.ctx.equal(len(said.splitlines()), 1, f"lines of ctl {words}: {said!r}")
        return said.strip()

    def end(self):
        self.process.stdin.write("end\n")
        self.ctx.equal(self.process.wait(20), 0, "exit code")


def calls(events, name, leaf):
    return sum(1 for e in events if e.name == name and e.leaf == leaf)


def keep_row(ctx, report):
    rows = [row for row in ctx.rows(report, "heap_by_stack") if row["stack"] and row["stack"][0] == "keep"]
    return {column: sum(row[column] for row in rows)
            for column in ("alloc_count", "live_at_exit_count", "live_at_exit_bytes")}


def coverage(report):
    return {line["subject"]: line for line in report["coverage"]}


def case_stop_and_start(ctx):
    """What is done while recording is off is not there; all else is, once."""
    with Controlled(ctx) as target:
        target.do("alloc 1000")
        ctx.check("off" in target.ctl("stop"), "stop does not say off")
        # everything up to the stop is in the file itself, and no more comes
        done = subprocess.run(["zstd", "-t", "-q", ctx.trace], capture_output=True, check=False)
        ctx.equal(done.returncode, 0, "zstd -t of a stopped trace")
        ctx.equal(calls(ctx.dump(), "alloc", "keep"), 1000, "allocations at the stop")
        ctx.check("already" in target.ctl("stop"), "a second stop")
        stopped_at = time.monotonic()
        target.do("large 500")
        target.do("free 300")
        report = ctx.report()
        ctx.equal(report["trace"]["exit"]["kind"], "running", "kind of end")
        text = ctx.report_run().out
        ctx.check("recording is off" in text, f"the report of a stopped process:\n{text[:600]}")
        off_s = time.monotonic() - stopped_at
        target.ctl("start")
        ctx.check("already" in target.ctl("start"), "a second start")
        target.do("alloc 70")
        target.do("free 900")	# 700 known blocks, 200 that nobody has seen
        target.end()
    report = ctx.is_whole()
    events = ctx.dump()
    ctx.equal(calls(events, "alloc", "keep"), 1070, "allocations of keep")
    changes = [(e.aux, e["by"]) for e in events if e.name == "recording"]
    ctx.equal(changes, [("off", "llmtrace ctl"), ("on", "llmtrace ctl")], "changes")
    # 300 blocks were released unseen: as far as their addresses did not come again they count as
    # live, and the coverage says that this is not sure
    keep = keep_row(ctx, report)
    ctx.equal(keep["alloc_count"], 1070, "allocations of keep in the table")
    ctx.check(70 <= keep["live_at_exit_count"] <= 370, f"live blocks of keep: {keep}")
    lines = coverage(report)
    time_line = lines["time recorded, in ms"]
    ctx.check(time_line["total"] - time_line["seen"] >= off_s * 1000 - 100, f"{time_line}, off for {off_s} s")
    ctx.check("was off for" in time_line["note"], time_line["note"])
    unsure = lines["blocks live at the end"]
    ctx.check(unsure["total"] - unsure["seen"] >= keep["live_at_exit_count"] - 70,
              f"blocks that may be gone: {unsure}")
    released = lines["released blocks"]
    ctx.check(released["total"] - released["seen"] >= 200, f"released blocks: {released}")
    ctx.check("recording was off" in released["note"], released["note"])


def case_begin_stopped(ctx):
    with Controlled(ctx, {"LLMTRACE_START": "off"}) as target:
        target.do("alloc 100")
        target.ctl("start")
        target.do("alloc 20")
        target.end()
    report = ctx.is_whole()
    ctx.equal(keep_row(ctx, report)["alloc_count"], 20, "allocations of keep")
    ctx.check("LLMTRACE_START" in [e["by"] for e in ctx.dump() if e.name == "recording"], "who switched off")


def case_ends_while_stopped(ctx):
    """The trace is closed in order, with the way the process ended."""
    with Controlled(ctx) as target:
        target.do("alloc 10")
        target.ctl("stop")
        target.do("alloc 10")
        target.end()
    report = ctx.is_whole()
    end = report["trace"]["exit"]
    ctx.equal((end["kind"], end["code"]), ("exit", 0), "end")
    ctx.equal(keep_row(ctx, report)["alloc_count"], 10, "allocations of keep")
    ctx.check("off at the end" in coverage(report)["time recorded, in ms"]["note"], "off at the end")


def case_marks(ctx):
    """A mark is a phase, up to the next one."""
    with Controlled(ctx) as target:
        target.do("alloc 5")
        target.ctl("mark", "first load")
        target.do("alloc 30")
        target.ctl("mark", "second")
        target.do("alloc 400")
        target.ctl("mark", "-")
        target.do("alloc 5000")
        target.ctl("stop")
        said = target.ctl("mark", "third", code=2)
        ctx.check("recording is off" in said, said)
        target.end()
    report = ctx.is_whole()
    phases = {row["phase"]: row["alloc_count"] for row in ctx.rows(report, "phases")}
    ctx.check("third" not in phases, f"phases: {phases}")
    ctx.equal((phases.get("first load"), phases.get("second")), (30, 400), "allocations by phase")
    only = ctx.report("--phase", "second")
    ctx.equal(keep_row(ctx, only)["alloc_count"], 400, "allocations of keep in the phase")


def wait_for(ctx, condition, what):
    until = time.monotonic() + 20
    while not condition():
        ctx.check(time.monotonic() < until, f"{what} did not come in 20 s")
        time.sleep(0.02)


def changes_now(ctx):
    return [e.aux for e in ctx.dump() if e.name == "recording"]


def case_signal(ctx):
    """The signal toggles; errno and system calls of the target are not touched by it."""
    with Controlled(ctx, {"LLMTRACE_SIGNAL": "SIGUSR2"}) as target:
        target.do("alloc 10")
        target.process.send_signal(signal.SIGUSR2)
        wait_for(ctx, lambda: changes_now(ctx) == ["off"], "the stop")
        target.do("alloc 10")
        target.process.send_signal(signal.SIGUSR2)
        wait_for(ctx, lambda: changes_now(ctx) == ["off", "on"], "the start")
        target.do("alloc 3")
        # its own handler wins from now on
        target.do("handler")
        ctx.equal(target.do("raise"), "raised 1", "the target's handler")
        target.do("alloc 4")
        target.end()
    ctx.equal(keep_row(ctx, ctx.is_whole())["alloc_count"], 17, "allocations of keep")
    ctx.equal(changes_now(ctx), ["off", "on"], "changes")


def case_no_handler_by_default(ctx):
    with Controlled(ctx) as target:
        status = open(f"/proc/{target.process.pid}/status").read()
        caught = int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16)
        ctx.equal(caught & 0x7fffffff, 0, "signals with a handler, the C library's own left out")
        target.process.send_signal(signal.SIGUSR2)
        ctx.equal(target.process.wait(20), -signal.SIGUSR2, "exit code")
    ctx.equal(ctx.report()["trace"]["exit"]["kind"], "killed", "kind of end")	# takes the rings away


def case_refusals(ctx):
    """Each in one line, exit code 2."""
    ctl = [os.path.join(ctx.build, "llmtrace"), "ctl"]
    with Controlled(ctx) as target:
        ctx.check("use:" in target.ctl("pause", code=2), "unknown request")
        ctx.check("use:" in target.ctl("mark", code=2), "a mark without a name")
        ctx.check("bytes" in target.ctl("mark", "x" * 300, code=2), "a name that is too long")
        target.process.send_signal(signal.SIGSTOP)
        ctx.check("does not answer" in target.ctl("stop", code=2), "a stopped process")
        target.process.send_signal(signal.SIGCONT)
        target.do("alloc 5")	# the request was taken back
        target.end()
    ctx.equal(changes_now(ctx), [], "changes by a request that was taken back")
    with Controlled(ctx, shim=False) as target:
        ctx.check("not traced" in target.ctl("stop", code=2), "a process without the shim")
    for words, wanted in (([str(target.process.pid), "stop"], "no process"), (["12x", "stop"], "use:"),
                          ([], "use:")):
        done = ctx.run([*ctl, *words])
        ctx.equal(done.code, 2, f"exit code of ctl {words}")
        ctx.check(wanted in done.err and len(done.err.splitlines()) == 1, f"ctl {words}: {done.err!r}")
    with Controlled(ctx) as target:
        done = subprocess.run([*ctl, str(target.process.pid), "stop"], capture_output=True, text=True,
                              check=False, user=65534, group=65534, extra_groups=[])
        ctx.equal(done.returncode, 2, "exit code for another user")
        ctx.check("another user" in done.stderr, done.stderr)


def case_costs_nothing_unused(ctx):
    """The target's own threads make no call for it, and no descriptor or socket stays."""
    with Controlled(ctx) as target:
        target.do("quiet")
        folder = f"/proc/{target.process.pid}/fd"
        fds = sorted(int(name) for name in os.listdir(folder))
        links = [os.readlink(f"{folder}/{fd}") for fd in fds]
        ctx.check(not any(link.startswith("socket:") for link in links), f"descriptors: {links}")
        ctx.equal([fd for fd in fds if fd > 2], [], "descriptors of the shim in the target's table")
        target.end()
    ctx.is_whole()
