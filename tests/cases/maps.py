# SPDX-License-Identifier: MIT
"""Mappings: every entry point, failing locks, what is left at the end."""
import os
import resource

import expected


def make_file(ctx, name, length_bytes):
    """A file whose byte i is i % 251: every offset and length can be told from the contents."""
    path = os.path.join(ctx.scratch, name)
    pattern = bytes(i % 251 for i in range(251 * 256))
    with open(path, "wb") as file:
        file.write((pattern * (length_bytes // len(pattern) + 1))[:length_bytes])
    return path


def case_entry_points(ctx):
    path = make_file(ctx, "data", 3 * 4096)
    ctx.both([ctx.fixture("map_calls"), path])
    events = expected.check_fixture(ctx, "map_calls")
    for event in events:
        if event.name in ("map", "advise") and event.leaf in ("map_at", "give_advice"):
            ctx.check(event["duration_ns"] > 0, f"no duration: {event.line}")
    ctx.is_whole()


def case_lock_fails(ctx):
    """RLIMIT_MEMLOCK of 16 KiB and no CAP_IPC_LOCK: as an ordinary user."""
    path = make_file(ctx, "data", 3 * 4096)
    command = [ctx.fixture("map_calls"), path]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", *command]
    limits = {resource.RLIMIT_MEMLOCK: 16384}
    result = ctx.both(command, limits=limits)
    ctx.check("mlock 0: 12" in result.out, f"mlock did not fail:\n{result.out}")
    traces = [name for name in os.listdir(ctx.scratch) if name.startswith("trace.")]
    own = [t for t in traces if any(e.name == "advise" for e in ctx.dump(f"{ctx.scratch}/{t}"))]
    ctx.check(own, f"no trace of the fixture among {traces}")
    events = expected.check_fixture(ctx, "map_calls", trace=f"{ctx.scratch}/{own[0]}")
    failed = [e for e in events if e.aux == "mlock" and e["error"] == 12]
    ctx.equal(len(failed), 1, "failed mlock calls")


def case_start_list(ctx):
    """Every mapping of the program itself stands in the list that is taken at the start."""
    ctx.both([ctx.fixture("heap_peak")])
    seen = [e for e in ctx.dump() if e.name == "map_seen" and e.aux == "start"]
    paths = {e["path"] for e in seen}
    for wanted in (ctx.fixture("heap_peak"), "[stack]"):
        ctx.check(wanted in paths, f"{wanted} is not among the mappings at start: {sorted(map(str, paths))}")
    ctx.check(any("libc.so.6" in str(p) for p in paths), "libc is not among the mappings at start")
