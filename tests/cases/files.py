# SPDX-License-Identifier: MIT
"""Files: every entry point, folded reads, sums by path."""
import os

import expected


def make_text(ctx, name="text", length_bytes=300000):
    """Lines of growing length: every offset can be told from the contents."""
    path = os.path.join(ctx.scratch, name)
    lines, size = [], 0
    while size < length_bytes:
        lines.append(f"line {len(lines)} of a text, " + "x" * (len(lines) % 97) + "\n")
        size += len(lines[-1])
    with open(path, "w") as file:
        file.write("".join(lines)[:length_bytes])
    return path


def case_entry_points(ctx):
    ctx.both([ctx.fixture("file_calls"), make_text(ctx)])
    expected.check_fixture(ctx, "file_calls")
    ctx.is_whole()


def check_reads(ctx, program):
    path = make_text(ctx)
    result = ctx.both([ctx.fixture(program), path])
    ctx.check("read of 100000: 100000" in result.out, "the fixture read too little")
    events = expected.check_fixture(ctx, program)
    reads = [e for e in events if e.name == "read" and e.leaf in expected.own_functions(
        ctx.fixture(program)) and e["got_bytes"] > 0]
    ctx.check(all(e["duration_ns"] > 0 for e in reads), "a read without duration")
    ctx.is_whole()


def case_reads(ctx):
    check_reads(ctx, "file_reads")


def case_reads_fortified(ctx):
    check_reads(ctx, "file_reads_fortified")


def check_streams(ctx, program):
    path = make_text(ctx)
    with open(path, "rb") as file:
        ctx.both([ctx.fixture(program), path], stdin=file.read())
    expected.check_fixture(ctx, program)
    ctx.is_whole()


def case_streams(ctx):
    check_streams(ctx, "file_streams")


def case_streams_fortified(ctx):
    check_streams(ctx, "file_streams_fortified")


def case_tiny_reads_are_folded(ctx):
    """100,000 calls: sums and call sites exact, positions without a gap, few records."""
    path = os.path.join(ctx.scratch, "tiny")
    result = ctx.both([ctx.fixture("file_tiny"), path])
    events = expected.check_fixture(ctx, "file_tiny")
    runs = [e for e in events if e.name in ("io_run", "stream_read") and e.aux == "fread"]
    ctx.check(len(runs) < 100, f"{len(runs)} records for 100,000 sequential freads")
    position = 0
    for run in runs:
        ctx.equal(run["offset_bytes"], position, f"position of {run.line}")
        position += run["bytes"] if run.name == "io_run" else run["got_bytes"]
    ctx.equal(position, os.path.getsize(path), "bytes read in all")
    for run in runs:
        ctx.equal(sum(run["size_count"]), run["count"], f"size_count of {run.line}")
        ctx.equal(sum(run["site_count"]), run["count"], f"site_count of {run.line}")
        ctx.equal(sum(run["site_bytes"]), run["bytes"], f"site_bytes of {run.line}")
    check_sites(ctx, result.out, ctx.is_whole())


def check_sites(ctx, truth, report):
    """io_by_stack has each of the two sites with its calls and bytes."""
    for line in truth.splitlines():
        function, count, size = line.replace("count=", "").replace("bytes=", "").split()
        rows = [row for row in ctx.rows(report, "io_by_stack") if row["stack"][0] == function]
        ctx.equal(sum(row["read_count"] for row in rows), int(count), f"reads by {function}")
        ctx.equal(sum(row["read_bytes"] for row in rows), int(size), f"bytes read by {function}")


def case_sums_by_path(ctx):
    """Descriptors used again, duplicated, replaced, shared by threads: each file has its own bytes."""
    for name in "abcde":
        make_text(ctx, name, 100000)
    result = ctx.both([ctx.fixture("file_paths"), ctx.scratch])
    report = ctx.is_whole()
    rows = {os.path.basename(row["path"] or ""): row for row in ctx.rows(report, "io_by_file")}
    for line in result.out.splitlines():
        name, *columns = line.split()
        ctx.check(name in rows, f"io_by_file has no row for {name}")
        for column in columns:
            column, value = column.split("=")
            ctx.equal(rows[name][column], int(value), f"{column} of {name}")
