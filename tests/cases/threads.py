# SPDX-License-Identifier: MIT
"""Threads: every entry point, how they end, thousands of short ones."""
import collections

import expected
from harness import limit


def case_entry_points(ctx):
    ctx.both([ctx.fixture("thread_calls")])
    events = expected.check_fixture(ctx, "thread_calls")
    created = [e for e in events if e.name == "thread_create" and not e["error"]]
    starts = {e["ticket"]: e for e in events if e.name == "thread_start"}
    for event in created:
        start = starts.get(event["ticket"])
        ctx.check(start, f"no thread_start for {event.line}")
        ctx.equal(start["start_routine"], event["start_routine"], f"start routine of {start.line}")
        ctx.check(start.tid != event.tid, f"started by itself: {start.line}")
    ctx.equal(len(created), len(starts), "threads started")
    report = ctx.is_whole()
    names = [row["name"] for row in ctx.rows(report, "threads")]
    ctx.check("by-handle" in names, f"the name set last is not in the threads table: {names}")


def case_every_end_is_seen(ctx):
    """Return, pthread_exit, cancel, detached, thrd_create: each thread ends in the trace."""
    ctx.both([ctx.fixture("thread_calls")])
    events = ctx.dump()
    started = {e.tid for e in events if e.name == "thread_start"}
    ended = {e.tid for e in events if e.name == "thread_exit"}
    ended |= {e["tid"] for e in events if e.name == "thread_end"}
    ctx.equal(started - ended, set(), "threads without an end")


@limit(120)
def case_thread_per_token(ctx):
    result = ctx.both([ctx.fixture("thread_many")])
    truth = dict(word.split("=") for word in result.out.split())
    events = ctx.dump()
    report = ctx.is_whole()
    creates = [e for e in events if e.name == "thread_create"]
    ctx.equal(len(creates), int(truth["threads"]), "thread_create events")
    ctx.equal(len({e["ticket"] for e in creates}), len(creates), "different tickets")
    allocs = [e for e in events if e.name == "alloc" and e.leaf == "work_on_token"]
    ctx.equal(sum(e["size_bytes"] for e in allocs), int(truth["alloc_bytes"]), "bytes allocated")
    check_rows(ctx, report, events, int(truth["threads"]))


def case_many_threads_end_together(ctx):
    """Giving back many rings fills the writer's own, which it must drain in the middle of that."""
    count = int(ctx.both([ctx.fixture("thread_crowd")]).out)
    own = [e for e in ctx.dump() if e.name == "alloc" and e.leaf == "be_one_of_many"]
    ctx.equal(len(own), count, "mallocs of the threads")
    ctx.equal(len(ctx.rows(ctx.is_whole(), "threads")) - 1, count, "threads in the report")


def check_rows(ctx, report, events, thread_count):
    """A thread that has the number of an earlier one is a row of its own."""
    rows = ctx.rows(report, "threads")
    ctx.equal(len(rows), thread_count + 1, "rows of the threads table (one is the main thread)")
    by_tid = collections.Counter(e.tid for e in events if e.name == "thread_start")
    reused = sum(1 for count in by_tid.values() if count > 1)
    ctx.note(f"{thread_count} threads, {len(by_tid)} thread ids, {reused} of them used again")
    allocs = sum(row["alloc_count"] for row in rows)
    wanted = sum(1 for e in events if e.name in ("alloc", "alloc_aligned", "realloc_end") and e["addr"])
    ctx.equal(allocs, wanted, "alloc_count of all threads")


def case_thread_id_is_used_again(ctx):
    """The fixture makes the kernel give one thread id to thread after thread."""
    try:
        with open("/proc/sys/kernel/ns_last_pid", "r+"):
            pass
    except OSError as why:
        ctx.skip(f"/proc/sys/kernel/ns_last_pid: {why.strerror}")
    ctx.both([ctx.fixture("thread_reuse")])
    events = expected.check_fixture(ctx, "thread_reuse")
    created = sum(1 for e in events if e.name == "thread_create")
    tids = {e.tid for e in events if e.name == "thread_start"}
    ctx.check(len(tids) < created, "no thread id was used again")
    rows = ctx.rows(ctx.is_whole(), "threads")
    ctx.equal(len(rows), created + 1, "rows of the threads table")
    got = collections.Counter(row["alloc_count"] for row in rows)
    missing = collections.Counter(range(1, created + 1)) - got
    ctx.equal(dict(missing), {}, "threads without a row of their own, by alloc_count")


def case_first_calls_at_the_same_moment(ctx):
    """200 threads that all need a ring at once wait for each other, and none goes without."""
    for _ in range(3):
        ctx.both([ctx.fixture("thread_storm")])
        blocks = [e for e in ctx.dump() if e.name == "alloc" and e["size_bytes"] == 7777]
        ctx.equal(len(blocks), 800, "mallocs of the threads")
        ctx.is_whole()
