# SPDX-License-Identifier: MIT
"""What the shim must leave alone, and where its file goes."""
import os
import resource
import socket
import subprocess
import time

import events_def


def case_target_is_left_alone(ctx):
    """errno, dlerror, descriptors, signals; a target that closes descriptors that it does not know."""
    result = ctx.both([ctx.fixture("harmless")])
    with open(os.path.join(result.directory, "mine")) as file:
        ctx.equal(file.read(), "mine\n", "the target's own file")
    events = ctx.dump()
    allocs = [e for e in events if e.name == "alloc" and e.leaf == "close_everything"]
    ctx.equal(len(allocs), 20000, "mallocs after closefrom")
    ctx.is_whole()


def case_events_are_selected(ctx):
    """The groups asked for and no other; `system` is always there."""
    groups = events_def.read_groups(os.path.join(ctx.top, "include"))
    path = os.path.join(ctx.scratch, "data")
    with open(path, "wb") as file:
        file.write(b"x" * 10000)
    for chosen, command in (("heap", ["heap_threads"]), ("threads", ["heap_threads"]),
                            ("maps,files", ["map_calls", path]), ("files", ["file_tiny", path])):
        ctx.traced([ctx.fixture(command[0]), *command[1:]], env={"LLMTRACE_EVENTS": chosen})
        got = {groups[event.name] for event in ctx.dump()}
        ctx.equal(got, {*chosen.split(","), "system"}, f"groups with LLMTRACE_EVENTS={chosen}")


def case_output_patterns(ctx):
    output = os.path.join(ctx.scratch, "of-%p-%x-%h.zst")
    command = ["sh", "-c", "echo $$; exec " + ctx.fixture("heap_peak")]
    result = ctx.traced(command, env={"LLMTRACE_OUTPUT": output})
    pid = result.out.splitlines()[0]
    name = f"of-{pid}-heap_peak-{socket.gethostname()}.zst"
    ctx.check(name in os.listdir(ctx.scratch), f"{name} is not among {os.listdir(ctx.scratch)}")
    ctx.is_whole(os.path.join(ctx.scratch, name))


def run_here(ctx, fixture="heap_peak"):
    """Without LLMTRACE_OUTPUT: the trace goes to trace.zst of the working directory."""
    result = ctx.run([ctx.fixture(fixture)], "here", {"LD_PRELOAD": ctx.shim})
    return result.directory


def case_older_trace_is_kept(ctx):
    directory = run_here(ctx)
    ctx.equal(os.listdir(directory), ["trace.zst"], "files after the first run")
    ctx.equal(os.stat(f"{directory}/trace.zst").st_mode & 0o777, 0o600, "mode of the trace")
    with open(f"{directory}/trace.zst", "rb") as file:
        first = file.read()
    run_here(ctx)
    ctx.equal(sorted(os.listdir(directory)), ["trace.zst", "trace.zst.old"], "files after the second")
    with open(f"{directory}/trace.zst.old", "rb") as file:
        ctx.check(file.read() == first, "trace.zst.old is not the first run's trace")
    ctx.is_whole(f"{directory}/trace.zst")


def case_living_trace_is_left_alone(ctx):
    directory = ctx.directory("here")
    env = dict(os.environ, LD_PRELOAD=ctx.shim)
    with subprocess.Popen([ctx.fixture("exits"), "sleep"], env=env, stdout=subprocess.PIPE,
                          cwd=directory) as process:
        try:
            process.stdout.readline()
            time.sleep(0.3)
            run_here(ctx)
            names = sorted(os.listdir(directory))
            ctx.equal(len(names), 2, f"traces of two processes: {names}")
            report = ctx.report(trace=f"{directory}/trace.zst")
            ctx.equal(report["trace"]["pid"], process.pid, "pid in trace.zst")
            other, = [name for name in names if name != "trace.zst"]
            ctx.check(other != "trace.zst.old", "the living trace was moved away")
            ctx.is_whole(f"{directory}/{other}")
        finally:
            process.kill()


def case_links_are_not_followed(ctx):
    directory = ctx.directory("here")
    victim = os.path.join(ctx.scratch, "victim")
    with open(victim, "w") as file:
        file.write("precious")
    os.symlink(victim, f"{directory}/trace.zst")
    run_here(ctx)
    with open(victim) as file:
        ctx.equal(file.read(), "precious", "the file behind the link")


def case_unwritable_output(ctx):
    """The target runs on; one line says what is wrong."""
    native = ctx.run([ctx.fixture("heap_peak")])
    result = ctx.traced([ctx.fixture("heap_peak")],
                        env={"LLMTRACE_OUTPUT": "/nonexistent/directory/trace.zst"})
    ctx.equal([result.code, result.out], [native.code, native.out], "exit code and stdout")
    lines = result.err.splitlines()
    ctx.equal(len(lines), 1, f"lines on stderr: {lines}")
    ctx.check("/nonexistent/directory" in lines[0], f"no path in {lines[0]!r}")


def case_foreign_file_stays(ctx):
    """A file or folder that has the trace's name by mistake is not moved away; the target runs on."""
    precious = os.path.join(ctx.scratch, "precious")
    for make in (lambda: open(precious, "w").write("mine"), lambda: os.mkdir(precious)):
        make()
        before = os.lstat(precious)
        result = ctx.traced([ctx.fixture("heap_peak")], env={"LLMTRACE_OUTPUT": precious})
        ctx.equal(result.code, 0, "exit code")
        ctx.check(precious in result.err, f"no line about it: {result.err!r}")
        after = os.lstat(precious)
        ctx.equal([after.st_ino, after.st_mode], [before.st_ino, before.st_mode], "what has the name")
        ctx.check(not os.path.exists(precious + ".old"), "it was moved away")
        if os.path.isfile(precious):
            os.unlink(precious)


def case_file_size_limit(ctx):
    """The limit is the target's own to hit: SIGXFSZ would kill it."""
    ctx.both([ctx.fixture("heap_peak")], limits={resource.RLIMIT_FSIZE: 50 << 10})


def case_allocator_of_the_program(ctx):
    """Its blocks cannot be seen, and the report says so."""
    ctx.both([ctx.fixture("own_malloc")])
    notices = [e for e in ctx.dump() if e.name == "notice" and e.aux == "allocator_replaced"]
    ctx.equal(len(notices), 1, "notices of a malloc of its own")
    said = " ".join(f"{line['subject']} {line['note']}" for line in ctx.report()["coverage"])
    ctx.check("malloc of its own" in said, f"not in the coverage: {said}")


def case_address_of_malloc_in_the_program(ctx):
    """A stub that leads to malloc is no allocator of its own."""
    traced = ctx.both([ctx.fixture("fixed_address")])
    ctx.check("malloc lies in the program" in traced.out, traced.out)
    events = ctx.dump()
    ctx.equal([e.line for e in events if e.name == "notice"], [], "notices")
    ctx.equal(len([e for e in events if e.name == "alloc" and e["size_bytes"] == 4321]), 10, "blocks")
