# SPDX-License-Identifier: MIT
"""LLMTRACE_* variables with values that nobody should give: the target runs as it does without us."""
import os
import stat
import subprocess

LONG = "A" * 100_000


def runs_as_ever(ctx, value, name):
    """Runs the shell's own program with a variable of that value; @return its standard error."""
    env = {"PATH": os.environ["PATH"], "LD_PRELOAD": os.path.join(ctx.build, "libllmtrace.so"),
           "LLMTRACE_OUTPUT": os.path.join(ctx.scratch, "trace.zst")}
    env = {os.fsencode(k): os.fsencode(v) for k, v in env.items()}
    env[name.encode()] = value
    done = subprocess.run(["/bin/sh", "-c", "echo out; exit 7"], env=env, capture_output=True,
                          timeout=30, check=False, cwd=ctx.scratch)
    shown = value[:40]
    ctx.equal(done.returncode, 7, f"exit code with {name}={shown!r}")
    ctx.equal(done.stdout, b"out\n", f"output with {name}={shown!r}")
    lines = done.stderr.decode(errors="replace").splitlines()
    ctx.check(len(lines) <= 2 and all(line.startswith("llmtrace") for line in lines),
              f"{name}={shown!r} printed {done.stderr[:300]!r}")
    return done.stderr


def case_absurd_values(ctx):
    """Of every option: huge, negative, empty, no text at all, 100 KB long."""
    names = ["EVENTS", "STACKS", "FOLLOW", "MAX_BYTES", "LOG", "PRIVACY"]
    values = [b"", b"-1", b"99999999999999999999999999", b"\xff\xfe\x80\x01\x1b[31m", b"0x", b",,,,",
              b"%s%n%p", LONG.encode()]
    for name in names:
        for value in values:
            runs_as_ever(ctx, value, "LLMTRACE_" + name)


def case_absurd_outputs(ctx):
    """A pattern that ends early, folders, devices, pipes, names that are too long."""
    os.mkdir(os.path.join(ctx.scratch, "folder"))
    os.mkfifo(os.path.join(ctx.scratch, "pipe"))
    for value in [b"", b"%", b"x%", b"%z", b"%%%", b"folder", b"folder/", b"/dev/full", b"/dev/null",
                  b"/dev/zero", b"pipe", b"/proc/self/mem", b"/nowhere/at/all", b"\xff\xfe\x1b[31m",
                  b"%h" * 3000, LONG.encode(), b"a/" * 50_000]:
        runs_as_ever(ctx, value, "LLMTRACE_OUTPUT")
    ctx.check(os.path.isdir(os.path.join(ctx.scratch, "folder")), "the folder was replaced")
    ctx.check(stat.S_ISFIFO(os.stat(os.path.join(ctx.scratch, "pipe")).st_mode), "the pipe was")
    for device in ("/dev/full", "/dev/null", "/dev/zero"):
        ctx.check(stat.S_ISCHR(os.stat(device).st_mode), f"{device} was replaced")
