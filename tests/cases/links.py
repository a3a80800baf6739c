# SPDX-License-Identifier: MIT
"""Traces, older traces, rings and logs are their owner's alone and never go through a link: a link
that somebody has laid stays, and so does the file behind it."""
import os
import signal
import stat
import subprocess


def victim(ctx):
    path = os.path.join(ctx.scratch, "victim")
    with open(path, "w") as file:
        file.write("precious")
    os.chmod(path, 0o644)
    return path


def is_untouched(ctx, path):
    ctx.equal(open(path).read(), "precious", "the file behind the link")
    ctx.equal(stat.S_IMODE(os.stat(path).st_mode), 0o644, "its mode")


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def case_trace(ctx):
    """A link with the trace's name: nothing is written through it, and the program runs on."""
    target = victim(ctx)
    for behind in (target, os.path.join(ctx.scratch, "nowhere")):
        os.symlink(behind, ctx.trace)
        done = ctx.traced([ctx.fixture("heap_peak")])
        ctx.equal(done.code, 0, "exit code")
        ctx.check(ctx.trace in done.err, f"not said: {done.err!r}")
        ctx.check(os.path.islink(ctx.trace), "the link is gone")
        os.remove(ctx.trace)
    is_untouched(ctx, target)
    ctx.check(not os.path.lexists(os.path.join(ctx.scratch, "nowhere")), "made through a link")


def case_older_trace(ctx):
    """NAME.old that is a link is replaced itself."""
    target, old = victim(ctx), ctx.trace + ".old"
    old_umask = os.umask(0)
    try:
        ctx.traced([ctx.fixture("heap_peak")])
        os.symlink(target, old)
        ctx.traced([ctx.fixture("heap_peak")])
    finally:
        os.umask(old_umask)
    is_untouched(ctx, target)
    ctx.check(os.path.isfile(old) and not os.path.islink(old), ".old is no file")
    ctx.equal([mode_of(ctx.trace), mode_of(old)], [0o600, 0o600], "modes")
    ctx.is_whole(old)


def case_log(ctx):
    target, log = victim(ctx), os.path.join(ctx.scratch, "log")
    os.symlink(target, log)
    done = ctx.traced([ctx.fixture("heap_peak")],
                      env={"LLMTRACE_LOG": log, "LLMTRACE_OUTPUT": "/proc/none/x"})
    ctx.equal(done.code, 0, "exit code")
    is_untouched(ctx, target)
    os.remove(log)
    old_umask = os.umask(0)
    try:
        ctx.traced([ctx.fixture("heap_peak")],
                   env={"LLMTRACE_LOG": log, "LLMTRACE_OUTPUT": "/proc/none/x"})
    finally:
        os.umask(old_umask)
    ctx.equal(mode_of(log), 0o600, "mode of the log")


def case_rings(ctx):
    """The rings' file is 0600; a link that has its name before is not followed."""
    target = victim(ctx)
    # the shell lays the link under the name that the program will take: the same pid and start
    script = ('start=$(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)\n'
              f'ln -s {target} "/dev/shm/llmtrace-$$-$start.pool"\n'
              'echo "/dev/shm/llmtrace-$$-$start.pool"\n'
              'export LD_PRELOAD="$SHIM"; exec cat')
    env = dict(os.environ, **ctx.trace_env())
    env["SHIM"] = env.pop("LD_PRELOAD")
    old_umask = os.umask(0)
    process = subprocess.Popen(["sh", "-c", script], env=env, cwd=ctx.scratch,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    os.umask(old_umask)
    pool = process.stdout.readline().decode().strip()
    process.stdin.write(b"running\n")
    process.stdin.flush()
    process.stdout.readline()
    beside = [os.path.join(ctx.scratch, name) for name in os.listdir(ctx.scratch)
              if name.endswith(".pool")]
    try:
        ctx.check(os.path.islink(pool), "the link is gone")
        ctx.equal(len(beside), 1, f"rings beside the trace: {beside}")
        ctx.equal(mode_of(beside[0]), 0o600, "mode of the rings")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        os.remove(pool)
    ctx.check(ctx.report()["trace"]["complete"], "the rings were not found")
    is_untouched(ctx, target)
    ctx.check(not os.path.lexists(beside[0]), "rings are left")
    ctx.equal(mode_of(ctx.trace), 0o600, "mode of the trace with its rings")
