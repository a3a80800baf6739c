# SPDX-License-Identifier: MIT
"""A target finds its own descriptors and no others, whatever way it looks."""
import resource


def look(ctx, follow, limits=None):
    result = ctx.both([ctx.fixture("trap_descriptors")], env={"LLMTRACE_FOLLOW": follow}, limits=limits)
    ctx.check("after closefrom: 2 is open" in result.out, f"the fixture said: {result.out[-300:]!r}")
    ctx.check("after closefrom: 3 is open" not in result.out, "a descriptor is left")
    ctx.is_whole()
    allocs = [e for e in ctx.dump() if e.name == "alloc" and e["size_bytes"] == 50]
    ctx.equal(len(allocs), 20000, "mallocs after closefrom")
    return result


def case_not_seen(ctx):
    """At the numbers of ours the target has files of its own, which its children still have."""
    for follow in ("auto", "1"):
        result = look(ctx, follow)
        for who in ("with files at high numbers", "child with files at high numbers"):
            ctx.check(f"\n{who}: 4000 is open: mine\n" in result.out, f"{who}: no file at 4000")


def case_not_seen_with_few_numbers(ctx):
    """Under a low limit ours would lie in the middle of the target's."""
    look(ctx, "auto", {resource.RLIMIT_NOFILE: 30})
