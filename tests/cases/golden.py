# SPDX-License-Identifier: MIT
"""Traces of older formats are kept for ever, and read as on the day they were made."""
import glob
import os
import re

from harness import first_difference


def golden(ctx):
    """Every golden trace, with the lines that its dump had. Their programs do not exist here."""
    found = sorted(glob.glob(os.path.join(ctx.top, "tests", "golden", "*.zst")))
    ctx.check(found, "there is no golden trace")
    for path in found:
        with open(path[:-4] + ".dump") as file:
            yield path, file.read()


def case_dumps_are_the_same(ctx):
    for path, wanted in golden(ctx):
        ctx.zstd_accepts(path)
        got = ctx.run([ctx.report_program, "dump", path], "report")
        ctx.equal(got.code, 0, f"exit code for {os.path.basename(path)}")
        now = re.sub(r" stack=\[.*", "", got.out)
        ctx.check(now == wanted,
                  f"{os.path.basename(path)}, dump now against then: " + first_difference(now, wanted))


def case_reports_are_whole(ctx):
    for path, _ in golden(ctx):
        report = ctx.is_whole(path)
        rows = ctx.rows(report, "heap_by_stack")
        own = {row["stack"][0]: row for row in rows}
        ctx.equal(own["work"]["alloc_bytes"], 1000, "alloc_bytes of `work`")
        data, = [row for row in ctx.rows(report, "io_by_file") if row["path"].endswith("/data")]
        ctx.equal([data["read_count"], data["read_bytes"]], [23, 4043], "reads and bytes of data")
