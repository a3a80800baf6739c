# SPDX-License-Identifier: MIT
"""The heap: every entry point, across threads, the sums of the report."""
import collections

import expected
import heap_model


def case_entry_points(ctx):
    ctx.both([ctx.fixture("heap_calls")])
    expected.check_fixture(ctx, "heap_calls")
    ctx.is_whole()


def case_realloc_across_threads(ctx):
    ctx.both([ctx.fixture("heap_threads")])
    events = expected.check_fixture(ctx, "heap_threads")
    model = heap_model.replay(events)
    ctx.equal(model.alloc_of_live, [], "blocks allocated while they were live")
    ctx.equal(model.free_of_unknown, [], "blocks freed that were not live")
    ctx.is_whole()


def own_rows(ctx, report, functions):
    """{leaf: row} of heap_by_stack for the fixture's own functions."""
    found = collections.defaultdict(list)
    for row in ctx.rows(report, "heap_by_stack"):
        if row["stack"] and row["stack"][0] in functions:
            found[row["stack"][0]].append(row)
    return found


def case_report_sums(ctx):
    """heap_peak prints for each of its functions what heap_by_stack must say."""
    result = ctx.both([ctx.fixture("heap_peak")])
    events = ctx.dump()
    report = ctx.is_whole()
    truth = {}
    for line in result.out.splitlines():
        words = line.split()
        truth[words[0]] = dict(word.split("=") for word in words[1:])
    found = own_rows(ctx, report, truth)
    for function, wanted in truth.items():
        rows = found[function]
        ctx.check(rows, f"heap_by_stack has no row for {function}")
        for column, value in wanted.items():
            ctx.equal(sum(row[column] for row in rows), int(value), f"{column} of {function}")
    check_totals(ctx, events, report)


def check_totals(ctx, events, report):
    """The whole process: the report against a replay of the dump in Python."""
    model = heap_model.replay(events)
    rows = ctx.rows(report, "heap_by_stack")
    for column, wanted in (("alloc_count", model.alloc_count), ("alloc_bytes", model.alloc_bytes),
                           ("live_at_exit_bytes", model.live_bytes)):
        ctx.equal(sum(row[column] for row in rows), wanted, f"{column} of all stacks")
    peak = max(row["live_bytes"] for row in ctx.rows(report, "heap_over_time"))
    ctx.equal(peak, model.peak_bytes, "the highest live_bytes of heap_over_time")
    sizes = ctx.rows(report, "heap_sizes")
    ctx.equal(sum(row["alloc_count"] for row in sizes), model.alloc_count,
              "alloc_count of all sizes")
