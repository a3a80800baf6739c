# SPDX-License-Identifier: MIT
"""Page faults: each one has its page, its thread and its time; what is not seen is said."""
import collections
import glob
import os

import expected

PAGE = 4096
MIB = 1 << 20
# page, thread, kind, stall: of a run each fault gets its share
Fault = collections.namedtuple("Fault", "page tid kind stall_ns")


def faults_of(events):
    """Every fault of a dump, those of runs one by one."""
    found = []
    for event in events:
        if event.name == "fault":
            found.append(Fault(event["page"], event["tid"], event.aux, event["stall_ns"]))
        elif event.name == "fault_run":
            count = event["count"]
            found += [Fault(event["page"] + i * event["stride_pages"], event["tid"], event.aux,
                            event["stall_ns"] / count) for i in range(count)]
    return found


def totals_of(events):
    return [e for e in events if e.name == "fault_totals"][-1]


def run(ctx, *arguments, env=None):
    """The fixture, natively and traced, with notes of this run alone."""
    if os.path.exists(f"{ctx.scratch}/traced.expect"):
        os.unlink(f"{ctx.scratch}/traced.expect")
    return ctx.both([ctx.fixture("fault_touch"), *arguments], env=env)


def touched(ctx, directory="traced"):
    """What the fixture has noted: [(tid, fields)], in the order of its notes."""
    notes, _ = expected.read_notes(f"{ctx.scratch}/{directory}.expect")
    return [(tid, note[2]) for tid, rows in notes.items() for note in rows]


def check_whole_totals(ctx, events):
    """Nothing lost: what was taken is what the kernel has counted. @return the totals"""
    totals = totals_of(events)
    ctx.equal(totals["lost_count"], 0, "samples lost")
    ctx.equal(totals["taken_count"], totals["minor_count"] + totals["major_count"],
              "faults taken, against the kernel's count")
    ctx.equal(len([f for f in faults_of(events) if f.kind != "unfinished"]), totals["taken_count"],
              "faults in the trace")
    return totals


def needs_rings(ctx, events):
    if not any(e.name == "fault_totals" and e["ring_bytes"] for e in events):
        ctx.skip("the kernel gives no perf rings here")


def check_touched(ctx, events):
    """Every page that a thread has touched, once, by that thread."""
    needs_rings(ctx, events)
    check_whole_totals(ctx, events)
    by_tid = collections.defaultdict(list)
    for fault in faults_of(events):
        by_tid[fault.tid].append(fault)
    for tid, note in touched(ctx):
        first = note["addr"] // PAGE
        own = [f for f in by_tid[tid]
               if first <= f.page < first + note["pages"] and f.kind != "unfinished"]
        ctx.equal(sorted(f.page for f in own), list(range(first, first + note["pages"])),
                  f"pages of thread {tid}")
        stall_ns = sum(f.stall_ns for f in own)
        ctx.check(0 < stall_ns < note["wall_ns"],
                  f"{stall_ns} ns of stall in {note['wall_ns']} ns")
        ctx.check(note["minor"] + note["major"] <= len(by_tid[tid]),
                  f"the kernel counts {note['minor']} and {note['major']}, the trace {len(by_tid[tid])}")


def case_in_order(ctx):
    run(ctx, "anon", 5000, 0)
    events = ctx.dump()
    check_touched(ctx, events)
    folded = [e for e in events
              if e.name == "fault_run" and e["stride_pages"] == 1 and e["count"] > 100]
    ctx.check(folded, "faults in order are not folded")
    for event in folded:
        ctx.equal(sum(event["class_count"]), event["count"], "faults of the classes of a run")
    ctx.is_whole()


def case_scattered(ctx):
    run(ctx, "scatter", 9000)
    check_touched(ctx, ctx.dump())
    ctx.is_whole()


def case_threads(ctx):
    """Threads that are made later are seen from their first fault on."""
    run(ctx, "anon", 300, 20)
    events = ctx.dump()
    check_touched(ctx, events)
    ctx.equal(len(touched(ctx)), 20, "threads")
    ctx.is_whole()


def case_rings_by_thread(ctx):
    """Threads that live long enough get rings of their own; the main thread has one at once."""
    run(ctx, "anon", 5000, 0, env={"LLMTRACE_FAULTS": "thread"})
    check_touched(ctx, ctx.dump())
    ctx.is_whole()


def make_file(ctx, mebibytes):
    path = os.path.join(ctx.scratch, "data")
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())
    return path


def touch_file(ctx, path, how):
    """@return (events, faults on the file, the fixture's note)"""
    run(ctx, "file", path, how)
    events = ctx.dump()
    needs_rings(ctx, events)
    check_whole_totals(ctx, events)
    (tid, note), = touched(ctx)
    first = note["addr"] // PAGE
    own = [f for f in faults_of(events) if f.tid == tid and first <= f.page < first + note["pages"]]
    ctx.check(len(own) <= note["minor"] + note["major"], "more faults than the kernel counts")
    return events, own, note


def case_warm_file(ctx):
    path = make_file(ctx, 16)
    _, own, note = touch_file(ctx, path, "warm")
    ctx.equal(note["storage"], 0, "bytes from storage")
    ctx.equal([f for f in own if f.kind == "major"], [], "major faults")


def case_cold_file(ctx):
    """MADV_RANDOM: a wait for each page, and nearly all of the time is in the faults."""
    path = make_file(ctx, 16)
    for how in ("cold", "random"):
        _, own, note = touch_file(ctx, path, how)
        if note["storage"] < 15 * MIB:
            ctx.skip(f"{note['storage']} bytes came from storage: the file stays in memory here")
        major = [f for f in own if f.kind == "major"]
        ctx.equal(len(major), note["major"], f"major faults, {how}")
        stall_ns = sum(f.stall_ns for f in own)
        ctx.check(0.9 * note["wall_ns"] < stall_ns < note["wall_ns"],
                  f"{how}: {stall_ns} ns of stall in {note['wall_ns']} ns")


def case_inside_calls(ctx):
    """MAP_POPULATE and read make faults that no event of the kernel tells: the calls have them."""
    run(ctx, "populate", 3000)
    (_, note), = touched(ctx)
    event = next(e for e in ctx.dump() if e.name == "map" and e["addr"] == note["addr"])
    ctx.check(3000 <= event["minor_fault_count"] <= note["minor"],
              f"{event['minor_fault_count']} faults inside mmap, the thread had {note['minor']}")
    run(ctx, "read", make_file(ctx, 8))
    (_, note), = touched(ctx)
    events = ctx.dump()
    first = note["addr"] // PAGE
    call = next(e for e in events if e.name == "read" and e["buffer"] == note["addr"])
    ctx.equal(call["minor_fault_count"], note["pages"], "faults inside read")
    ctx.equal([f for f in faults_of(events) if first <= f.page < first + note["pages"]], [],
              "faults in user mode on the buffer")


def case_forks(ctx):
    """A child's faults are its own trace's, or nobody's."""
    for follow, traces in (("0", 1), ("1", 2)):
        for path in glob.glob(f"{ctx.scratch}/trace*.zst"):
            os.unlink(path)
        run(ctx, "fork", 400, env={"LLMTRACE_FOLLOW": follow})
        notes = dict(touched(ctx))
        paths = glob.glob(f"{ctx.scratch}/trace*.zst")
        ctx.equal(len(paths), traces, f"traces with LLMTRACE_FOLLOW={follow}")
        for path in paths:
            events = ctx.dump(path)
            needs_rings(ctx, events)
            check_whole_totals(ctx, events)
            tids = {f.tid for f in faults_of(events)}
            ctx.equal(len(tids), 1, f"threads with faults in {path}")
            note = notes[tids.pop()]
            pages = {f.page for f in faults_of(events)}
            ctx.check(set(range(note["addr"] // PAGE, note["addr"] // PAGE + 400)) <= pages,
                      "pages of the child or its parent are missing")


def case_no_page_behind(ctx):
    """SIGBUS: the fault has begun and was never served."""
    path = os.path.join(ctx.scratch, "data")
    with open(path, "wb") as file:
        file.write(b"x" * 4 * PAGE)
    run(ctx, "bus", path)
    events = ctx.dump()
    needs_rings(ctx, events)
    totals = check_whole_totals(ctx, events)
    open_faults = [f for f in faults_of(events) if f.kind == "unfinished"]
    ctx.equal(len(open_faults), 1, "faults that were not served")
    ctx.equal(totals["entry_count"], totals["taken_count"] + 1, "faults that began")


def case_tiny_ring(ctx):
    """A ring of one page loses samples, and the trace says how many."""
    run(ctx, "anon", 20000, 0, env={"LLMTRACE_FAULT_PAGES": "1"})
    events = ctx.dump()
    needs_rings(ctx, events)
    totals = totals_of(events)
    ctx.check(totals["ring_bytes"] <= PAGE * os.cpu_count(), f"rings of {totals['ring_bytes']} bytes")
    ctx.check(totals["minor_count"] >= 20000, "the kernel's count has losses, too")
    ctx.check(totals["lost_count"] > 0, "nothing was lost: is the ring larger?")
    ctx.check(totals["taken_count"] < totals["minor_count"], "samples are lost, but no fault is missing")
    ctx.check(totals["first_lost_ms"] > 0, "no time of the first loss")


def case_other_methods(ctx):
    """Counters alone, nothing, and a filter that refuses perf_event_open: the target runs on."""
    run(ctx, "anon", 2000, 2, env={"LLMTRACE_FAULTS": "counters"})
    events = ctx.dump()
    totals = [e for e in events if e.name == "fault_totals"]
    if totals:
        ctx.check(totals[-1]["minor_count"] >= 4000, f"counted: {totals[-1].line}")
    ctx.equal(faults_of(events), [], "faults with counters alone")
    run(ctx, "anon", 2000, 2, env={"LLMTRACE_FAULTS": "none"})
    ctx.equal([e.line for e in ctx.dump() if "fault_totals" in e.name], [], "totals without events")
    ctx.is_whole()
    os.unlink(ctx.trace)
    ctx.both([ctx.fixture("trap_places"), "forbid", ctx.fixture("fault_touch"), "anon", 2000, 2], env={"LLMTRACE_FOLLOW": "1"})
    trace, = glob.glob(f"{ctx.scratch}/trace-*.zst")
    ctx.equal([e.line for e in ctx.dump(trace) if "fault_totals" in e.name], [], "totals under a filter")
    ctx.is_whole(trace)


def case_group_off(ctx):
    run(ctx, "anon", 200, 0, env={"LLMTRACE_EVENTS": "heap,maps"})
    ctx.equal([e.line for e in ctx.dump() if e.name.startswith("fault")], [], "events of faults")
    ctx.is_whole()


def case_many_threads(ctx):
    run(ctx, "anon", 8, 500)
    events = ctx.dump()
    check_touched(ctx, events)
    ctx.equal(len(touched(ctx)), 500, "threads")
    ctx.is_whole()
