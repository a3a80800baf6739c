# SPDX-License-Identifier: MIT
"""What a case gets: programs run natively and traced, dumps and reports read, sums checked."""
import collections
import filecmp
import getpass
import json
import os
import resource
import subprocess

import dumpfile
import events_def


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def limit(seconds):
    """Decorator: the time limit of a case that needs more than the usual minute."""
    def mark(function):
        function.limit_s = seconds
        return function
    return mark


Result = collections.namedtuple("Result", "code out err directory")


def first_difference(left, right):
    """@return the first differing line of two texts, for messages."""
    left_lines, right_lines = left.splitlines(), right.splitlines()
    for i, (a, b) in enumerate(zip(left_lines, right_lines)):
        if a != b:
            return f"line {i + 1}: {a!r} against {b!r}"
    return f"{len(left_lines)} lines against {len(right_lines)}"


class Context:
    def __init__(self, top, build, scratch):
        self.top, self.build, self.scratch = top, build, scratch
        self.shim = os.path.join(build, "libllmtrace.so")
        self.report_program = os.path.join(build, "llmtrace-report")
        self.units = events_def.read_table(os.path.join(top, "include"))

    # ---- checks ----
    def check(self, is_true, message):
        if not is_true:
            raise Failed(message)

    def equal(self, got, wanted, what):
        if got != wanted:
            raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")

    def note(self, text):
        """A line that is printed even when the case passes."""
        print("note: " + text, flush=True)

    def skip(self, why):
        raise Skipped(why)

    # ---- programs ----
    def fixture(self, name):
        path = os.path.join(self.build, "tests", "fixtures", name)
        self.check(os.path.exists(path), f"{path} was not built")
        return path

    def directory(self, name):
        path = os.path.join(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        return path

    def run(self, command, directory="native", env=None, timeout=50, limits=None, stdin=None):
        """Runs a command in a directory of the scratch. limits: {RLIMIT_...: value}."""
        path = self.directory(directory)
        full_env = dict(os.environ, FIXTURE_EXPECT=os.path.join(self.scratch, directory + ".expect"))
        full_env.update(env or {})

        def set_limits():
            for what, value in (limits or {}).items():
                resource.setrlimit(what, (value, value))
        done = subprocess.run([str(word) for word in command], cwd=path, env=full_env,
                              capture_output=True, timeout=timeout, input=stdin, check=False,
                              preexec_fn=set_limits if limits else None)
        return Result(done.returncode, done.stdout.decode(errors="replace"),
                      done.stderr.decode(errors="replace"), path)

    def trace_env(self, env=None):
        settings = {"LD_PRELOAD": self.shim,
                    "LLMTRACE_OUTPUT": os.path.join(self.scratch, "trace.zst")}
        # cases compare paths: below a user's home they must be the real ones
        if any(f"/{folder}/" in self.scratch for folder in ("home", "Users", "users", getpass.getuser())):
            settings["LLMTRACE_PRIVACY"] = "off"
        return {**settings, **(env or {})}

    def traced(self, command, directory="traced", env=None, **options):
        self.check(os.path.exists(self.shim), f"{self.shim} was not built")
        return self.run(command, directory, self.trace_env(env), **options)

    def both(self, command, env=None, **options):
        """Runs natively, then traced: same output, exit code and files. @return the traced result."""
        native = self.run(command, env=env, **options)
        traced = self.traced(command, env=env, **options)
        self.equal(traced.code, native.code, f"exit code (stderr: {traced.err[-500:]!r})")
        self.check(traced.out == native.out,
                   "stdout native against traced: " + first_difference(native.out, traced.out))
        self.check(traced.err == native.err,
                   "stderr native against traced: " + first_difference(native.err, traced.err))
        self.same_files(native.directory, traced.directory)
        return traced

    def same_files(self, left, right):
        names = [sorted(os.listdir(d)) for d in (left, right)]
        self.equal(names[1], names[0], "files of the traced run")
        for name in names[0]:
            pair = [os.path.join(d, name) for d in (left, right)]
            if os.path.isfile(pair[0]):
                self.check(filecmp.cmp(*pair, shallow=False), f"{name} differs when traced")

    # ---- traces ----
    @property
    def trace(self):
        return os.path.join(self.scratch, "trace.zst")

    def dump(self, trace=None, code=0):
        trace = trace or self.trace
        self.check(os.path.exists(trace), f"no trace {trace}")
        done = subprocess.run([self.report_program, "dump", trace], capture_output=True, check=False)
        self.equal(done.returncode, code, f"exit code of dump ({done.stderr.decode()!r})")
        text = done.stdout.decode(errors="replace")
        with open(os.path.join(self.scratch, "dump"), "w") as file:
            file.write(text)
        return dumpfile.parse_dump(text, self.units)

    def report_run(self, *arguments, trace=None, env=None):
        command = [self.report_program, *arguments, trace or self.trace]
        return self.run(command, "report", env)

    def report(self, *arguments, trace=None, code=0):
        """@return the report's JSON."""
        done = self.report_run("--json", *arguments, trace=trace)
        self.equal(done.code, code, f"exit code of the report ({done.err!r})")
        with open(os.path.join(self.scratch, "report.json"), "w") as file:
            file.write(done.out)
        try:
            return json.loads(done.out)
        except ValueError as why:
            raise Failed(f"--json is not JSON: {why}") from None

    def is_whole(self, trace=None):
        """The trace is closed, nothing is lost, zstd accepts it. @return the report's JSON."""
        trace = trace or self.trace
        self.zstd_accepts(trace)
        report = self.report(trace=trace)
        self.equal(report["trace"]["lost_event_count"], 0, "lost_event_count")
        self.equal(report["trace"]["complete"], True, "complete")
        return report

    def ring_file(self, trace=None):
        """Path of the file with the rings, as the head of the trace has it; "" for none."""
        with open(trace or self.trace, "rb") as file:
            head = file.read(8 + 592)			# struct lt_frame_header, lt_file_header
        return head[8 + 80:].split(b"\0")[0].decode()

    def has_no_rings(self, trace=None):
        path = self.ring_file(trace)
        self.check(path and not os.path.exists(path), f"rings left behind: {path!r}")

    def zstd_accepts(self, trace):
        done = subprocess.run(["zstd", "-t", "-q", trace], capture_output=True, check=False)
        self.equal(done.returncode, 0, f"zstd -t {os.path.basename(trace)}: {done.stderr.decode()}")

    def rows(self, report, table):
        self.check(table in report["tables"], f"no table {table}")
        return report["tables"][table]["rows"]
