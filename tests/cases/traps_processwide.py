# SPDX-License-Identifier: MIT
"""Traps of what a whole process shares: descriptors and signals. TRAPS.md has the list."""
import os
import resource

import expected


# ---- descriptors ----
def check_descriptors(ctx, mode, limits=None):
    """T10: not one byte of ours in the target's files, the numbers are its own, and the trace goes on."""
    limits = {resource.RLIMIT_NOFILE: 3000, **(limits or {})}
    result = ctx.both([ctx.fixture("trap_fds"), mode], limits=limits)
    wanted = {"first": b"a line\n" * 100 + b"the last line\n", "second": b"a line\n" * 100,
              "third": b"a line\n"}
    for name, content in wanted.items():
        with open(os.path.join(result.directory, name), "rb") as file:
            ctx.check(file.read() == content, f"{name} has other bytes in it")
    blocks = [e for e in ctx.dump() if e.name == "alloc" and e["size_bytes"] == 4711]
    rounds = 203 if "dup" in mode else 201
    ctx.equal(len(blocks), rounds * 100, "mallocs recorded")
    ctx.is_whole()


def case_close_range(ctx):
    check_descriptors(ctx, "range")


def case_closefrom(ctx):
    check_descriptors(ctx, "from")


def case_close_of_every_number(ctx):
    check_descriptors(ctx, "loop")


def case_dup2_onto_every_number(ctx):
    check_descriptors(ctx, "dup")


def case_close_past_the_hooks(ctx):
    check_descriptors(ctx, "raw")


def case_dup2_past_the_hooks(ctx):
    """The target's file lies on our numbers then, and can be closed like any other."""
    check_descriptors(ctx, "raw-dup")


def case_few_descriptors(ctx):
    """A limit below the numbers that ours have otherwise."""
    check_descriptors(ctx, "from", {resource.RLIMIT_NOFILE: 40})


# ---- signals ----
def check_signals(ctx, mode):
    """T19, T9: no deadlock, and after the storm every malloc of every thread is recorded. A handler that
    has interrupted a hook does not wait for a full ring: what it loses then is counted."""
    ctx.both([ctx.fixture("trap_signals"), mode])
    notes, _ = expected.read_notes(f"{ctx.scratch}/traced.expect")
    note = next(iter(notes.values()))[0][2]
    events = ctx.dump()
    after = [e for e in events if e.name == "alloc" and e.leaf == "allocate_afterwards"]
    by_thread = {}
    for event in after:
        by_thread[event.tid] = by_thread.get(event.tid, 0) + 1
    ctx.equal(sorted(by_thread.values()), [note["after"]] * note["threads"],
              "mallocs after the storm, by thread")
    handlers = [e for e in events if e.leaf == "handle"]
    first = sum(e.name == "alloc" and e["size_bytes"] == 100 for e in handlers)
    passed, lost = (sum(e[name] for e in events if e.name == "stream_stats")
                    for name in ("passed_count", "lost_count"))
    ctx.note(f"{len(handlers)} calls of handlers recorded, {passed} passed through, {lost} lost")
    ctx.check(first + passed + lost >= note["handled"],
              f"{note['handled']} handlers ran, {first} are recorded")
    report = ctx.report("--section", "coverage")["trace"]
    ctx.equal((report["lost_event_count"], report["complete"]), (lost, not lost),
              "what the report says of losses")
    ctx.zstd_accepts(ctx.trace)


def case_handlers_that_allocate(ctx):
    check_signals(ctx, "plain")


def case_handlers_on_alternate_stacks(ctx):
    check_signals(ctx, "alternate")


def case_handlers_that_jump(ctx):
    check_signals(ctx, "jump")
