# SPDX-License-Identifier: MIT
"""Every way to end: what was recorded is there, and the report says how it ended."""
import glob
import os
import resource
import signal
import subprocess
import time

import expected

ALLOCS = 1000


def count_own(events):
    return sum(1 for e in events if e.name == "alloc" and e.leaf == "allocate")


def check_exit(ctx, kind, report_kind, code, is_all_noted=True):
    """is_all_noted: false for ends that allocate more than the fixture has noted."""
    ctx.both([ctx.fixture("exits"), kind])
    events = expected.check_fixture(ctx, "exits") if is_all_noted else ctx.dump()
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


def case_threads_end_at_once(ctx):
    """Those behind the first one must not cut short the trace that it closes."""
    for _ in range(5):
        for path in glob.glob(f"{ctx.scratch}/*.expect"):
            os.remove(path)
        ctx.both([ctx.fixture("exits"), "many"])
        ctx.has_no_rings()			# before any report, which would remove them
        ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs recorded")
        exit_ = ctx.is_whole()["trace"]["exit"]
        ctx.equal((exit_["kind"], exit_["code"]), ("exit", 10), "kind of end")


def case_main_thread_ends_first(ctx):
    check_exit(ctx, "pthread_exit", "exit", 0)


def case_exit_handlers_of_the_first_thread(ctx):
    """The heir runs them, with the signals that the target has blocked, which are none."""
    ctx.check("INT 0, TERM 0" in ctx.both([ctx.fixture("exits"), "first_thread"]).out, "signals blocked")
    ctx.is_whole()


def case_only_one_thread_can_be_made(ctx):
    """Of a user who may have two: recording stays off, and nothing of it is left."""
    if os.geteuid():
        ctx.skip("only root can be another user")
    uid = 2000000000 + os.getpid()	# nobody else's processes count
    os.chmod(ctx.scratch, 0o777)
    command = [ctx.fixture("exits"), "first_thread"]
    run = dict(user=uid, capture_output=True, timeout=10, check=False, cwd=ctx.scratch,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (2, 2)))
    if subprocess.run(["true"], **run).returncode:
        ctx.skip("another user cannot run anything here")
    done = subprocess.run(command, env=dict(os.environ, **ctx.trace_env()), **run)
    ctx.equal(done.returncode, 0, "exit code")
    ctx.check(b"no thread for the writer" in done.stderr, f"stderr: {done.stderr!r}")
    ctx.equal(glob.glob(f"{ctx.trace}*"), [], "traces left behind")
    ctx.equal([path for path in glob.glob("/dev/shm/llmtrace-*") if os.stat(path).st_uid == uid], [],
              "rings left behind")


def case__exit(ctx):
    check_exit(ctx, "_exit", "exit", 5)


def case__Exit(ctx):
    check_exit(ctx, "_Exit", "exit", 6)


def case_quick_exit(ctx):
    check_exit(ctx, "quick_exit", "exit", 7)


def case_abort(ctx):
    check_exit(ctx, "abort", "signal", 6)


def check_killed(ctx, kind, is_all_noted=True):
    """The rings outlive the process; the report reads what the writer had not written, and removes them."""
    check_exit(ctx, kind, "killed", None, is_all_noted)
    ctx.has_no_rings()


def case_sigkill(ctx):
    check_killed(ctx, "sigkill")


def case_sigterm(ctx):
    check_killed(ctx, "sigterm")


def case_sigsegv(ctx):
    check_killed(ctx, "sigsegv")


# What ends a program without a handler; SIGKILL, SIGTERM, SIGSEGV and SIGABRT have cases of their own.
FATAL = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT,
         signal.SIGBUS, signal.SIGFPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM,
         16, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO,
         signal.SIGPWR, signal.SIGSYS, signal.SIGRTMIN, signal.SIGRTMAX]


def case_every_fatal_signal(ctx):
    """The kernel ends the process, no hook sees it: nothing is missing, and the report says killed."""
    for number in FATAL:
        for path in [ctx.trace, f"{ctx.scratch}/native.expect", f"{ctx.scratch}/traced.expect"]:
            if os.path.exists(path):
                os.remove(path)
        check_killed(ctx, f"signal {int(number)}")


def check_handler(ctx, name):
    """What the handler did on its own stack is there, too."""
    own = [e for e in ctx.dump() if e.name == "alloc" and e.leaf == name]
    ctx.equal([e["size_bytes"] for e in own], [31], f"mallocs of {name}")


def case_fault_with_a_handler_on_its_own_stack(ctx):
    check_killed(ctx, "handler_segv", False)
    check_handler(ctx, "end_in_handler")


def case_stack_overflow(ctx):
    check_killed(ctx, "overflow", False)
    check_handler(ctx, "end_in_handler")


def case_exit_in_a_handler_behind_an_overflow(ctx):
    check_exit(ctx, "handler_exit", "exit", int(signal.SIGSEGV), False)
    check_handler(ctx, "exit_in_handler")


def case_limit_of_cpu_time(ctx):
    check_killed(ctx, "cpu")


def case_limit_of_memory(ctx):
    """malloc finds none, the program gives up; the shim has no more either."""
    check_exit(ctx, "memory", "signal", 6, False)


def case_daemon(ctx):
    """The parent's trace ends with daemon(); the child goes on as any forked child does."""
    for follow, traces in (("auto", 0), ("1", 1)):
        ctx.traced([ctx.fixture("exits"), "daemon"], env={"LLMTRACE_FOLLOW": follow})
        done = os.path.join(ctx.scratch, "traced", "daemon.done")
        wait_for(ctx, lambda: os.path.exists(done), "the daemon has done its work")
        os.remove(done)
        report = ctx.is_whole()
        ctx.equal(report["trace"]["exit"]["kind"], "exit", "kind of end")
        ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs of the parent")
        others = glob.glob(f"{ctx.scratch}/trace-*.zst")
        ctx.equal(len(others), traces, f"traces of the daemon with LLMTRACE_FOLLOW={follow}")
        for path in others:
            wait_for(ctx, lambda: not os.path.exists(ctx.ring_file(path)), "the daemon has ended")
            ctx.equal(count_own(ctx.dump(path)), ALLOCS // 2, "mallocs of the daemon")
            ctx.equal(ctx.is_whole(path)["trace"]["exit"]["code"], 3, "exit code of the daemon")


def wait_for(ctx, is_true, what, seconds=20):
    end_s = time.monotonic() + seconds
    while not is_true():
        ctx.check(time.monotonic() < end_s, f"waited for {seconds} s: {what}")
        time.sleep(0.02)


# ---- the OOM killer ----
def memory_group(ctx):
    """Makes a group of processes with little memory. @return its folder"""
    name = f"llmtrace-test-{os.getpid()}"
    for top, limit in (("/sys/fs/cgroup", "memory.max"),
                       ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        folder = os.path.join(top, name)
        if not os.path.exists(os.path.join(top, "cgroup.procs")):
            continue
        try:
            os.mkdir(folder)
            if not os.path.exists(os.path.join(folder, limit)):
                raise OSError("no memory controller")
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(96 << 20))
            if limit == "memory.max" and os.path.exists(folder + "/memory.swap.max"):
                with open(folder + "/memory.swap.max", "w") as file:
                    file.write("0")
            return folder
        except OSError:
            if os.path.exists(folder):
                os.rmdir(folder)
    ctx.skip("no memory cgroup can be made here")


def case_killed_for_memory(ctx):
    """By the OOM killer of a cgroup: a SIGKILL, and the rings count as the group's memory, too."""
    folder = memory_group(ctx)
    try:
        ctx.traced(["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$1" oom', folder,
                    ctx.fixture("exits")], env={"LLMTRACE_FOLLOW": "auto"})
        ctx.equal(count_own(ctx.dump()), ALLOCS, "mallocs recorded")
        report = ctx.report()
        ctx.equal(report["trace"]["exit"]["kind"], "killed", "kind of end")
        ctx.equal(report["trace"]["lost_event_count"], 0, "lost_event_count")
        ctx.has_no_rings()
    finally:
        os.rmdir(folder)


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
