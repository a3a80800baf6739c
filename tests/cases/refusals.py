# SPDX-License-Identifier: MIT
"""Programs that cannot be traced, or in part: `llmtrace run` says so in one line, and the report
says what was not seen. The programs are real ones, made by the compilers of this machine; foreign
machines are headers that readelf of any system would read so."""
import os
import shutil
import struct
import subprocess
import unicodedata

PROGRAM = """#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(void)
{
	void *block = malloc(12345);

	mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	free(block);
	puts("it ran");
	return 0;
}
"""
CXX_PROGRAM = """#include <cstdio>
#include <cstdlib>
struct Big { char bytes[7777]; };
int main()
{
	for (int i = 0; i < 10; i++) {
		void *volatile block = malloc(12345);
		Big *volatile big = new Big;
		free(block);
		delete big;
	}
	puts("it ran");
}
"""


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, 0o755)
    return path


def build(ctx, compiler, name, *options, source=PROGRAM):
    path = os.path.join(ctx.scratch, name)
    if not shutil.which(compiler):
        ctx.skip(f"no {compiler}")
    text = write(path + (".c" if source is PROGRAM else ".cc"), source)
    done = ctx.run([compiler, "-O1", "-fno-builtin", "-o", path, text, *options], ".")
    ctx.equal(done.code, 0, f"{compiler} {options} ({done.err!r})")
    return path


def llmtrace(ctx, *command, env=None):
    done = ctx.run([os.path.join(ctx.build, "llmtrace"), "run", "-o", ctx.trace, "--", *command],
                   "run", {"LLMTRACE_LOG": "", **(env or {})})
    return done


def refused(ctx, program, *words, code=2):
    if os.path.exists(ctx.trace):
        os.remove(ctx.trace)
    done = llmtrace(ctx, program)
    ctx.equal(done.code, code, f"exit code for {program} ({done.out!r} {done.err!r})")
    ctx.equal(done.out, "", f"stdout for {program}")
    ctx.equal(len(done.err.splitlines()), 1, f"lines for {program}: {done.err!r}")
    for word in (program, *words):
        ctx.check(word in done.err, f"no {word!r} in {done.err!r}")
    ctx.check(not os.path.exists(ctx.trace), "a trace of nothing")


def header(machine, elf_class=2, data=1, kind=3):
    """The head of an ELF file without any segment."""
    ident = b"\x7fELF" + bytes([elf_class, data, 1]) + bytes(9)
    order = "<" if data == 1 else ">"
    return ident + struct.pack(order + "HHI", kind, machine, 1) + bytes(40)


def case_static(ctx):
    refused(ctx, build(ctx, "gcc", "static", "-static"), "static")
    refused(ctx, build(ctx, "gcc", "static-pie", "-static-pie"), "static")


def case_musl(ctx):
    program = build(ctx, "musl-gcc", "musl")
    refused(ctx, program, "musl")
    script = write(os.path.join(ctx.scratch, "script"), f"#!{program}\n")
    refused(ctx, script, program, "musl")


def case_other_machines(ctx):
    for name, data, word in (("i386", header(3, 1), "32-bit"), ("x32", header(62, 1), "x32"),
                             ("arm", header(40, 1), "32-bit"), ("aarch64", header(183), "aarch64"),
                             ("s390", header(22, 2, 2), "s390"), ("riscv", header(243), "riscv"),
                             ("unknown", header(9999), "another machine")):
        path = write(os.path.join(ctx.scratch, name), data)
        refused(ctx, path, word)
        script = write(path + ".sh", f"#!/usr/bin/env -S X=1 {path} --flag\nnothing\n")
        refused(ctx, script, path, word)
    cut = write(os.path.join(ctx.scratch, "cut"), header(62)[:30])
    refused(ctx, cut, "cut short")
    with open("/bin/true", "rb") as file:
        cut = write(os.path.join(ctx.scratch, "cut"), file.read(100))
    refused(ctx, cut, "cut short")


def plain_line(ctx, *arguments, code=2, out=False):
    done = subprocess.run([os.path.join(ctx.build, "llmtrace"), *arguments], capture_output=True,
                          check=False, cwd=ctx.scratch)
    text = done.stdout if out else done.stderr
    ctx.equal(done.returncode, code, f"exit code of {arguments} ({text!r})")
    ctx.equal(text.count(b"\n"), 1, f"lines of {arguments}: {text!r}")
    bad = [c for c in text.decode() if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
    ctx.equal(bad, [], f"{arguments}: {text!r}")
    return text.decode()


def case_names_of_others(ctx):
    """What a command, an option or a mark is called does nothing to the terminal."""
    evil = "x\x1b[31m\x07\u202e\n"
    static = write(os.path.join(ctx.scratch, evil), header(62))
    plain_line(ctx, evil)
    plain_line(ctx, "run", evil, code=127)
    plain_line(ctx, "run", static)
    plain_line(ctx, "run", "--" + evil, "true")
    plain_line(ctx, "doctor", evil)
    plain_line(ctx, "ctl", evil, "stop")


def case_wrong_options(ctx):
    for arguments, word in ((["run", "-x"], "-x"), (["run", "--none", "true"], "--none"),
                            (["run", "-o"], "needs a value"), (["run", "--help=1"], "no value"),
                            (["run", "-s", "9999", "true"], "128"), (["run", "-s", "x", "true"], "128"),
                            (["doctor", "--none"], "--none")):
        line = plain_line(ctx, *arguments)
        ctx.check(line.startswith("llmtrace: ") and word in line, f"{arguments}: {line!r}")


def case_output_that_is_no_trace(ctx):
    write(ctx.trace, "mine")
    done = llmtrace(ctx, "/bin/true", env={"LLMTRACE_LOG": ""})
    ctx.equal(done.code, 0, "exit code")
    ctx.check("is no trace" in done.err and "errno" not in done.err, f"{done.err!r}")
    with open(ctx.trace, encoding="utf-8") as file:
        ctx.equal(file.read(), "mine", "the file")


def case_set_user_id(ctx):
    if os.geteuid():
        ctx.skip("only root can give a program to another user")
    program = build(ctx, "gcc", "privileged")
    for owner, mode in ((12345, 0o4755), (-1, 0o2755)):
        os.chown(program, owner, 12345)
        os.chmod(program, mode)
        refused(ctx, program, "set-user-ID", "LD_PRELOAD")
    os.chown(program, 0, 0)
    os.chmod(program, 0o6755)
    ctx.equal(llmtrace(ctx, program).out, "it ran\n", "a set-user-ID program of one's own")


def case_not_there(ctx):
    """What a shell would say, with its exit codes."""
    refused(ctx, os.path.join(ctx.scratch, "none"), "No such file", code=127)
    refused(ctx, "no-such-program-anywhere", "No such file", code=127)
    plain = write(os.path.join(ctx.scratch, "plain"), "text")
    os.chmod(plain, 0o644)
    refused(ctx, plain, "Permission denied", code=126)
    refused(ctx, ctx.scratch, "Permission denied", code=126)
    loop = os.path.join(ctx.scratch, "loop")
    write(loop, f"#!{loop}\n")
    ctx.check(llmtrace(ctx, loop).code in (126, 127), "a script that is its own interpreter")


def partly(ctx, program, *words):
    done = llmtrace(ctx, program)
    ctx.equal(done.code, 0, f"exit code of {program} ({done.err!r})")
    ctx.equal(len(done.err.splitlines()), 1, f"lines for {program}: {done.err!r}")
    for word in (program, *words):
        ctx.check(word in done.err, f"no {word!r} in {done.err!r}")
    report = ctx.report()
    found = [f["statement"] for f in report["findings"] if f["id"] == "heap_not_seen"]
    ctx.equal(len(found), 1, f"findings about the heap: {found}")
    return report, found[0]


def case_own_malloc(ctx):
    """The program runs on; its heap is not seen, its mappings are."""
    report, said = partly(ctx, ctx.fixture("own_malloc"), "malloc of its own")
    ctx.check("own_malloc defines its own malloc" in said, said)
    ctx.check(ctx.rows(report, "maps"), "no mappings")


def case_linked_allocator(ctx):
    """jemalloc as a library: malloc is seen, C++ new is not. Inside the program: neither is."""
    shared = build(ctx, "g++", "shared", "-Wl,--no-as-needed", "-ljemalloc", source=CXX_PROGRAM)
    _, said = partly(ctx, shared, "libjemalloc")
    sizes = [e["size_bytes"] for e in ctx.dump() if e.name == "alloc"]
    ctx.equal([sizes.count(12345), sizes.count(7777)], [10, 0], "calls of malloc and of new")
    ctx.check("C++ new" in said and "libjemalloc" in said, said)
    inside = build(ctx, "g++", "inside", "-Wl,--no-as-needed", "-l:libjemalloc.a", "-lpthread",
                   "-ldl", "-lm", source=CXX_PROGRAM)
    report, said = partly(ctx, inside, "malloc of its own")
    ctx.check("defines its own malloc" in said, said)
    ctx.equal(ctx.rows(report, "heap_by_stack"), [], "heap of the program")
    plain = build(ctx, "g++", "plain", source=CXX_PROGRAM)
    done = llmtrace(ctx, plain)
    ctx.equal([done.code, done.err], [0, ""], "a program as any other")
    sizes = [e["size_bytes"] for e in ctx.dump() if e.name == "alloc"]
    ctx.equal([sizes.count(12345), sizes.count(7777)], [10, 10], "calls of malloc and of new")
    ctx.equal([f for f in ctx.report()["findings"] if f["id"] == "heap_not_seen"], [], "findings")
