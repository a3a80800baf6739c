# SPDX-License-Identifier: MIT
"""Phases: the engine's functions behind the thunk, and the public markers."""
import expected


def case_thunk_keeps_every_argument(ctx):
    """Structs by value, floating point, results: the library's checksums are the same when traced."""
    ctx.both([ctx.fixture("engine_host")])
    expected.check_fixture(ctx, "engine_host")
    ctx.is_whole()


def inside_counts(events):
    """Tokens of the decodes that the library calls itself."""
    return [e["token_count"] for e in events if e.name == "phase_begin" and e.leaf == "engine_run_inside"]


def case_engine_opened_locally(ctx):
    """RTLD_LOCAL: the functions are in nobody's global scope."""
    ctx.both([ctx.fixture("engine_plugin"), ctx.fixture("lib_engine.so")])
    ctx.equal(inside_counts(ctx.dump()), [21, 1, 1], "tokens of llama_decode")
    ctx.is_whole()


def case_markers(ctx):
    ctx.both([ctx.fixture("marks")])
    expected.check_fixture(ctx, "marks")
    report = ctx.is_whole()
    names = [row["phase"] for row in ctx.rows(report, "phases")]
    ctx.check("warm up" in names and "work" in names, f"phases: {names}")
    rows = {row["phase"]: row for row in ctx.rows(report, "phases")}
    ctx.equal(rows["work"]["alloc_count"], 50, "alloc_count of the phase `work`")
    ctx.equal(rows["work"]["token_count"], 12, "token_count of the phase `work`")
