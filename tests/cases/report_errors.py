# SPDX-License-Identifier: MIT
"""What the report says of input that is not a whole trace, and its exit codes."""
import os
import subprocess
import struct

# struct lt_file_header behind the frame header: what stands there in every version of it.
FRAME_HEADER_BYTES = 8
MAJOR_AT, HEADER_BYTES_AT, CRC_AT = 8, 14, 76


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def refused(ctx, path, code, *words):
    """One clear line on stderr, nothing on stdout, for every form of the report."""
    for arguments in (["--json"], [], ["dump"]):
        result = ctx.report_run(*arguments, trace=path)
        what = f"llmtrace-report {' '.join(arguments)} {os.path.basename(path)}"
        ctx.equal(result.code, code, f"exit code of {what} ({result.err!r})")
        ctx.equal(result.out, "", f"stdout of {what}")
        ctx.equal(len(result.err.strip().splitlines()), 1, f"lines on stderr of {what}: {result.err!r}")
        for word in (path, *words):
            ctx.check(word in result.err, f"{what}: no {word!r} in {result.err!r}")


def make_trace(ctx, fixture="heap_threads"):
    ctx.traced([ctx.fixture(fixture)])
    with open(ctx.trace, "rb") as file:
        return file.read()


def written(ctx, name, data):
    path = os.path.join(ctx.scratch, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def case_missing_file(ctx):
    refused(ctx, os.path.join(ctx.scratch, "no-such-trace.zst"), 2, "No such file")


def case_not_a_trace(ctx):
    refused(ctx, written(ctx, "text", b"this is some text, not a trace\n" * 500), 2)
    refused(ctx, written(ctx, "empty", b""), 2)
    refused(ctx, written(ctx, "zeros", bytes(10000)), 2)
    refused(ctx, written(ctx, "other.zst", b"\x28\xb5\x2f\xfd" + bytes(50)), 2)


def case_newer_major(ctx):
    data = bytearray(make_trace(ctx))
    header_bytes, = struct.unpack_from("<H", data, FRAME_HEADER_BYTES + HEADER_BYTES_AT)
    header = data[FRAME_HEADER_BYTES:FRAME_HEADER_BYTES + header_bytes]
    crc, = struct.unpack_from("<I", header, CRC_AT)
    struct.pack_into("<I", header, CRC_AT, 0)
    ctx.equal(crc32c(header), crc, "CRC of the header as it was written")
    struct.pack_into("<H", header, MAJOR_AT, 99)
    struct.pack_into("<I", header, CRC_AT, crc32c(header))
    data[FRAME_HEADER_BYTES:FRAME_HEADER_BYTES + header_bytes] = header
    refused(ctx, written(ctx, "newer.zst", data), 2, "99")


def still_reported(ctx, path, whole_count):
    """Exit code 3, one line that names file and offset, and the readable rest."""
    result = ctx.report_run("--json", trace=path)
    ctx.equal(result.code, 3, f"exit code ({result.err!r})")
    ctx.check(path in result.err and any(c.isdigit() for c in result.err), f"stderr {result.err!r}")
    report = ctx.report(trace=path, code=3)
    ctx.equal(report["trace"]["complete"], False, "complete")
    count = len(ctx.dump(path, code=3))
    ctx.check(0 < count < whole_count, f"{count} of {whole_count} events are left")
    return count


def case_cut_file(ctx):
    data = make_trace(ctx)
    whole_count = len(ctx.dump())
    half = still_reported(ctx, written(ctx, "half.zst", data[:len(data) * 7 // 10]), whole_count)
    less = still_reported(ctx, written(ctx, "less.zst", data[:len(data) // 2]), whole_count)
    ctx.check(less <= half, f"{less} events from half of the file, {half} from 7 tenths")


def case_damaged_file(ctx):
    """A changed byte costs the block that it is in, not the ones behind it."""
    data = bytearray(make_trace(ctx))
    whole = ctx.dump()
    middle = len(data) // 2
    data[middle] ^= 0x55
    path = written(ctx, "damaged.zst", data)
    still_reported(ctx, path, len(whole))
    last = ctx.dump(path, code=3)[-1]
    ctx.equal(last.time, whole[-1].time, "time of the last event, behind the damage")


def case_wrong_use(ctx):
    make_trace(ctx)
    for arguments in (["--no-such-option"], ["--section", "nonsense"], ["--top", "many"], ["diff"]):
        result = ctx.run([ctx.report_program, *arguments, ctx.trace], "report")
        ctx.equal(result.code, 2, f"exit code of {arguments} ({result.err!r})")
        ctx.check(result.err.strip(), f"{arguments}: nothing on stderr")


def case_no_room(ctx):
    """One line, whatever could not be written."""
    make_trace(ctx)
    for arguments in (["dump"], ["--json"], []):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([ctx.report_program, *arguments, ctx.trace], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        ctx.equal(done.returncode, 2, f"exit code of {arguments}")
        ctx.equal(len(done.stderr.splitlines()), 1, f"lines of {arguments}: {done.stderr!r}")


def case_renderers(ctx):
    """Text fits 100 columns and has no colour in a pipe; every format has the same tables."""
    make_trace(ctx)
    report = ctx.report()
    text = ctx.report_run().out
    wide = [line for line in text.splitlines() if len(line) > 100]
    ctx.equal(wide[:3], [], "lines of over 100 columns")
    ctx.check("\x1b" not in text, "colour without a terminal")
    markdown = ctx.report_run("--markdown").out
    ctx.check(markdown.startswith("#") and "|" in markdown, "not Markdown")
    directory = os.path.join(ctx.scratch, "csv")
    ctx.equal(ctx.report_run("--csv", directory).code, 0, "exit code of --csv")
    for table, content in report["tables"].items():
        path = os.path.join(directory, table + ".csv")
        ctx.check(os.path.exists(path), f"no {table}.csv")
        with open(path, newline="") as file:
            columns = file.readline().strip().split(",")
        ctx.equal(columns, [column["id"] for column in content["columns"]], f"columns of {table}.csv")
