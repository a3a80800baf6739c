# SPDX-License-Identifier: MIT
"""Signal handlers that interrupt hooks: they nest, or they leave by siglongjmp."""
import expected


def run_mode(ctx, mode):
    """@return (events of the fixture's own calls by leaf and name, the fixture's counts, report)"""
    ctx.both([ctx.fixture("signals"), mode])
    events = ctx.dump()
    notes, _ = expected.read_notes(f"{ctx.scratch}/traced.expect")
    counts = next(iter(notes.values()))[0][2]
    after = [e for e in events if e.name == "alloc" and e.leaf == "allocate_afterwards"]
    ctx.equal(len(after), counts["after"], "mallocs after the storm that were recorded")
    return events, counts, ctx.is_whole()


def passed_through(events):
    return sum(e["passed_count"] for e in events if e.name == "stream_stats")


def case_handler_makes_hooked_calls(ctx):
    """What a nested hook records or passes through adds up to the calls made."""
    events, counts, _ = run_mode(ctx, "nest")
    loop = [e for e in events if e.name == "heap_call" and e.leaf == "loop_deep"]
    handler = [e for e in events if e.leaf == "on_timer" and e.name == "heap_call"]
    maps = [e for e in events if e.leaf == "on_timer" and e.name in ("map", "unmap")]
    ctx.equal(len(loop), counts["loop_calls"], "calls of the interrupted loop")
    wanted = counts["handler_calls"] + counts["handler_calls"] // 3 * 2
    passed = passed_through(events)
    ctx.equal(len(handler) + len(maps) + passed, wanted, "calls of the handler, recorded or passed")
    ctx.note(f"{len(loop)} calls interrupted by 400 signals; {passed} of {wanted} nested calls "
             "passed through")


def check_jump(ctx, mode):
    """A jump may lose the one call that it cut off, never one after it."""
    events, counts, _ = run_mode(ctx, mode)
    loop = sum(1 for e in events if e.name == "heap_call" and e.leaf == "loop_deep")
    # The counter itself is not raised for a call that was cut off after its record was made.
    ctx.check(abs(loop - counts["loop_calls"]) <= 400,
              f"{loop} calls recorded, {counts['loop_calls']} made, 400 jumps")
    ctx.check(loop > 400, f"only {loop} calls of the loop were recorded")


def case_jump_out_of_handler(ctx):
    check_jump(ctx, "jump")


def case_jump_out_of_alternate_stack(ctx):
    check_jump(ctx, "jump-alt")


def case_jump_and_large_frame(ctx):
    check_jump(ctx, "jump-deep")
