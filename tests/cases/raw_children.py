# SPDX-License-Identifier: MIT
"""Children behind the C library's back, programs that cannot be traced, and exec from a thread."""
import hashlib
import os
import shutil
import stat
import struct
import subprocess
import time

CHILD_BYTES, PARENT_BYTES, ROUNDS = 5555, 6666, 500
NOBODY = 65534
EXTENTS, EXTENT_COUNT, RINGS = 128 + 4096, 116, 1	# pool.h


def main_ring(ctx, pid):
    """@return a hash of all bytes of the ring of a process's first thread"""
    with open(ctx.ring_file(), "rb") as file:
        pool = file.read()
    count, = struct.unpack_from("<I", pool, EXTENT_COUNT)
    for i in range(count):
        offset, size, kind, ring_count = struct.unpack_from("<QQII", pool, EXTENTS + i * 24)
        if kind != RINGS:
            continue
        step = size // ring_count
        for at in range(offset, offset + size, step):
            state, _, tid = struct.unpack_from("<III", pool, at)
            if state == 1 and tid == pid:
                return hashlib.sha256(pool[at:at + step]).hexdigest()
    return ctx.check(False, f"no ring of thread {pid}")


def line_of(process):
    return process.stdout.readline().decode().strip()


def run_child(ctx, mode, hash_ring):
    """@return (the ring before, after, the events, the file that the child has read)"""
    path = os.path.join(ctx.scratch, f"read by {mode}")
    with open(path, "w") as file:
        file.write("a few bytes to read\n")
    process = subprocess.Popen([ctx.fixture("raw_children"), mode, path],
                               env=dict(os.environ, **ctx.trace_env()), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    rings = []
    try:
        ctx.equal(line_of(process), "ready", "first line")
        for _ in range(2):
            if hash_ring:
                time.sleep(0.5)				# the writer has taken everything
                rings.append(main_ring(ctx, process.pid))
            process.stdin.write(b"\n")
            process.stdin.flush()
            if len(rings) < 2 and process.poll() is None and "status" not in locals():
                status = line_of(process)
                ctx.equal(line_of(process), "done", "last line")
        ctx.equal(process.wait(20), 0, "exit code of the parent")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    ctx.equal(status, "status 7" if mode in ("vfork", "shared") else "status 0", "end of the child")
    ctx.is_whole()
    return rings, ctx.dump(), path


def mallocs(events, size_bytes):
    return sum(1 for e in events if e.name == "alloc" and e["size_bytes"] == size_bytes)


def check_apart(ctx, mode, has_own_call):
    """Memory of its own: not one byte of the parent's ring is another one after 4,000 calls."""
    rings, events, path = run_child(ctx, mode, not has_own_call)
    ctx.equal(rings[1:], rings[:1], "the ring of the parent's thread, behind the child's calls")
    made = [e for e in events if e.name == "process_call" and e.aux == "fork"]
    ctx.equal(len(made), int(has_own_call), "fork events")
    ctx.equal(mallocs(events, CHILD_BYTES), 0, "the child's mallocs")
    ctx.equal([e.line for e in events if e["path"] == path], [], "files of the child")
    ctx.equal(mallocs(events, PARENT_BYTES), 20, "the parent's mallocs")


def case_fork_by_system_call(ctx):
    check_apart(ctx, "fork", False)	# no hook sees the system call


def case_clone_with_its_own_memory(ctx):
    check_apart(ctx, "clone", True)


def case_fork_for_signal_handlers(ctx):
    check_apart(ctx, "_Fork", True)


def check_sharing(ctx, mode):
    """Blocks come from the parent's heap and are the parent's; descriptors, exec and end are not."""
    _, events, path = run_child(ctx, mode, False)
    ctx.equal(mallocs(events, CHILD_BYTES), ROUNDS, "mallocs in the shared heap")
    ctx.equal(mallocs(events, PARENT_BYTES), 20, "the parent's mallocs")
    opened = [e["path"] for e in events if e.name == "open"]
    ctx.check(path not in opened, "the child's open is in the trace")
    ctx.equal(opened.count("/dev/null"), 2, "the parent's opens")
    own = [e.line for e in events if e.leaf == "use_files"]
    ctx.equal(own, [], "calls on the child's descriptors")
    ends = [e.aux for e in events if e.name == "process_call" and e.aux not in ("vfork", "fork")]
    ctx.equal(ends, ["exit"], "exec and end of the child")


def case_vfork(ctx):
    check_sharing(ctx, "vfork")


def case_clone_that_shares_memory(ctx):
    check_sharing(ctx, "shared")


def case_exec_in_a_thread(ctx):
    """Not the first thread: the kernel ends the others, ours among them."""
    ctx.both([ctx.fixture("raw_children"), "thread", ctx.fixture("processes")],
             env={"LLMTRACE_FOLLOW": "1"})
    report = ctx.is_whole()
    ctx.equal(report["trace"]["exit"]["kind"], "exec", "kind of end")
    ctx.equal(mallocs(ctx.dump(), PARENT_BYTES), 10, "mallocs before")
    after, = [n for n in os.listdir(ctx.scratch) if n.startswith("trace-")]
    path = os.path.join(ctx.scratch, after)
    ctx.equal(mallocs(ctx.dump(path), CHILD_BYTES), 10, "mallocs after")
    ctx.is_whole(path)


# ---- programs that cannot be traced ----
def case_setuid_program(ctx):
    """The loader leaves the shim out; the traced process that started it goes on."""
    program = os.path.join(ctx.scratch, "who")
    shutil.copy("/usr/bin/id", program)
    os.chmod(program, 0o4755)
    os.chmod(ctx.scratch, 0o777)

    def run(env):
        return subprocess.run(["/bin/sh", "-c", f'"{program}" -u; "{program}" -ru; echo end'],
                              env=dict(os.environ, **env), user=NOBODY, group=NOBODY,
                              extra_groups=[], capture_output=True, check=False, cwd=ctx.scratch)
    native = run({})
    if native.stdout.split()[:2] != [b"0", str(NOBODY).encode()]:
        ctx.skip(f"setuid has no effect here: {native.stdout} {native.stderr}")
    traced = run(ctx.trace_env())
    ctx.equal((traced.returncode, traced.stdout), (native.returncode, native.stdout), "what it prints")
    ctx.equal(traced.stderr, native.stderr, "stderr")
    info = os.stat(ctx.trace)
    ctx.equal((info.st_uid, stat.S_IMODE(info.st_mode)), (NOBODY, 0o600), "owner and mode of the trace")
    rows = ctx.rows(ctx.is_whole(), "children")
    ctx.equal([row["ended"] for row in rows if row["trace"]], [], "traces of the setuid program")


def case_static_program(ctx):
    """exec into a program without a loader: the trace ends in order, with where to."""
    program = os.path.join(ctx.scratch, "static")
    source = "#include <unistd.h>\nint main(void) { return write(1, \"static\\n\", 7) != 7; }\n"
    built = subprocess.run(["cc", "-static", "-x", "c", "-o", program, "-"], input=source.encode(),
                           capture_output=True, check=False)
    if built.returncode:
        ctx.skip("no static C library here: " + built.stderr.decode().strip()[-100:])
    result = ctx.both(["/bin/sh", "-c", f'exec "{program}"'])
    ctx.equal(result.out, "static\n", "stdout")
    trace = ctx.is_whole()["trace"]
    ctx.equal(trace["exit"]["kind"], "exec", "kind of end")
    ctx.equal(trace["exit"]["program"], program, "program")
