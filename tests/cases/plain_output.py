# SPDX-License-Identifier: MIT
"""What a target calls its threads, files, functions and phases does nothing to who reads the report:
every output is searched, byte by byte, for what a terminal or a spreadsheet would act on."""
import csv
import json
import os
import shutil
import stat
import subprocess
import unicodedata

EVIL = b"\x1b[31m\x07\xc2\x9b5m\x9b2J\xe2\x80\xae"
FORBIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def record(ctx):
    """The folder of the program and an argument have such names, too."""
    folder = os.path.join(os.fsencode(ctx.scratch), b"d" + EVIL + b"```|")
    os.makedirs(folder)
    program = os.path.join(folder, b"x\x1b[5m")
    shutil.copy(ctx.fixture("hostile_names"), program)
    env = dict(os.environ, **ctx.trace_env(),
               FIXTURE_EXPECT=os.path.join(ctx.scratch, "expect"))
    done = subprocess.run([program, folder, b"--arg=" + EVIL + b"\n```"], env=env, cwd=ctx.scratch,
                          check=False, capture_output=True)
    ctx.equal(done.returncode, 0, f"the program ({done.stderr!r})")


def is_plain(ctx, data, what):
    try:
        text = data.decode()
    except UnicodeDecodeError as why:
        ctx.check(False, f"{what} is not UTF-8: {why}: {data[max(0, why.start - 60):why.start + 20]!r}")
    for at, c in enumerate(text):
        if unicodedata.category(c) in FORBIDDEN and c != "\n":
            ctx.check(False, f"{what} has {c!r} in {text[max(0, at - 60):at + 20]!r}")
    return text


def output(ctx, *arguments, code=0):
    done = subprocess.run([ctx.report_program, *arguments], capture_output=True, check=False)
    ctx.equal(done.returncode, code, f"exit code of {arguments} ({done.stderr!r})")
    return done.stdout if not code else done.stderr


def case_text_and_dump(ctx):
    record(ctx)
    text = is_plain(ctx, output(ctx, "--top", "1000", ctx.trace), "text")
    wide = [line for line in text.splitlines() if len(line) > 100]
    ctx.equal(wide, [], "lines of over 100 columns")
    for section in json.loads(output(ctx, "--json", ctx.trace))["tables"]:
        is_plain(ctx, output(ctx, "--section", section, ctx.trace), f"section {section}")
    dump = is_plain(ctx, output(ctx, "dump", "--definitions", ctx.trace), "dump")
    for word in ("evil\\033[32mfunction", "\\033[31m\\007\\302\\2335m\\2332J\\342\\200\\256"):
        ctx.check(word in dump, f"no {word} in the dump")
    error = output(ctx, "--phase", "none", ctx.trace, code=2)
    is_plain(ctx, error, "the error that lists the phases")


def case_markdown(ctx):
    record(ctx)
    text = is_plain(ctx, output(ctx, "--markdown", "--top", "1000", ctx.trace), "Markdown")
    head = text.split("## ", 1)[0]
    ctx.equal(head.count("```"), 2, "fences around the command")
    for line in text.splitlines():
        if line.startswith("| ") and "evil" in line:
            ctx.check("\\[32m" in line or "[" not in line, f"markup in {line}")


def case_json(ctx):
    record(ctx)
    data = output(ctx, "--json", ctx.trace)
    is_plain(ctx, data, "JSON")
    ctx.check(all(byte < 0x7f for byte in data), "JSON is not ASCII")
    report = json.loads(data)
    names = [row["name"] for row in ctx.rows(report, "threads")]
    ctx.check("=1+1" in names and "t\x1b[31m\ufffd" in names, f"names of threads: {names}")
    phases = [row["phase"] for row in ctx.rows(report, "phases")]
    wanted = "p" + EVIL.decode(errors="replace")
    ctx.check(any(phase.startswith(wanted) for phase in phases), f"phases {phases}")


def case_csv(ctx):
    """No cell begins like a formula; files are the owner's alone, and not written through links."""
    record(ctx)
    directory, victim = (os.path.join(ctx.scratch, name) for name in ("csv", "victim"))
    output(ctx, "--csv", directory, ctx.trace)
    cells = []
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        ctx.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"mode of {name}")
        with open(path, "rb") as file:
            text = is_plain(ctx, file.read(), name)
        rows = list(csv.reader(text.splitlines(keepends=True)))
        cells += [cell for row in rows[1:] for cell in row]
        ctx.check(all(len(row) == len(rows[0]) for row in rows), f"{name}: rows of different lengths")
    numbers = set("0123456789.")
    bad = [c for c in cells if c[:1] in "=+-@" and len(c) > 1 and not set(c[1:2]) <= numbers]
    ctx.equal([c for c in bad if c], [], "cells that begin like a formula")
    ctx.check("'=1+1" in cells and "'@phase" in cells, "no names with a quote in front")
    os.chmod(os.path.join(directory, "threads.csv"), 0o644)
    output(ctx, "--csv", directory, ctx.trace)
    ctx.equal(stat.S_IMODE(os.stat(os.path.join(directory, "threads.csv")).st_mode), 0o600, "mode of an old file")
    os.remove(os.path.join(directory, "threads.csv"))
    os.mkfifo(os.path.join(directory, "threads.csv"))
    error = output(ctx, "--csv", directory, ctx.trace, code=2)
    ctx.check(b"threads.csv" in error, error)
    reader = os.open(os.path.join(directory, "threads.csv"), os.O_RDONLY | os.O_NONBLOCK)
    error = output(ctx, "--csv", directory, ctx.trace, code=2)
    ctx.check(b"threads.csv" in error and not os.read(reader, 1), error)
    os.close(reader)
    with open(victim, "w") as file:
        file.write("precious")
    os.remove(os.path.join(directory, "threads.csv"))
    os.symlink(victim, os.path.join(directory, "threads.csv"))
    error = output(ctx, "--csv", directory, ctx.trace, code=2)
    ctx.check(b"threads.csv" in error, error)
    ctx.equal(open(victim).read(), "precious", "the file behind the link")
