# SPDX-License-Identifier: MIT
"""Traps of the loader: who asks it for a library, where a library lies, and what passes through the
engine's functions: exceptions, jumps, large structs. TRAPS.md has the list."""
import os
import re
import shutil
import subprocess
import sys

import expected

BLOCK_BYTES, CROSSING_BYTES, STRANGER_BYTES = 2222, 2223, 3333


def run_modules(ctx, mode, *libraries):
    result = ctx.both([ctx.fixture("trap_modules"), mode, *libraries])
    return result, ctx.dump()


def blocks(events, size_bytes):
    return [e for e in events if e.name == "alloc" and e["size_bytes"] == size_bytes]


def case_runpath_and_origin(ctx):
    """T12: a plugin that opens a library by its bare name finds it by its own RUNPATH."""
    directory = ctx.directory("plug ins")
    os.mkdir(f"{directory}/inner")
    shutil.copy(ctx.fixture("lib_trap_plugin.so"), directory)
    shutil.copy(ctx.fixture("lib_trap_stranger.so"), f"{directory}/inner")
    result, events = run_modules(ctx, "runpath", f"{directory}/lib_trap_plugin.so")
    ctx.check("by RUNPATH: found" in result.out, f"not found natively either: {result.out}")
    own = blocks(events, BLOCK_BYTES)
    ctx.equal([e.leaf for e in own], ["plugin_allocate"] * 10, "callers of the plugin's mallocs")
    ctx.is_whole()


def case_deepbind(ctx):
    """T12: the library's own calls go past us, as RTLD_DEEPBIND wants it; blocks cross the border."""
    _, events = run_modules(ctx, "deepbind", ctx.fixture("lib_trap_plugin.so"))
    ctx.equal(blocks(events, CROSSING_BYTES), [], "mallocs that the flag sends to the C library")
    grown = [e for e in events if e.name == "realloc_end" and e["size_bytes"] == 5000]
    ctx.equal(len(grown), 10, "reallocs of the library's blocks by the program")


def case_namespace(ctx):
    """T12: a library that dlmopen gave a C library of its own."""
    _, events = run_modules(ctx, "namespace", ctx.fixture("lib_trap_plugin.so"))
    ctx.equal(len(blocks(events, BLOCK_BYTES)), 10, "mallocs of the library in the base namespace")
    ctx.is_whole()


def case_address_reuse(ctx):
    """T12: after dlclose another library lies at the same addresses: each has its own names."""
    _, events = run_modules(ctx, "reuse", ctx.fixture("lib_trap_plugin.so"),
                            ctx.fixture("lib_trap_stranger.so"))
    notes, _ = expected.read_notes(f"{ctx.scratch}/traced.expect")
    same = next(iter(notes.values()))[0][2]["same"]
    ctx.check(same > 5, f"the addresses were the same {same} times of 19")
    for size, name in ((BLOCK_BYTES, "plugin_allocate"), (STRANGER_BYTES, "stranger_allocate")):
        ctx.equal([e.leaf for e in blocks(events, size)], [name] * 100, f"callers with {size} bytes")
    ctx.is_whole()


def case_damaged_notes(ctx):
    """T12: build ids are looked for in notes, whose sizes may be any."""
    _, events = run_modules(ctx, "notes", ctx.fixture("lib_trap_notes.so"))
    ctx.equal([e.leaf for e in blocks(events, 4444)], ["trap_allocate"] * 10, "callers")
    ctx.is_whole()


def case_loader_by_hand(ctx):
    """T12: `ld.so ./prog`: no loader in the auxiliary vector, and /proc/self/exe is the loader."""
    program = ctx.fixture("heap_peak")
    out = subprocess.run(["readelf", "-lW", program], capture_output=True, check=True).stdout.decode()
    loader = re.search(r"interpreter: (\S+?)\]", out)[1]
    ctx.both([loader, program])
    events = ctx.dump()
    named = [e for e in events if e.name == "alloc" and e.leaf == "main" or e.line.count("< main <")]
    ctx.check(len(named) > 10, "the program's functions have no names")
    ctx.is_whole()
    # calls from inside the loader before main must not open the stack walker there
    ctx.both([loader, ctx.fixture("library_linked")])
    ctx.is_whole()


# ---- through the engine's functions ----
def case_thunk(ctx):
    """Exceptions, longjmp, pthread_exit, cancellation; 512 bytes by value; the top of a 64 KB stack."""
    result = ctx.both([ctx.fixture("trap_thunk")])
    ctx.check(result.out.count("exceptions: 400") == 2, f"the fixture itself: {result.out}")
    events = ctx.dump()
    ctx.equal(sum(1 for e in events if e.name == "alloc" and e["size_bytes"] == 888), 1,
              "mallocs by a frame whose caller would lie past the end of its stack")
    begins = [e for e in events if e.name == "phase_begin"]
    ends = [e for e in events if e.name == "phase_end"]
    # what was left by an exception ends when the thread comes by again; two threads never do
    ctx.check(len(begins) > 1500, f"only {len(begins)} calls were seen")
    ctx.check(len(begins) - len(ends) <= 4, f"{len(begins)} begins, {len(ends)} ends")
    ctx.is_whole()


def case_exceptions_in_python(ctx):
    """A C++ library that Python opens throws and catches; its runtime must be its own."""
    script = "\n".join([
        "import ctypes, sys",
        "engine = ctypes.CDLL(sys.argv[1])",
        "print(engine.trap_throw_many(300), engine.trap_destroyed())",
        "print(engine.trap_decode(21, None))",
        "seen = []",
        "callback = ctypes.CFUNCTYPE(None, ctypes.c_int32)(seen.append)",
        "print(engine.trap_decode(4, ctypes.cast(callback, ctypes.c_void_p)), seen)",
    ])
    result = ctx.both([sys.executable, "-c", script, ctx.fixture("lib_trap_throw.so")])
    ctx.check(result.out.startswith("600 "), f"the library itself: {result.out}")
    decodes = [e for e in ctx.dump() if e.name == "phase_begin" and e.leaf == "trap_decode"]
    ctx.equal(len(decodes), 302, "decodes that were seen")
