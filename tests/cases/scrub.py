# SPDX-License-Identifier: MIT
"""llmtrace-report scrub: the copy has none of the words, and the same tables. What stands for a
name is worked out here by a second program."""
import json
import os
import stat
import subprocess

from privacy import (SECRETS, USERS, command_of, environment, homes, killed, python_command,
                     words_in)
import siphash


def scrub(ctx, source, copy, code=0):
    done = ctx.run([ctx.report_program, "scrub", source, copy], "scrub", {"USER": USERS[1]})
    ctx.equal(done.code, code, f"exit code of scrub ({done.err!r})")
    ctx.equal(done.out, "", "stdout of scrub")
    return done.err


def comparable(report):
    """What must be the same but for names: all but the command, the file and its size."""
    for key in ("command", "path", "file_bytes"):
        report["trace"].pop(key)
    return json.dumps(report, sort_keys=True, indent=1)


def same_tables(ctx, source, copy, code=0):
    wanted = siphash.without_names(comparable(ctx.report(trace=source, code=code)), USERS)
    got = comparable(ctx.report(trace=copy, code=code))
    if got != wanted:
        lines = [pair for pair in zip(wanted.splitlines(), got.splitlines()) if pair[0] != pair[1]]
        ctx.check(False, f"{len(lines)} lines of the reports differ: {lines[:3]}")
    dumps = [ctx.run([ctx.report_program, "dump", path], "dump").out for path in (source, copy)]
    events = [siphash.without_names(dumps[0], USERS).splitlines(), dumps[1].splitlines()]
    ctx.check(len(events[0]) > 10, "hardly any events")
    ctx.equal(len(events[1]), len(events[0]), "events")
    for wanted, got in zip(*events):
        ctx.equal(got, wanted, "event of the copy")


def case_ended(ctx):
    first, second = homes(ctx)
    source, copy, again = (os.path.join(ctx.scratch, n) for n in ("in.zst", "out.zst", "again.zst"))
    for command in (command_of(first, second), python_command(first, second)("end")):
        ctx.traced(command, first, env=environment(source, LLMTRACE_PRIVACY="off"))
        ctx.check(set(USERS + SECRETS[:1]) <= set(words_in(ctx, source, USERS + SECRETS)), "no words")
        before = open(source, "rb").read()
        scrub(ctx, source, copy)
        after = open(source, "rb").read()
        ctx.check(after == before, f"the original was changed: {len(before)} and {len(after)} bytes")
        ctx.equal(words_in(ctx, copy, USERS + SECRETS), [], "found in the copy")
        ctx.equal(stat.S_IMODE(os.stat(copy).st_mode), 0o600, "mode of the copy")
        ctx.zstd_accepts(copy)
        same_tables(ctx, source, copy)
        kept = ctx.report(trace=copy)["trace"]["command"]
        ctx.check(all(word.startswith("<") or "<" not in word or "/" in word or "=" in word
                      for word in kept), f"command {kept}")
        scrub(ctx, copy, again)
        same_tables(ctx, copy, again)
        for path in (copy, again):
            os.remove(path)


def case_killed(ctx):
    """With rings that the report has saved into the trace, and with rings in their own file."""
    copy = os.path.join(ctx.scratch, "out.zst")
    for is_reported in (False, True):
        source, pools = killed(ctx, "off")
        if is_reported:
            ctx.report(trace=source)
        scrub(ctx, source, copy)
        ctx.check(not any(map(os.path.exists, pools)), "rings are left")
        ctx.check("quentin" in words_in(ctx, source, USERS), "no names in the original")
        ctx.equal(words_in(ctx, copy, USERS + SECRETS), [], "found in the copy")
        same_tables(ctx, source, copy)
        os.remove(copy)


def case_running(ctx):
    """A trace that is still written is not copied."""
    first, second = homes(ctx)
    source, copy = (os.path.join(ctx.scratch, name) for name in ("in.zst", "out.zst"))
    process = subprocess.Popen(python_command(first, second)("kill"), cwd=first,
                               env=dict(os.environ, **ctx.trace_env(environment(source))),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    error = scrub(ctx, source, copy, 2)
    process.communicate(b"")
    ctx.check("still runs" in error and len(error.splitlines()) == 1, error)
    ctx.check(not os.path.lexists(copy), "a copy was made")
    scrub(ctx, source, copy)


def case_never_over_a_file(ctx):
    """OUT that is there, a link, a link to nothing, IN itself: refused and left as it is."""
    first, second = homes(ctx)
    source = os.path.join(ctx.scratch, "in.zst")
    ctx.traced(command_of(first, second), first, env=environment(source))
    names = {name: os.path.join(ctx.scratch, name) for name in ("there", "link", "dangling", "victim")}
    for name in ("there", "victim"):
        with open(names[name], "w") as file:
            file.write("precious")
    os.symlink(names["victim"], names["link"])
    os.symlink(os.path.join(ctx.scratch, "nowhere"), names["dangling"])
    before = open(source, "rb").read()
    for copy in (*names.values(), source):
        error = scrub(ctx, source, copy, 2)
        ctx.check(copy in error and len(error.splitlines()) == 1, error)
    ctx.equal(open(names["there"]).read() + open(names["victim"]).read(), "precious" * 2, "files")
    ctx.check(open(source, "rb").read() == before, "the original was changed")
    ctx.check(not os.path.exists(os.path.join(ctx.scratch, "nowhere")), "written through a link")
    scrub(ctx, os.path.join(ctx.scratch, "none"), os.path.join(ctx.scratch, "new"), 2)
    ctx.check(not os.path.exists(os.path.join(ctx.scratch, "new")), "a copy of nothing")
    done = ctx.run([ctx.report_program, "scrub", source], "scrub")
    ctx.equal(done.code, 2, "exit code without OUT")


def case_damaged(ctx):
    """What cannot be read is left out, not copied; the exit code says that data are missing."""
    first, second = homes(ctx)
    source, copy = (os.path.join(ctx.scratch, name) for name in ("in.zst", "out.zst"))
    ctx.traced(python_command(first, second)("end"), first,
               env=environment(source, LLMTRACE_PRIVACY="off"))
    data = bytearray(open(source, "rb").read())
    data[len(data) // 2] ^= 0x55
    data += b"quentin was here"
    with open(source, "wb") as file:
        file.write(data)
    error = scrub(ctx, source, copy, 3)
    ctx.check("damaged" in error, error)
    ctx.equal(words_in(ctx, copy, USERS + SECRETS), [], "found in the copy")
    ctx.check(len(ctx.dump(copy, 3 if ctx.report_run(trace=copy).code else 0)) > 50, "few events")
