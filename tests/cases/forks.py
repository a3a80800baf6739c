# SPDX-License-Identifier: MIT
"""Forked children: silent by default, with a trace of their own by LLMTRACE_FOLLOW=1, never hanging,
and named in the trace of their parent."""
import os

from harness import limit

CHILD_BYTES, PARENT_BYTES = 5555, 6666


def end_of(number):
    """How fork_storm.c ends its children: every tenth is killed, the others call exit or _exit."""
    return "signal 9" if number % 10 == 9 else "exit 0"


def child_traces(ctx):
    """{pid: path} of all traces but the first process's."""
    names = [n for n in os.listdir(ctx.scratch) if n.startswith("trace-") and n.endswith(".zst")]
    return {int(n[len("trace-"):-len(".zst")]): os.path.join(ctx.scratch, n) for n in names}


def allocs_of(ctx, report, function):
    """Allocations whose call stack begins in a function."""
    return sum(row["alloc_count"] for row in ctx.rows(report, "heap_by_stack")
               if row["stack"] and row["stack"][0].split("+")[0] == function)


def storm(ctx, mode, count, follow):
    """@return the rows of the table of children, in the order of the forks"""
    command = [ctx.fixture("fork_storm"), mode, count]
    result = ctx.traced(command, env={"LLMTRACE_FOLLOW": follow})
    ctx.equal((result.code, result.out, result.err), (0, f"ended: {count} of {count}\n", ""),
              "what the fixture says")
    rows = ctx.rows(ctx.is_whole(), "children")
    ctx.equal(len(rows), count, "children in the parent's trace")
    rows.sort(key=lambda row: row["start_ns"])
    ctx.equal([row["made_by"] for row in rows], ["fork"] * count, "made_by")
    ctx.equal([row["ended"] for row in rows], [end_of(i) for i in range(count)], "ended")
    ctx.equal(len({row["pid"] for row in rows}), count, "different pids")
    return rows


def check_child(ctx, row, number, path):
    """The whole trace of one child, which the fixture ended in one of three ways."""
    ctx.equal(row["trace"], path, "trace of the child in the parent's table")
    ctx.check(row["program"].endswith("/fork_storm"), f"program {row['program']}")
    if end_of(number) == "exit 0":
        ctx.has_no_rings(path)		# it has closed its trace itself
    report = ctx.report("--section", "heap_by_stack", trace=path)
    trace = report["trace"]
    ctx.equal(trace["pid"], row["pid"], "pid in the child's trace")
    ctx.equal(trace["exit"]["kind"], "exit" if end_of(number) == "exit 0" else "killed", "kind of end")
    ctx.equal(trace["lost_event_count"], 0, "lost_event_count")
    ctx.equal(allocs_of(ctx, report, "be_child"), 20, f"mallocs of child {number}")
    ctx.equal(allocs_of(ctx, report, "churn"), 0, f"the parent's mallocs in child {number}")
    ctx.has_no_rings(path)
    return report


def check_inherited(ctx, report):
    """The one block that the parent allocated and the child freed."""
    released = [line for line in report["coverage"] if line["subject"] == "released blocks"]
    ctx.check(released and "by the parent before the fork" in released[0]["note"],
              f"coverage: {released}")
    ctx.check(released[0]["seen"] < released[0]["total"], f"coverage: {released}")


def case_200_forks_of_a_threaded_process(ctx):
    rows = storm(ctx, "plain", 200, "auto")
    ctx.equal([row["trace"] for row in rows], [None] * 200, "traces of children that are not followed")
    ctx.equal(child_traces(ctx), {}, "files of children that are not followed")


@limit(180)
def case_200_forks_followed(ctx):
    rows = storm(ctx, "plain", 200, "1")
    files = child_traces(ctx)
    ctx.equal(sorted(files), sorted(row["pid"] for row in rows), "traces of children")
    for number, row in enumerate(rows):
        if number % 10 < 2 or number % 10 == 9:
            check_inherited(ctx, check_child(ctx, row, number, files[row["pid"]]))
        ctx.zstd_accepts(files[row["pid"]])	# the report cuts off what a kill left half written


def case_forks_while_the_loader_is_locked(ctx):
    """Nothing in such a child may ask the loader for its list: it would never answer."""
    rows = storm(ctx, "loader", 10, "1")
    files = child_traces(ctx)
    for number, row in enumerate(rows):
        check_child(ctx, row, number, files[row["pid"]])


def end_in(report):
    return report["trace"]["exit"]["kind"], report["trace"]["exit"]["code"]


def case_followed_child(ctx):
    """The child's events, in order, with its thread and stacks, beside its parent's trace."""
    ctx.both([ctx.fixture("processes"), "fork"], env={"LLMTRACE_FOLLOW": "1"})
    (pid, path), = child_traces(ctx).items()
    ctx.has_no_rings(path)			# it has closed its trace itself
    events = ctx.dump(path)
    own = [e for e in events if e.name == "alloc" and e["size_bytes"] == CHILD_BYTES]
    ctx.equal([e.leaf for e in own], ["be_child"] * 20, "mallocs of the child and its thread")
    ctx.check("call_fork" in own[0].stack and "main" in own[0].stack, own[0].line)
    ctx.equal(len({e.tid for e in own}), 2, "threads of the child")
    ctx.equal([e["size_bytes"] for e in events if e.name == "alloc" and e["size_bytes"] == PARENT_BYTES],
              [], "the parent's mallocs")
    report = ctx.is_whole(path)
    ctx.equal(end_in(report), ("exit", 21), "end of the child")
    parent = ctx.is_whole()
    ctx.equal(end_in(parent), ("exit", 0), "end of the parent")
    row, = ctx.rows(parent, "children")
    ctx.equal((row["pid"], row["trace"], row["ended"], row["parent_pid"]),
              (pid, path, "exit 21", parent["trace"]["pid"]), "row of the child")


def rows_of(ctx, mode, follow="auto"):
    for path in child_traces(ctx).values():
        os.remove(path)
    ctx.both([ctx.fixture("processes"), mode], env={"LLMTRACE_FOLLOW": follow})
    keys = ("made_by", "ended", "program")
    return [tuple(row[key] and row[key].rpartition("/")[2] for key in keys)
            for row in ctx.rows(ctx.is_whole(), "children")]


def case_children_that_are_no_brief_helpers(ctx):
    """By default those that took long, or much memory, have a file; with LLMTRACE_FOLLOW=0 none has."""
    for kind in ("large", "long"):
        for follow, traces in (("auto", 1), ("1", 1), ("0", 0)):
            what = f"{kind}, LLMTRACE_FOLLOW={follow}"
            ctx.equal(rows_of(ctx, kind, follow), [("posix_spawn", "exit 20", "processes")], what)
            found = child_traces(ctx)
            ctx.equal(len(found), traces, f"traces of the child, {what}")
            for path in found.values():
                ctx.equal(end_in(ctx.is_whole(path)), ("exit", 20), f"end of the child, {what}")


def case_brief_helpers_leave_a_line(ctx):
    """No file of their own, but what they were and how they ended, in the parent's trace."""
    ctx.equal(rows_of(ctx, "spawn"), [("posix_spawn", "exit 20", "processes")], "posix_spawn")
    ctx.equal(rows_of(ctx, "vfork"), [("vfork", "exit 20", "processes"), ("vfork", "exit 33", None)],
              "vfork")
    shell = os.path.basename(os.path.realpath("/bin/sh"))
    ctx.equal(rows_of(ctx, "system"), [("system or popen", "exit 5", shell),
                                       ("system or popen", "exit 0", shell)], "system and popen")
    ctx.equal(child_traces(ctx), {}, "traces of brief helpers")
    ctx.equal(rows_of(ctx, "spawn", "1"), [("posix_spawn", "exit 20", "processes")], "followed")
    ctx.equal(len(child_traces(ctx)), 1, "traces of followed children")
    ctx.equal(rows_of(ctx, "spawn", "0"), [("posix_spawn", "exit 20", "processes")], "not followed")
    ctx.equal(child_traces(ctx), {}, "traces with LLMTRACE_FOLLOW=0")


def run_locks(ctx, mode):
    result = ctx.traced([ctx.fixture("fork_locks"), mode, ctx.fixture("lib_ctor.so")], timeout=20)
    ctx.equal((result.code, result.out, result.err), (0, "done\n", ""), mode)
    return ctx.is_whole()


def case_atfork_handler_waits_for_a_thread_in_dlclose(ctx):
    run_locks(ctx, "atfork")


def case_forks_while_execs_fail(ctx):
    """The switch goes off and on meanwhile: whatever a fork has locked it must unlock."""
    run_locks(ctx, "exec")


def case_forks_while_main_ends(ctx):
    for _ in range(3):
        ctx.equal(end_in(run_locks(ctx, "exit")), ("exit", 0), "end")


def case_forks_in_handlers(ctx):
    """They interrupt whatever their thread has locked."""
    run_locks(ctx, "handler")
