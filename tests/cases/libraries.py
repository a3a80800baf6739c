# SPDX-License-Identifier: MIT
"""Libraries that allocate before main and free after it; libraries that come and go."""
import heap_model

LIB_BYTES = 31337


def check_blocks(ctx, times):
    """Every block of the library is allocated and freed, under the library's own functions."""
    events = ctx.dump()
    allocs = [e for e in events if e.name == "alloc" and e["size_bytes"] == LIB_BYTES]
    ctx.equal(len(allocs), 20 * times, "blocks of the library")
    for event in allocs:
        ctx.equal(event.leaf, "lib_ctor_begin", f"caller of {event.line}")
    model = heap_model.replay(events)
    left = [addr for addr, size in model.live.items() if size == LIB_BYTES]
    ctx.equal(left, [], "blocks of the library that were never freed")
    report = ctx.is_whole()
    rows = [row for row in ctx.rows(report, "heap_by_stack") if row["stack"][0] == "lib_ctor_begin"]
    ctx.equal(sum(row["alloc_count"] for row in rows), 20 * times, "alloc_count in the report")
    ctx.equal(sum(row["live_at_exit_bytes"] for row in rows), 0, "live_at_exit_bytes in the report")


def case_constructor_and_destructor(ctx):
    ctx.both([ctx.fixture("library_linked")])
    check_blocks(ctx, 1)


def case_dlopen_and_dlclose(ctx):
    ctx.both([ctx.fixture("library_opened"), ctx.fixture("lib_ctor.so")])
    check_blocks(ctx, 10)
