# SPDX-License-Identifier: MIT
"""What a trace says of its user. The truth is a search of the whole trace, unpacked by zstd, for
words that the command line, the environment and the paths of the run have."""
import os
import shutil
import signal
import subprocess
import time

SECRETS = ["Once upon a midnight", "sk-0123456789", "hf_abcdefgh", "hunter2", "envsecret"]
USERS = ["quentin", "rosalind"]


def unpacked(ctx, path):
    """The file as it is, and all that zstd makes of it."""
    with open(path, "rb") as file:
        data = file.read()
    done = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=False)
    return data + done.stdout


def words_in(ctx, path, words):
    data = unpacked(ctx, path)
    return [word for word in words if word.encode() in data]


def homes(ctx):
    """Folders as users have them: one is known by the folder before it, one by the environment."""
    first = os.path.join(ctx.scratch, "home", USERS[0], "job")
    second = os.path.join(ctx.scratch, "scratchdisk", USERS[1])
    for folder in (first, second):
        os.makedirs(folder, exist_ok=True)
    for program in (ctx.fixture("marks"), shutil.which("echo")):
        shutil.copy(program, first)
    with open(os.path.join(second, "model.gguf"), "w") as file:
        file.write("weights " * 1000)
    return first, second


def command_of(first, second, name="echo"):
    return [os.path.join(first, name), os.path.join(second, "model.gguf"), "-p", SECRETS[0],
            "--api-key", SECRETS[1], "--hf-token=" + SECRETS[2], "-n", "48",
            "--url", f"http://me:{SECRETS[3]}@host/"]


def python_command(first, second):
    """Opens, maps and stats files below both folders."""
    code = ("import os,sys,mmap\n"
            "for p in sys.argv[2:4]:\n"
            "    f=open(p,'rb'); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ); f.read(); os.stat(p)\n"
            "try: open(sys.argv[2]+'.none')\n"
            "except OSError: pass\n"
            "os.chdir(os.path.dirname(sys.argv[2])); open(os.path.basename(sys.argv[2])).close()\n"
            "if sys.argv[1]=='kill':\n"
            "    print('ready',flush=True); sys.stdin.read()\n")
    script = os.path.join(first, "run.py")
    with open(script, "w") as file:
        file.write(code)
    return lambda how: ["python3", script, how, os.path.join(second, "model.gguf"), script,
                        "--prompt", SECRETS[0], "--password", SECRETS[3]]


def environment(trace, **more):
    return {"USER": USERS[1], "LOGNAME": USERS[1], "HF_TOKEN": SECRETS[4],
            "LLMTRACE_OUTPUT": trace, "LLMTRACE_PRIVACY": "on", **more}


def case_nothing_private(ctx):
    """Prompt, key, token, password, environment and user names are in no trace; off: they are."""
    first, second = homes(ctx)
    trace = os.path.join(first, "trace.zst")
    commands = [command_of(first, second), python_command(first, second)("end")]
    for command in commands:
        ctx.traced(command, first, env=environment(trace))
        report = ctx.report(trace=trace)
        ctx.equal(words_in(ctx, trace, SECRETS + USERS), [], f"found in the trace of {command[0]}")
        ctx.check(report["trace"]["complete"], "not complete")
    ctx.traced(commands[0], first, env=environment(trace, LLMTRACE_PRIVACY="off"))
    ctx.equal(words_in(ctx, trace, SECRETS + USERS), SECRETS[:4] + USERS, "found with privacy off")
    ctx.equal(ctx.report(trace=trace)["trace"]["command"], commands[0], "command with privacy off")


def case_what_stays(ctx):
    """Options that are no secrets, the ends of paths, thread names and marks are as they were."""
    first, second = homes(ctx)
    trace = os.path.join(first, "trace.zst")
    ctx.traced(command_of(first, second), first, env=environment(trace))
    command = ctx.report(trace=trace)["trace"]["command"]
    ctx.equal(len(command), 11, "arguments")
    ctx.equal([command[i] for i in (2, 4, 7, 8, 9)], ["-p", "--api-key", "-n", "48", "--url"], "options")
    ctx.check(command[0].endswith(">/job/echo") and command[1].endswith("/model.gguf"), command)
    ctx.check(command[3].startswith(f"<{len(SECRETS[0])}:"), command[3])
    ctx.check(command[6].startswith(f"--hf-token=<{len(SECRETS[2])}:"), command[6])
    ctx.traced([os.path.join(first, "marks")], first, env=environment(trace))
    marks = {e["name"] for e in ctx.dump(trace) if e.name == "mark"}
    ctx.check(marks, "no marks")


def case_paths_of_two_runs(ctx):
    """The same file has the same path in two traces; two secrets of two traces do not look alike."""
    first, second = homes(ctx)
    command = python_command(first, second)("end")
    found = []
    for name in ("a.zst", "b.zst"):
        trace = os.path.join(ctx.scratch, name)
        ctx.traced(command, first, env=environment(trace))
        report = ctx.report(trace=trace)
        paths = {row["path"] for row in ctx.rows(report, "io_by_file") if "model.gguf" in row["path"]}
        found.append((paths, report["trace"]["command"]))
    ctx.check(found[0][0] and found[0][0] == found[1][0], f"paths {found[0][0]} and {found[1][0]}")
    ctx.equal(found[0][1][:5], found[1][1][:5], "paths in the command")
    ctx.check(found[0][1][6] != found[1][1][6], "the same hash of a secret in two traces")


def case_names_of_functions(ctx):
    """The report finds the program below a replaced name, and in it the lines of the source."""
    first, _ = homes(ctx)
    trace = os.path.join(first, "trace.zst")
    program = os.path.join(first, "lines")
    source = ("#include <stdlib.h>\nvoid *volatile p;\n"
              "__attribute__((noinline)) void take(void) {\n\tp = malloc(4242);\n\tfree(p);\n}\n"
              "int main(void) { take(); return 0; }\n")
    with open(program + ".c", "w") as file:
        file.write(source)
    done = ctx.run([os.environ.get("CC", "gcc"), "-g", "-O1", "-o", program, program + ".c"], first)
    ctx.equal(done.code, 0, f"compiler ({done.err!r})")
    for privacy in ("off", "on"):
        ctx.traced([program], first, env=environment(trace, LLMTRACE_PRIVACY=privacy))
        report = ctx.report("--lines", trace=trace)
        stacks = [row["stack"] for row in ctx.rows(report, "heap_by_stack")]
        ctx.check(any("lines.c:4" in frame for stack in stacks for frame in stack),
                  f"privacy {privacy}: no line of the source in {stacks}")


def killed(ctx, privacy, room=None):
    """A trace and a ring file of a process that was killed. @return (trace, pool path or None)"""
    first, second = homes(ctx)
    trace = os.path.join(first, "trace.zst")
    env = dict(os.environ, **ctx.trace_env(environment(trace, LLMTRACE_PRIVACY=privacy)))
    process = subprocess.Popen(python_command(first, second)("kill"), env=env, cwd=first,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    pools = [os.path.join("/dev/shm", n) for n in os.listdir("/dev/shm")
             if n.startswith(f"llmtrace-{process.pid}-")]
    pools += [os.path.join(first, n) for n in os.listdir(first) if n.endswith(".pool")]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    return trace, pools


def case_killed(ctx):
    """Rings that outlive the process, in their file and saved into the trace, hold no names."""
    trace, pools = killed(ctx, "on")
    ctx.equal(len(pools), 1, f"ring files ({pools})")
    with open(pools[0], "rb") as file:
        data = file.read()
    ctx.equal([w for w in SECRETS + USERS if w.encode() in data], [], "found in the rings")
    report = ctx.report(trace=trace)
    ctx.equal(report["trace"]["exit"]["kind"], "killed", "end")
    ctx.check(not os.path.exists(pools[0]), "the rings were not taken into the trace")
    ctx.equal(words_in(ctx, trace, SECRETS + USERS), [], "found in the trace with its rings")
    files = [row["path"] for row in ctx.rows(report, "io_by_file")]
    ctx.check(any(path.endswith("/model.gguf") for path in files), f"files {files}")
    trace, pools = killed(ctx, "off")
    ctx.report(trace=trace)
    ctx.check(set(USERS) <= set(words_in(ctx, trace, USERS)), "privacy off, and no names")


def case_wrong_value(ctx):
    """A value that is not understood does not switch it off."""
    first, second = homes(ctx)
    trace = os.path.join(first, "trace.zst")
    done = ctx.traced(command_of(first, second), first,
                      env=environment(trace, LLMTRACE_PRIVACY="no"))
    ctx.check("LLMTRACE_PRIVACY" in done.err, done.err)
    ctx.equal(words_in(ctx, trace, SECRETS + USERS), [], "found in the trace")
