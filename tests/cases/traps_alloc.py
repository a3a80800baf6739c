# SPDX-License-Identifier: MIT
"""Traps of the allocator: memory before the real one is known, thread-local memory and its ends,
other allocators before and behind us. TRAPS.md has the list."""
import os
import re
import subprocess

import expected
import heap_model

TLS_BYTES_MAX = 64
LIBRARIES = "/usr/lib/x86_64-linux-gnu"


def note_of(ctx, directory="traced"):
    """@return the one note of the fixture, as {name: number}"""
    notes, _ = expected.read_notes(f"{ctx.scratch}/{directory}.expect")
    return next(note for of_thread in notes.values() for kind, _, note in of_thread if kind == "note")


def preloaded(ctx, libraries, env=None):
    return ctx.trace_env({"LD_PRELOAD": " ".join(libraries), **(env or {})})


def case_blocks_from_before_the_allocator(ctx):
    """T1: blocks handed out while dlsym looks for malloc are aligned, know their size, can be grown
    and freed for as long as the process lives; when there are no more, malloc answers NULL."""
    boot = ctx.fixture("lib_trap_boot.so")
    native = ctx.run([ctx.fixture("trap_boot")], env={"LD_PRELOAD": boot})
    traced = ctx.run([ctx.fixture("trap_boot")], "traced", preloaded(ctx, [ctx.shim, boot]))
    ctx.equal([native.code, native.out], [0, "done\n"], "the fixture by itself")
    ctx.equal([traced.code, traced.out, traced.err], [0, "done\n", ""], "traced")
    note = note_of(ctx)
    ctx.check(note["blocks"] > 20 and note["refused"] > 50, f"the library got no early blocks: {note}")
    ctx.is_whole()


def case_dlerror(ctx):
    """T2: the program's own pending error survives hooked calls; none is left behind by us; look-ups
    of engine functions answer as without us."""
    path = os.path.join(ctx.scratch, "data")
    with open(path, "w") as file:
        file.write("a line\n" * 100)
    result = ctx.both([ctx.fixture("trap_dlerror"), path, ctx.fixture("lib_engine.so")])
    ctx.check("lost" not in result.out and "kept" in result.out, f"the fixture itself: {result.out}")
    decodes = [e for e in ctx.dump() if e.name == "phase_begin" and e.leaf == "engine_run_inside"]
    ctx.equal(len(decodes), 2, "decodes of the engine that is opened locally")


def case_allocation_at_the_end_of_threads(ctx):
    """T4: destructors of keys in every round, of C++ objects, cleanup handlers, after pthread_exit."""
    ctx.both([ctx.fixture("trap_tls")])
    note = note_of(ctx)
    events = ctx.dump()
    for size, name, leaf in ((7001, "key", "destroy_key"), (7002, "object", "destroy_object"),
                             (7003, "cleanup", "clean_up"), (7004, "late", "destroy_late")):
        own = [e for e in events if e.name == "alloc" and e["size_bytes"] == size]
        ctx.equal(len(own), note[name], f"mallocs of {leaf}")
        ctx.check(all("count_block" == e.leaf for e in own), f"callers of {own[:1]}")
    model = heap_model.replay(events)
    ctx.equal([s for s in model.live.values() if 7001 <= s <= 7004], [], "blocks never freed")
    ctx.is_whole()


def case_thread_local_memory(ctx):
    """T17: under 64 bytes, at a fixed place."""
    out = subprocess.run(["readelf", "-lW", ctx.shim], capture_output=True, check=True).stdout.decode()
    size = int(re.search(r"^ *TLS +\S+ +\S+ +\S+ +\S+ +(\S+)", out, re.M)[1], 16)
    ctx.check(0 < size < TLS_BYTES_MAX, f"{size} bytes of thread-local memory")
    flags = subprocess.run(["readelf", "-dW", ctx.shim], capture_output=True, check=True).stdout.decode()
    ctx.check("STATIC_TLS" in flags, "not at a fixed place: the first use in a thread allocates")


def case_room_for_thread_local_memory(ctx):
    """T17: as many libraries with fixed thread-local memory can be opened as without us."""
    result = ctx.both([ctx.fixture("trap_modules"), "tls", ctx.fixture("lib_trap_tls.so")])
    ctx.check("no room" in result.out, f"it was not used up: {result.out}")


# ---- other allocators and preloads ----
def check_beside(ctx, other, before, program, arguments=()):
    """The same with the other library alone and with both, in this order."""
    libraries = [other, ctx.shim] if before else [ctx.shim, other]
    command = [ctx.fixture(program), *arguments]
    native = ctx.run(command, env={"LD_PRELOAD": other})
    traced = ctx.run(command, "traced", preloaded(ctx, libraries))
    what = f"{os.path.basename(other)} {'before' if before else 'behind'} us, {program}"
    ctx.equal([traced.code, traced.err], [native.code, native.err], what)
    ctx.check(traced.out == native.out, f"{what}: other output")
    ctx.zstd_accepts(ctx.trace)
    return ctx.dump()


def check_allocator(ctx, name):
    other = os.path.join(LIBRARIES, name)
    if not os.path.exists(other):
        ctx.skip(f"{other} is not installed")
    for before in (False, True):
        events = check_beside(ctx, other, before, "heap_peak")
        blocks = [e for e in events if e.name == "alloc" and e.aux == "malloc" and e.leaf]
        notices = [e for e in events if e.name == "notice" and e.aux == "allocator_replaced"]
        if before:
            ctx.check(notices, f"no notice that {name} takes all calls")
        else:
            ctx.check(blocks, f"no malloc seen with {name} behind us")
            model = heap_model.replay(events)
            ctx.equal(model.alloc_of_live, [], f"blocks allocated while they were live, {name}")
        check_beside(ctx, other, before, "trap_tls")
        check_beside(ctx, other, before, "heap_threads")
        # a large request: here every allocator has its own opinion of errno and alignment
        check_beside(ctx, other, before, "signals", ["nest"])


def case_jemalloc(ctx):
    """T13, T21: preloaded before us it takes all calls, behind us it serves them."""
    check_allocator(ctx, "libjemalloc.so.2")


def case_tcmalloc(ctx):
    check_allocator(ctx, "libtcmalloc_minimal.so.4")


def case_eatmydata(ctx):
    """T21: a preload that wraps open and close, in both orders."""
    other = os.path.join(LIBRARIES, "libeatmydata.so")
    if not os.path.exists(other):
        ctx.skip(f"{other} is not installed")
    path = os.path.join(ctx.scratch, "data")
    with open(path, "w") as file:
        file.write("a line of some length, again and again\n" * 8000)
    for before in (False, True):
        events = check_beside(ctx, other, before, "trap_errno", [path])
        opens = [e for e in events if e.name == "open" and e["path"] == path and not e["error"]]
        ctx.check(len(opens) > 10, f"{len(opens)} opens of the file were seen")
        check_beside(ctx, other, before, "heap_peak")


# ---- order and size ----
def case_order_across_threads(ctx):
    """T22: an address is never allocated again before the other thread's free of it."""
    ctx.both([ctx.fixture("trap_order")],
             env={"GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0"})
    note = note_of(ctx)
    live, reused, seen, inverted = set(), 0, set(), []
    for event in ctx.dump():
        if event.name == "alloc" and event["size_bytes"] == 5000:
            if event["addr"] in live:
                inverted.append(event.line)
            reused += event["addr"] in seen
            live.add(event["addr"])
            seen.add(event["addr"])
        elif event.name == "free":
            live.discard(event["addr"])
    ctx.equal(inverted, [], "allocations of a live address")
    ctx.check(reused > note["blocks"] / 4, f"only {reused} addresses came again")
    ctx.is_whole()


def case_more_than_four_gibibytes(ctx):
    """T24: sizes and positions in full; requests that cannot succeed."""
    path = os.path.join(ctx.scratch, "sparse")
    ctx.both([ctx.fixture("trap_large"), "large", path])
    expected.check_fixture(ctx, "trap_large")
    ctx.is_whole()


def case_pages_are_not_touched(ctx):
    """T14: what the target maps, grows or allocates stays as the kernel gave it."""
    result = ctx.both([ctx.fixture("trap_large"), "untouched"])
    ctx.check("mmap: 0 pages" in result.out and "mremap: 1 pages" in result.out, result.out)
