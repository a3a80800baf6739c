# SPDX-License-Identifier: MIT
"""The real engine under C, python3 ctypes and node."""
import collections
import os
import re
import subprocess
import sys

import engine_common
import heap_model
from harness import limit


def main_trace(ctx):
    """node leaves a trace for its test child too: the one with a model load is the main one."""
    names = sorted(n for n in os.listdir(ctx.scratch) if n.startswith("trace") and ".zst" in n)
    for name in names:
        path = os.path.join(ctx.scratch, name)
        if any("load" in row["phase"] for row in ctx.rows(ctx.report(trace=path), "phases")):
            return path, ctx.dump(path)
    ctx.check(False, f"no trace with a model load among {names}")
    return None


def check_host(ctx, host):
    prompt_count, generated_count = engine_common.run_both(ctx, host)
    path, events = main_trace(ctx)
    report = ctx.is_whole(path)
    # The last generated token is printed, but not decoded.
    engine_common.check_phases(ctx, report, prompt_count, generated_count, generated_count - 1)
    decodes = [e["token_count"] for e in events if e.name == "phase_begin" and e.aux == "llama_decode"]
    ctx.equal(sum(decodes), prompt_count + generated_count - 1, "tokens of all llama_decode events")
    check_model_file(ctx, report)
    model = heap_model.replay(events)
    ctx.equal(model.alloc_of_live[:3], [], "blocks allocated while they were live")
    rows = ctx.rows(report, "heap_by_stack")
    ctx.equal(sum(row["alloc_count"] for row in rows), model.alloc_count, "alloc_count of all stacks")
    return events, report


def check_model_file(ctx, report):
    """The model is a row of its own with at least every byte of its header."""
    rows = [row for row in ctx.rows(report, "io_by_file")
            if (row["path"] or "").endswith("tiny-q8_0.gguf")]
    ctx.equal(len(rows), 1, "rows of the model file")
    ctx.check(rows[0]["read_count"] > 1000, f"{rows[0]['read_count']} reads parse the model")


@limit(120)
def case_c(ctx):
    check_host(ctx, "c")


@limit(180)
def case_python(ctx):
    check_host(ctx, "python")


@limit(600)
def case_node(ctx):
    check_host(ctx, "node")


def count_fread_bytes(ctx):
    """What the engine reads of the model, counted by gdb-free means: an strace of the native run gives
    the positions; the bytes that fread hands out come from the file's own structure (tensors are read
    whole with -lm none)."""
    done = subprocess.run([sys.executable, os.path.join(ctx.top, "tests", "lib", "gguf_sizes.py"),
                           engine_common.model(ctx)], capture_output=True, check=True)
    return dict(re.findall(r"(\w+)=(\d+)", done.stdout.decode()))


@limit(120)
def case_logical_bytes_are_exact(ctx):
    """-lm none reads the whole header and every tensor with fread: the sum is known from the file."""
    sizes = {name: int(value) for name, value in count_fread_bytes(ctx).items()}
    engine_common.run_both(ctx, "c", "-lm", "none")
    report = ctx.is_whole()
    row, = [row for row in ctx.rows(report, "io_by_file")
            if (row["path"] or "").endswith("tiny-q8_0.gguf")]
    events = ctx.dump()
    parses = len({e.time for e in events if e.name == "open" and e.aux.startswith("fopen")
                  and (e["path"] or "").endswith("tiny-q8_0.gguf") and e["fd"] >= 0})
    ctx.note(f"model opened {parses} times as a stream, header {sizes['header_bytes']}, tensors "
             f"{sizes['tensor_bytes']} bytes, read {row['read_bytes']}")
    rest = row["read_bytes"] - sizes["tensor_bytes"]
    ctx.equal(rest % sizes["header_bytes"], 0, f"bytes beside the tensors ({rest}) in whole headers")
    ctx.check(1 <= rest // sizes["header_bytes"] <= parses, f"{rest // sizes['header_bytes']} headers read")


def raw_heaptrack_sizes(path):
    text = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout.decode()
    return collections.Counter(int(size, 16) for size in re.findall(r"^\+ ([0-9a-f]+)", text, re.M))


@limit(180)
def case_allocations_against_heaptrack(ctx):
    """Every size as often as heaptrack counts it. Known omissions of heaptrack 1.4: memalign, pvalloc,
    reallocarray, realloc(p, 0), and what is allocated before its own constructor has run."""
    command = engine_common.command(ctx, "c")
    heap = ctx.run(["heaptrack", "--raw", "-o", os.path.join(ctx.scratch, "ht"), *command], "heaptrack")
    ctx.equal(heap.code, 0, f"exit code of heaptrack ({heap.err[-300:]})")
    theirs = raw_heaptrack_sizes(os.path.join(ctx.scratch, "ht.raw.zst"))
    ctx.traced(command)
    ours, omitted = collections.Counter(), collections.Counter()
    for event in ctx.dump():
        if event.name not in ("alloc", "alloc_aligned", "realloc_end") or not event["addr"]:
            continue
        if event.aux in ("memalign", "pvalloc", "reallocarray"):
            omitted[event.aux] += 1
        else:
            ours[event["size_bytes"]] += 1
    more, less = ours - theirs, theirs - ours
    ctx.note(f"heaptrack {sum(theirs.values())} allocations, llmtrace {sum(ours.values())} and "
             f"{sum(omitted.values())} that heaptrack does not hook; beside: only llmtrace "
             f"{dict(more)}, only heaptrack {dict(less)}")
    ctx.check(sum(less.values()) <= 2, f"allocations that only heaptrack has, by size: {dict(less)}")
    ctx.check(sum(more.values()) <= 40, f"allocations that only llmtrace has, by size: {dict(more)}")
