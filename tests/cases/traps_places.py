# SPDX-License-Identifier: MIT
"""Traps of places and limits: other roots and directories, full disks, small limits, refused system
calls, real-time threads. TRAPS.md has the list."""
import glob
import os
import re
import resource
import shutil
import subprocess
import time

import expected
from harness import limit

BLOCKS, BLOCK_BYTES = 5000, 123


def count_blocks(ctx, trace=None, code=0):
    return sum(1 for e in ctx.dump(trace, code) if e.name == "alloc" and e["size_bytes"] == BLOCK_BYTES)


def check_places(ctx, *arguments, **options):
    result = ctx.both([ctx.fixture("trap_places"), *arguments], **options)
    ctx.equal(count_blocks(ctx), 2 * BLOCKS, "mallocs recorded")
    return result, ctx.is_whole()


def case_paths_with_spaces(ctx):
    """T21: everything but LD_PRELOAD itself may have spaces in its name."""
    program = os.path.join(ctx.directory("a program"), "my program")
    shutil.copy(ctx.fixture("trap_places"), program)
    output = os.path.join(ctx.directory("an output"), "my trace %x.zst")
    done = ctx.traced([program], "a b c", env={"LLMTRACE_OUTPUT": output})
    ctx.equal([done.code, done.err], [0, ""], "exit code and stderr")
    trace = output.replace("%x", "my program")
    ctx.equal(count_blocks(ctx, trace), 2 * BLOCKS, "mallocs recorded")
    leaves = {e.leaf for e in ctx.dump(trace) if e.name == "alloc" and e["size_bytes"] == BLOCK_BYTES}
    ctx.equal(leaves, {"allocate"}, "names of the program's functions")


def case_chdir(ctx):
    """The trace stays where the program began; a file of that name elsewhere is not touched."""
    other = ctx.directory("other")
    done = ctx.run([ctx.fixture("trap_places"), "chdir", other], "start", {"LD_PRELOAD": ctx.shim})
    ctx.equal([done.code, done.out, done.err], [0, "done 0\n", ""], "the run")
    with open(f"{other}/trace.zst") as file:
        ctx.equal(file.read(), "mine", "the program's own file")
    ctx.is_whole(f"{done.directory}/trace.zst")


def needs_root(ctx):
    if os.geteuid() != 0:
        ctx.skip("not root")


def case_chroot(ctx):
    """A root without /proc, where the trace's path means another file; no pool stays behind."""
    needs_root(ctx)
    root = ctx.directory("root")
    open(f"{root}/here", "w").close()
    os.makedirs(root + os.path.dirname(ctx.trace))
    with open(root + ctx.trace, "w") as file:
        file.write("precious")
    ctx.both([ctx.fixture("trap_places"), "chroot", root])
    notes, _ = expected.read_notes(f"{ctx.scratch}/traced.expect")
    pid = next(iter(notes.values()))[0][2]["pid"]
    # before any report, which would remove it
    ctx.equal(glob.glob(f"/dev/shm/llmtrace-{pid}-*"), [], "pools left behind")
    ctx.equal(count_blocks(ctx), 2 * BLOCKS, "mallocs recorded")
    ctx.is_whole()
    with open(root + ctx.trace) as file:
        ctx.equal(file.read(), "precious", "the file with the trace's path")


def libraries_of(path):
    out = subprocess.run(["ldd", path], capture_output=True, check=True).stdout.decode()
    return re.findall(r"(?:=> )?(/\S+) \(0x", out)


def case_tiny_root(ctx):
    """Started in a root that has the program, its libraries and nothing else: no /proc, no /dev."""
    needs_root(ctx)
    root = ctx.directory("root")
    program = ctx.fixture("trap_places")
    for path in [*libraries_of(program), *libraries_of(ctx.shim)]:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    shutil.copy(program, f"{root}/program")
    shutil.copy(ctx.shim, f"{root}/shim.so")
    native = ctx.run(["chroot", root, "/program"], env={"FIXTURE_EXPECT": "/expect"})
    traced = ctx.run(["chroot", root, "/program"], "traced",
                     {"LD_PRELOAD": "/shim.so", "LLMTRACE_OUTPUT": "/trace.zst",
                      "FIXTURE_EXPECT": "/expect"})
    ctx.equal([traced.code, traced.out], [native.code, native.out], "exit code and output")
    ctx.equal(count_blocks(ctx, f"{root}/trace.zst"), 2 * BLOCKS, "mallocs recorded")


def case_setuid_in_a_thread(ctx):
    """T19: the C library sends a signal to every thread and waits for each answer, ours too."""
    needs_root(ctx)
    result, _ = check_places(ctx, "setuid")
    ctx.check("done 65534" in result.out, result.out)


# ---- disks ----
def on_small_disk(ctx, size, program, *arguments):
    """Runs with the trace on a file system of its own. @return (Result, copy of the trace, seconds)"""
    needs_root(ctx)
    disk, copy = ctx.directory("disk"), os.path.join(ctx.scratch, "copy.zst")
    script = (f"mount -t tmpfs -o size={size} tmpfs {disk} || exit 98\n"
              f"LD_PRELOAD={ctx.shim} LLMTRACE_OUTPUT={disk}/trace.zst \"$@\"\ncode=$?\n"
              f"cp {disk}/trace.zst {copy}; rm -f {disk}/*\nexit $code")
    begin = time.monotonic()
    done = ctx.run(["unshare", "-m", "sh", "-c", script, "sh", program, *arguments], "traced")
    if done.code == 98 or "unshare" in done.err:
        ctx.skip(f"no mount namespace: {done.err.strip()}")
    return done, copy, time.monotonic() - begin


def case_disk_that_fills(ctx):
    """T11: the target runs on, what was written is readable, every loss is counted."""
    done, copy, seconds = on_small_disk(ctx, "24k", ctx.fixture("trap_places"), "much")
    ctx.equal([done.code, done.out], [0, "done 0\n"], f"the run ({done.err!r})")
    trace = ctx.report(trace=copy, code=3)["trace"]
    ctx.equal(trace["complete"], False, "complete")
    own = sum(1 for e in ctx.dump(copy, 3) if e.name == "alloc" and e["size_bytes"] == BLOCK_BYTES)
    ctx.check(own > 100, f"only {own} mallocs can be read")
    ctx.check(trace["event_count"] + trace["lost_event_count"] >= 400000,
              f"{trace['event_count']} events kept, {trace['lost_event_count']} lost, of 400,000")
    ctx.note(f"{seconds:.1f} s on a disk of 24 KB, {trace['event_count']} events kept, "
             f"{trace['lost_event_count']} lost")


def case_full_disk(ctx):
    """Not even the header fits."""
    program = ctx.fixture("trap_places")
    done, _, _ = on_small_disk(ctx, "4k", program)
    ctx.equal([done.code, done.out], [0, "done 0\n"], f"the run ({done.err!r})")


def case_read_only_disk(ctx):
    needs_root(ctx)
    disk = ctx.directory("disk")
    script = (f"mount -t tmpfs -o ro tmpfs {disk} || exit 98\n"
              f"LD_PRELOAD={ctx.shim} LLMTRACE_OUTPUT={disk}/trace.zst exec \"$@\"")
    done = ctx.run(["unshare", "-m", "sh", "-c", script, "sh", ctx.fixture("trap_places")], "traced")
    if done.code == 98 or "unshare" in done.err:
        ctx.skip(f"no mount namespace: {done.err.strip()}")
    ctx.equal([done.code, done.out], [0, "done 0\n"], "the run")
    ctx.equal(len(done.err.splitlines()), 1, f"lines on stderr: {done.err!r}")


# ---- limits and refusals ----
def case_small_files(ctx):
    """RLIMIT_FSIZE: SIGXFSZ would kill the target."""
    native = ctx.run([ctx.fixture("heap_peak")])
    for size in (0, 1, 4096, 100000):
        traced = ctx.traced([ctx.fixture("heap_peak")], limits={resource.RLIMIT_FSIZE: size})
        ctx.equal([traced.code, traced.out], [native.code, native.out], f"with {size} bytes a file")
        ctx.check(len(traced.err.splitlines()) <= 1, f"on stderr: {traced.err!r}")
        for left in glob.glob(ctx.trace + "*"):
            os.unlink(left)


def case_no_descriptors(ctx):
    """RLIMIT_NOFILE: none for us, or hardly any; the target gets the numbers one after the other."""
    for count in (4, 5, 8, 64):
        limits = {resource.RLIMIT_NOFILE: count}
        native = ctx.run([ctx.fixture("trap_places"), "descriptors"], limits=limits)
        traced = ctx.traced([ctx.fixture("trap_places"), "descriptors"], limits=limits)
        ctx.equal([traced.code, traced.out], [native.code, native.out], f"with {count} descriptors")


def with_memory(run, command, kibibytes):
    return run(command, limits={resource.RLIMIT_AS: kibibytes << 10})


@limit(120)
def case_little_memory(ctx):
    """RLIMIT_AS: enough for the target; the shim makes do, or says so in a line. In small steps, so that
    each thing it needs is once the one that is refused."""
    command = [ctx.fixture("trap_places")]
    least = next(n for n in range(4 << 10, 64 << 10, 256) if with_memory(ctx.run, command, n).code == 0)
    native = with_memory(ctx.run, command, least)
    refusals = set()
    # from where the loader can map the shim; with too little to write everything the end waits a second
    for kibibytes in [*range(least + (2 << 10), least + (25 << 10), 128),
                      *range(least + (25 << 10), least + (33 << 10), 1 << 10), 128 << 10]:
        traced = with_memory(ctx.traced, command, kibibytes)
        ctx.equal([traced.code, traced.out], [native.code, native.out], f"with {kibibytes} KiB")
        ctx.check(len(traced.err.splitlines()) <= 1, f"on stderr: {traced.err!r}")
        refusals.add(traced.err)
    ctx.equal(traced.err, "", "with 128 MiB")
    ctx.equal(count_blocks(ctx), 2 * BLOCKS, "mallocs recorded with 128 MiB")
    ctx.check(len(refusals) >= 4, f"only these were refused: {refusals}")


def case_refused_system_calls(ctx):
    """seccomp: what we could use is answered with EPERM or ENOSYS."""
    for program in ("trap_places", "thread_calls", "heap_threads", "map_calls"):
        arguments = [os.path.join(ctx.scratch, "data")] if program == "map_calls" else []
        with open(os.path.join(ctx.scratch, "data"), "wb") as file:
            file.write(b"x" * 3 * 4096)
        command = [ctx.fixture("trap_places"), "forbid", ctx.fixture(program), *arguments]
        native = ctx.run(command)
        # the one that sets the filter becomes the program: two traces
        traced = ctx.traced(command, env={"LLMTRACE_FOLLOW": "1"})
        ctx.equal([traced.code, traced.err], [native.code, native.err], f"{program} under a filter")
        trace, = glob.glob(f"{ctx.scratch}/trace-*.zst")
        ctx.check(native.out == traced.out, f"{program} has other output under a filter")
        if program != "map_calls":		# which gives up half-way, for want of memfd_create
            ctx.is_whole(trace)
        if program == "trap_places":
            ctx.equal(count_blocks(ctx, trace), 2 * BLOCKS, "mallocs recorded")
        elif program != "map_calls":
            expected.check_fixture(ctx, program, trace=trace)
            os.unlink(f"{ctx.scratch}/traced.expect")
        os.unlink(trace)


def case_fifo_spinners(ctx):
    """T11: a real-time thread on every CPU, and a disk that is full: the target ends all the same."""
    program = ctx.fixture("trap_places")
    native = ctx.run([program, "spin"])
    if "refused" in native.out:
        ctx.skip("SCHED_FIFO is not permitted")
    done, copy, seconds = on_small_disk(ctx, "64k", program, "spin")
    ctx.equal([done.code, done.out], [native.code, native.out], f"the run ({done.err!r})")
    lost = ctx.report(trace=copy, code=3)["trace"]["lost_event_count"]
    ctx.note(f"{seconds:.1f} s with a spinner on each CPU, {lost} events lost")
