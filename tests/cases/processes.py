# SPDX-License-Identifier: MIT
"""fork, vfork, posix_spawn, system, exec: whose calls stand in whose trace."""
import os

CHILD_BYTES, PARENT_BYTES = 5555, 6666


def traces(ctx):
    """Every trace that the run has left, the one named first in front."""
    names = [n for n in os.listdir(ctx.scratch) if n.startswith("trace") and ".zst" in n]
    return sorted((os.path.join(ctx.scratch, n) for n in names), key=lambda p: (p != ctx.trace, p))


def count(events, size_bytes):
    return sum(1 for e in events if e.name == "alloc" and e["size_bytes"] == size_bytes)


def run_mode(ctx, mode, follow="auto"):
    """@return [events of each trace], the parent's first"""
    ctx.both([ctx.fixture("processes"), mode], env={"LLMTRACE_FOLLOW": follow})
    found = traces(ctx)
    for trace in found:
        ctx.zstd_accepts(trace)
    return [ctx.dump(trace) for trace in found]


def calls(events, aux):
    return [e for e in events if e.name == "process_call" and e.aux == aux]


def case_fork(ctx):
    """The child is silent in the parent's trace and works."""
    parent, *_ = run_mode(ctx, "fork")
    ctx.equal(count(parent, PARENT_BYTES), 20, "the parent's mallocs")
    ctx.equal(count(parent, CHILD_BYTES), 0, "the child's mallocs in the parent's trace")
    fork, = calls(parent, "fork")
    ctx.check(fork["result"] > 0, fork.line)
    ctx.is_whole()


def case_fork_while_threads_allocate(ctx):
    parent, *_ = run_mode(ctx, "threads")
    ctx.equal(count(parent, PARENT_BYTES), 20, "the parent's mallocs")
    ctx.equal(count(parent, CHILD_BYTES), 0, "the children's mallocs in the parent's trace")
    ctx.equal(len(calls(parent, "fork")), 40, "fork calls")
    ctx.is_whole()


def check_started(ctx, mode):
    """The program that was exec'd has its mallocs in a trace of its own, or, as a brief helper, in none.
    @return the parent's events"""
    for follow, wanted in (("1", 10), ("auto", 0), ("0", 0)):
        for trace in traces(ctx):
            os.remove(trace)
        parent, *others = run_mode(ctx, mode, follow)
        what = f"with LLMTRACE_FOLLOW={follow}"
        ctx.equal(count(parent, PARENT_BYTES), 20, f"the parent's mallocs {what}")
        ctx.equal(count(parent, CHILD_BYTES), 0, f"the child's mallocs in the parent's trace {what}")
        ctx.equal(sum(count(events, CHILD_BYTES) for events in others), wanted,
                  f"the child's mallocs in traces of its own ({len(others)}) {what}")
        ctx.is_whole()
    return parent


def case_vfork(ctx):
    parent = check_started(ctx, "vfork")
    ctx.equal(len(calls(parent, "vfork")), 2, "vfork calls")


def case_spawn(ctx):
    spawned = calls(check_started(ctx, "spawn"), "posix_spawn")
    ctx.equal([e["result"] > 0 for e in spawned], [True, False], "posix_spawn results")


def case_system(ctx):
    parent, *_ = run_mode(ctx, "system")
    ctx.equal(count(parent, PARENT_BYTES), 20, "the parent's mallocs")
    ctx.check(calls(parent, "system"), "system is not in the trace")
    ctx.is_whole()


def case_exec(ctx):
    """The same process, another program: two traces, the first ends with the exec."""
    all_events = run_mode(ctx, "exec", "1")
    before = [events for events in all_events if count(events, PARENT_BYTES)]
    after = [events for events in all_events if count(events, CHILD_BYTES)]
    ctx.equal([len(before), len(after)], [1, 1], "traces before and after the exec")
    ctx.equal(count(before[0], PARENT_BYTES), 10, "mallocs before")
    ctx.equal(count(after[0], CHILD_BYTES), 10, "mallocs after")
    ctx.equal(len(calls(before[0], "exec")), 1, "exec calls")
    kinds = [ctx.is_whole(trace)["trace"]["exit"]["kind"] for trace in traces(ctx)]
    ctx.equal(sorted(kinds), ["exec", "exit"], "kinds of end")


def case_wrapper_that_execs(ctx):
    """By default a brief wrapper leaves no file: the program that it becomes has the name."""
    all_events = run_mode(ctx, "exec")
    ctx.equal([count(events, CHILD_BYTES) for events in all_events], [10], "mallocs of the program")
    ctx.equal(traces(ctx), [ctx.trace], "traces")
    ctx.is_whole()


def case_exec_that_fails(ctx):
    parent, *_ = run_mode(ctx, "exec-fail")
    ctx.equal(count(parent, PARENT_BYTES), 20, "mallocs before and after")
    ctx.equal(len(calls(parent, "exec_failed")), 1, "failed exec calls")
    ctx.is_whole()
