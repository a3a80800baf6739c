# SPDX-License-Identifier: MIT
"""Every mmap, munmap, read and openat that strace sees in a traced run is an event, or is made by a
named part of libc, of the loader or of the shim: no remainder."""
import os
import subprocess

import engine_common
import strace_log
from harness import limit


def check_accounts(ctx, host, *more, events=("openat",)):
    """events: calls of which at least one must be an event, so that the sums are of the right run"""
    log = os.path.join(ctx.scratch, "strace.log")
    environment = [f"-E{name}={value}" for name, value in ctx.trace_env().items()]
    probe = subprocess.run(["strace", "-k", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        ctx.skip(f"strace -k does not work here: {probe.stderr.decode().strip().splitlines()[-1]}")
    result = ctx.run(["strace", "-f", "-k", "-e", "trace=mmap,munmap,read,openat", "-o", log,
                      *environment, *engine_common.command(ctx, host, *more, generated=4)],
                     timeout=170)
    ctx.equal(result.code, 0, f"exit code under strace ({result.err[-300:]!r})")
    calls = strace_log.read_log(log)
    sums, remainder, unseen = strace_log.account(calls, ctx.dump(), os.path.basename(ctx.shim))
    for title, count in sorted(sums.items()):
        ctx.note(f"{count:6} {title}")
    ctx.note(f"{sum(sums.values()):6} of {len(calls)} calls accounted for")
    ctx.check(not remainder, f"{len(remainder)} calls nobody accounts for:\n"
              + "\n".join(call.show() for call in remainder[:10]))
    ctx.check(not unseen, f"{len(unseen)} events without a call: {unseen[:10]}")
    for name in events:
        ctx.check(sums[f"{name}: event"] > 0, f"not one {name} is an event: {dict(sums)}")


@limit(180)
def case_c_mapped(ctx):
    check_accounts(ctx, "c", events=("openat", "mmap", "munmap"))


@limit(180)
def case_c_read(ctx):
    check_accounts(ctx, "c", "-lm", "none")


@limit(180)
def case_c_direct(ctx):
    check_accounts(ctx, "c", "-lm", "dio", events=("openat", "read"))


@limit(240)
def case_python_mapped(ctx):
    check_accounts(ctx, "python", events=("openat", "read", "mmap", "munmap"))
