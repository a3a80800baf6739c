# SPDX-License-Identifier: MIT
"""Compares the shim's walker with libunwind inside a program (tests/walk/walk_check.c)."""
import os
import re


def agree(ctx, command, at_least, every=1, timeout=100):
    """Walks of the program's threads by our walker twice and by libunwind: all the same."""
    path = os.path.join(ctx.scratch, "walks")
    library = os.path.join(ctx.build, "tests", "walk_check.so")
    ctx.check(os.path.exists(library), f"{library} was not built")
    done = ctx.run(command, env={"LD_PRELOAD": library, "WALK_CHECK": path, "WALK_CHECK_EVERY": str(every)},
                   timeout=timeout)
    ctx.equal(done.code, 0, f"exit code ({done.err[-300:]!r})")
    with open(path) as file:
        text = file.read()
    sums = {}
    for line in text.splitlines():
        if line.startswith("walks="):
            for name, value in re.findall(r"(\w+)=(\d+)", line):
                sums[name] = sums.get(name, 0) + int(value)
    ctx.check(sums["walks"] >= at_least, f"{sums['walks']} walks, wanted {at_least}")
    wrong = {name: count for name, count in sums.items() if name not in ("walks", "same") and count}
    ctx.check(not wrong and sums["same"] == sums["walks"], f"{sums}\n{text[:3000]}")
    ctx.note(f"{sums['walks']} walks, all like libunwind's")
