# SPDX-License-Identifier: MIT
"""Every way to end: what was recorded is there, and the report says how it ended."""
import glob
import os
import signal
import subprocess
import time

import expected

ALLOCS = 1000


def count_own(events):
    return sum(1 for e in events if e.name == "alloc" and e.leaf == "allocate")


def check_exit(ctx, kind, report_kind, code):
    ctx.both([ctx.fixture("exits"), kind])
    events = expected.check_fixture(ctx, "exits")
    ctx.equal(count_own(events), ALLOCS, "mallocs recorded")
    report = ctx.report()
    ctx.equal(report["trace"]["exit"]["kind"], report_kind, "kind of end")
    if code is not None:
        ctx.equal(report["trace"]["exit"]["code"], code, "exit code")
    ctx.equal(report["trace"]["lost_event_count"], 0, "lost_event_count")
    ctx.zstd_accepts(ctx.trace)
    return report


def case_return(ctx):
    check_exit(ctx, "return", "exit", 9)


def case_exit(ctx):
    check_exit(ctx, "exit", "exit", 4)


def case_exit_in_thread(ctx):
    check_exit(ctx, "thread", "exit", 8)


def case_main_thread_ends_first(ctx):
    check_exit(ctx, "pthread_exit", "exit", 0)


def case__exit(ctx):
    check_exit(ctx, "_exit", "exit", 5)


def case__Exit(ctx):
    check_exit(ctx, "_Exit", "exit", 6)


def case_quick_exit(ctx):
    check_exit(ctx, "quick_exit", "exit", 7)


def case_abort(ctx):
    check_exit(ctx, "abort", "signal", 6)


def check_killed(ctx, kind):
    """The rings outlive the process; the report reads what the writer had not written, and removes them."""
    report = check_exit(ctx, kind, "killed", None)
    rings = glob.glob(f"/dev/shm/llmtrace-{report['trace']['pid']}-*")
    ctx.equal(rings, [], "files left behind by a process that was killed and reported")


def case_sigkill(ctx):
    check_killed(ctx, "sigkill")


def case_sigterm(ctx):
    check_killed(ctx, "sigterm")


def case_sigsegv(ctx):
    check_killed(ctx, "sigsegv")


def case_report_twice(ctx):
    """What the report takes out of the rings of a killed process is there the next time."""
    ctx.both([ctx.fixture("exits"), "sigkill"])
    first = ctx.report()["trace"]
    second = ctx.report()["trace"]
    ctx.equal(second["event_count"], first["event_count"], "event_count of the second report")
    ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs in a dump after two reports")
    ctx.zstd_accepts(ctx.trace)


def case_running(ctx):
    """A process that still runs can be reported; its rings stay, and nothing is lost afterwards."""
    env = dict(os.environ, **ctx.trace_env(), FIXTURE_EXPECT=f"{ctx.scratch}/traced.expect")
    with subprocess.Popen([ctx.fixture("exits"), "sleep"], env=env, stdout=subprocess.PIPE,
                          cwd=ctx.directory("traced")) as process:
        try:
            ctx.equal(process.stdout.readline(), b"ready\n", "first line")
            events = expected.check_fixture(ctx, "exits")
            ctx.equal(count_own(events), ALLOCS, "mallocs at once")
            ctx.equal(ctx.report()["trace"]["exit"]["kind"], "running", "kind of end")
            time.sleep(0.6)
            ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs after the writer came by")
        finally:
            process.send_signal(signal.SIGKILL)
    ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs after SIGKILL")
    ctx.equal(ctx.report()["trace"]["exit"]["kind"], "killed", "kind of end after SIGKILL")
