# SPDX-License-Identifier: MIT
"""The report's own threads and memory: results do not depend on the one, nor the other on the events."""
import glob
import os

from harness import first_difference

THREAD_COUNTS = (2, 3, 7)


def reports_agree(ctx, trace, *arguments):
    """The report of one thread, word for word, whatever the number of threads."""
    one = ctx.report_run("--json", "--threads", "1", *arguments, trace=trace)
    ctx.equal(one.code, 0, f"exit code with one thread ({one.err!r})")
    for count in THREAD_COUNTS:
        many = ctx.report_run("--json", "--threads", str(count), *arguments, trace=trace)
        ctx.equal(many.code, 0, f"exit code with {count} threads ({many.err!r})")
        ctx.check(many.out == one.out, f"{os.path.basename(trace)}, one thread against {count}: "
                  + first_difference(one.out, many.out))


def case_blocks_that_change_hands(ctx):
    """Four threads free and reallocate each other's blocks: shards meet at each realloc."""
    ctx.both([ctx.fixture("heap_threads")])
    report = ctx.is_whole()
    ctx.check(sum(row["alloc_count"] for row in ctx.rows(report, "heap_by_stack")) > 5000,
              "too few allocations to tell anything")
    reports_agree(ctx, ctx.trace)
    reports_agree(ctx, ctx.trace, "--phase", ctx.rows(report, "phases")[0]["phase"])


def case_phases_of_a_run(ctx):
    """Blocks live across the bounds of marks: counted by the phase that they came in."""
    ctx.both([ctx.fixture("marks")])
    report = ctx.is_whole()
    reports_agree(ctx, ctx.trace)
    for row in ctx.rows(report, "phases"):
        reports_agree(ctx, ctx.trace, "--phase", row["phase"])


def case_golden_traces(ctx):
    for path in sorted(glob.glob(os.path.join(ctx.top, "tests", "golden", "*.zst"))):
        reports_agree(ctx, path)


def peak_bytes(ctx, *command):
    """@return (stdout, the most memory that the command ever had)"""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        try:
            os.execv(command[0], command)
        finally:
            os._exit(127)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        out = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    ctx.equal(os.waitstatus_to_exitcode(status), 0, "exit code of " + " ".join(command))
    return out, usage.ru_maxrss * 1024


def case_memory_follows_live_blocks(ctx):
    """Eight times the events of the same program, and the same memory: 64 bytes an event would be 160 MB."""
    peaks = {}
    for rounds in (700, 5600):
        result = ctx.traced([ctx.fixture("heap_churn"), rounds])
        pairs = int(result.out)
        report = ctx.is_whole()
        ctx.check(report["trace"]["event_count"] >= 2 * pairs - 512, "events are missing")
        sums = {column: sum(row[column] for row in ctx.rows(report, "heap_by_stack")
                            if "main" in (row["stack"] or []))
                for column in ("alloc_count", "live_at_exit_count")}
        ctx.equal(sums["alloc_count"], pairs, "allocations of the fixture")
        ctx.equal(sums["live_at_exit_count"], 512, "blocks that it left")
        _, peaks[rounds] = peak_bytes(ctx, ctx.report_program, "--threads", "2", ctx.trace)
    ctx.note(f"the report's peak: {peaks[700] >> 20} MB for 0.7 M events, {peaks[5600] >> 20} MB for 5.7 M")
    ctx.check(peaks[5600] < peaks[700] + (8 << 20), f"memory grows with the events: {peaks}")
