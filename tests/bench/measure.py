# SPDX-License-Identifier: MIT
"""Runs programs under the tools that are compared, interleaved, and takes medians."""
import collections
import math
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

Sample = collections.namedtuple("Sample", "wall_s cpu_s out err")

# Student's t, 97.5%, by degrees of freedom; from 30 on the normal value is near enough.
T_975 = [0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13,
         2.12, 2.11, 2.10, 2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05]


LIMIT_S = 100


class BenchError(Exception):
    pass


def children_cpu_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_limited(command, env, directory):
    """@return (exit code, stdout, stderr); after LIMIT_S everything that it started is ended"""
    with subprocess.Popen(command, env=env, cwd=directory, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = b"", f"no end within {LIMIT_S} s".encode()
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


class Bench:
    """One scratch directory in memory, so that no disk takes part."""

    def __init__(self, top, build, rounds):
        self.top, self.build, self.rounds = top, build, rounds
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.scratch = tempfile.mkdtemp(prefix="llmtrace-bench-", dir=place)
        self.shim = os.path.join(build, "libllmtrace.so")
        self.has_heaptrack = shutil.which("heaptrack") is not None
        self.has_strace = shutil.which("strace") is not None
        self.has_perf = shutil.which("perf") is not None

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def trace(self):
        return os.path.join(self.scratch, "trace.zst")

    def program(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def tools(self, *names):
        """The asked tools that are installed."""
        return [name for name in names
                if not (name.startswith("heaptrack") and not self.has_heaptrack)
                and not (name == "strace" and not self.has_strace)
                and not (name.startswith("perf") and not self.has_perf)]

    def run(self, tool, command, env=None):
        """One run under a tool: none, llmtrace, heaptrack-raw, heaptrack, perf-record,
        perf-trace, strace. CPU time is that of
        all processes that took part."""
        command = [str(word) for word in command]
        full_env = dict(os.environ, **(env or {}))
        if tool == "llmtrace":
            full_env.update(LD_PRELOAD=self.shim, LLMTRACE_OUTPUT=self.trace)
        elif tool.startswith("heaptrack"):
            raw = ["--raw"] if tool == "heaptrack-raw" else []
            command = ["heaptrack", *raw, "-o", os.path.join(self.scratch, "heaptrack"), *command]
        elif tool == "perf-record":
            command = ["perf", "record", "-q", "-e", "page-faults", "-c1", "-d", "-o",
                       os.path.join(self.scratch, "perf.data"), *command]
        elif tool == "perf-trace":
            command = ["perf", "trace", "-F", "all", "--no-syscalls", "-o",
                       os.path.join(self.scratch, "perf.txt"), *command]
        elif tool == "strace":
            command = ["strace", "-f", "-o", "/dev/null", *command]
        before, start = children_cpu_s(), time.monotonic()
        code, out, err = run_limited(command, full_env, self.scratch)
        wall_s = time.monotonic() - start
        if code:
            raise BenchError(f"{tool}: {' '.join(command)}: exit code {code}: {err[-300:]}")
        return Sample(wall_s, children_cpu_s() - before, out, err)

    def interleave(self, tools, command, value, env=None):
        """Rounds of one run under each tool. value(sample) > {name: number}.
        @return {tool: {name: median}}"""
        values = {tool: collections.defaultdict(list) for tool in tools}
        for _ in range(self.rounds):
            for tool in list(values):
                try:
                    sample = self.run(tool, command(tool) if callable(command) else command, env)
                except BenchError as why:
                    if tool in ("none", "llmtrace"):
                        raise
                    print(f"   left out: {why}", file=sys.stderr)
                    del values[tool]
                    continue
                for name, number in value(sample).items():
                    values[tool][name].append(number)
        return {tool: {name: statistics.median(numbers) for name, numbers in by_name.items()}
                for tool, by_name in values.items()}


def printed(sample):
    """name=value words of the program's output, with the process's own times."""
    numbers = {name: float(value) for name, value in re.findall(r"(\w+)=([0-9.]+)", sample.out)}
    numbers.update(process_wall_s=sample.wall_s, process_cpu_s=sample.cpu_s)
    return numbers


def ratio_interval(ratios):
    """@return (mean, low, high): geometric mean and its 95% interval"""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.mean(logs)
    if len(logs) < 2:
        return math.exp(mean), 0.0, math.inf
    t = T_975[len(logs) - 1] if len(logs) <= len(T_975) else 1.96
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


class Table:
    """The one table of budgets."""

    def __init__(self):
        self.rows = []

    def add(self, what, budget, measured, peer="", is_met=None):
        verdict = {True: "met", False: "MISSED", None: "-"}[is_met]
        self.rows.append((what, budget, measured, peer, verdict))

    def text(self):
        head = ("what", "budget", "measured", "peer, same run", "")
        rows = [head, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                 for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)
