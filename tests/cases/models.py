# SPDX-License-Identifier: MIT
"""Tensors of the model files that a program opens. The truth is the file, read by Python."""
import json
import os
import shutil
import struct
import subprocess

from harness import limit
from model_rows import check_gguf, rows_of

ODD = 'a "quoted" \u00e4 name'


def make_gguf(ctx, name="model.gguf", align=32):
    path = os.path.join(ctx.directory("models"), name)
    program = os.path.join(ctx.build, "make_gguf")
    if not os.path.exists(program):
        subprocess.run(["make", "-s", "-C", ctx.top, f"BUILD={ctx.build}", program], check=True)
    subprocess.run([program, "-o", path, "--shape", "tiny", "--type", "q8_0", "--align", str(align)],
                   check=True, stdout=subprocess.DEVNULL)
    return path


def make_safetensors(ctx, name="model.safetensors"):
    """@return (path, rows as in the table)"""
    path, offset, header, rows = os.path.join(ctx.directory("models"), name), 0, {}, []
    for tensor, dtype, shape, width in (("model.embed_tokens.weight", "BF16", [16, 8], 2),
                                        ("model.layers.0.mlp.up_proj.weight", "F32", [8], 4),
                                        (ODD, "F8_E4M3", [3, 5], 1)):
        size = width
        for dim in shape:
            size *= dim
        header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        rows.append((tensor, dtype, offset, size))
        offset += size
    # not in the order of the data, with what torch puts beside
    header = {"__metadata__": {"format": "pt"}, **dict(reversed(list(header.items())))}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(offset))
    return path, [(tensor, dtype, 8 + len(text) + at, size) for tensor, dtype, at, size in rows]


def case_gguf(ctx):
    """The path is the one that the open events have."""
    path, other = make_gguf(ctx), make_gguf(ctx, "other.gguf", align=4096)
    ctx.both([ctx.fixture("model_opens"), "map", path, other])
    report = ctx.is_whole()
    check_gguf(ctx, report, path)
    check_gguf(ctx, report, other)
    aligned = {row["path"]: row["alignment_bytes"] for row in ctx.rows(report, "models")}
    ctx.equal(aligned[other], 4096, "alignment")
    opened = {row["path"] for row in ctx.rows(report, "io_by_file")}
    ctx.check({path, other} <= opened, f"not among {opened}")


def case_safetensors(ctx):
    path, wanted = make_safetensors(ctx)
    ctx.both([ctx.fixture("model_opens"), "stream", path])
    report = ctx.is_whole()
    ctx.equal(rows_of(ctx, report, path), sorted(wanted), "tensors")
    model, = ctx.rows(report, "models")
    ctx.equal([model["format"], model["architecture"], model["alignment_bytes"]],
              ["safetensors", None, None], "model")
    row, = [row for row in ctx.rows(report, "model_tensors") if "layers" in row["tensor"]]
    ctx.equal([row["layer"], row["kind"]], [0, "feed-forward"], "layer and kind")


def case_ways_to_it(ctx):
    """No suffix (as Ollama's blobs), a link, a relative path, a mapping alone."""
    path = make_gguf(ctx, "sha256-0011")
    link = os.path.join(ctx.scratch, "link")
    os.symlink(path, link)
    for way, given in (("stream", path), ("map", link), ("mapped", path), ("map", "../models/sha256-0011")):
        ctx.both([ctx.fixture("model_opens"), way, given])
        check_gguf(ctx, ctx.is_whole(), path, rows_path=link if given == link else path)


def case_once(ctx):
    """Two models opened a thousand times in turn, and a file that is none: each is looked into once."""
    paths = [make_gguf(ctx), make_gguf(ctx, "other.gguf", align=4096)]
    junk = os.path.join(ctx.directory("models"), "junk")
    with open(junk, "wb") as file:
        file.write(b"GGUX" + bytes(2 << 20))
    command = [ctx.fixture("model_opens"), "many", *paths, junk]
    ctx.both(command)
    for path in paths:
        check_gguf(ctx, ctx.is_whole(), path)
    log = os.path.join(ctx.scratch, "strace.log")
    preload = [word for key, value in ctx.trace_env().items() for word in ("-E", f"{key}={value}")]
    ctx.run(["strace", "-f", "-e", "trace=openat", "-o", log, *preload, *command])
    with open(log) as file:
        looks = [line for line in file if "O_PATH" in line]
    ctx.equal([sum(f'"{path}"' in line for line in looks) for path in [*paths, junk]], [1, 1, 1],
              "times that the writer opened each")


def case_no_models(ctx):
    """Junk, torn files, things that are no files: no rows, and nothing hangs."""
    folder = ctx.directory("models")
    with open(make_gguf(ctx), "rb") as file:
        whole = file.read()
    contents = {"junk.gguf": b"\xa5" * (2 << 20), "head.gguf": whole[:5000], "short.gguf": b"GGUF",
                "counts.gguf": whole[:8] + b"\xff" * 16 + whole[24:],
                "text.safetensors": b"\x10\0\0\0\0\0\0\0{\"a\":[[[[[[[[[[[[[[[" + bytes(100),
                "empty.safetensors": b"", "large": b"\0" * (3 << 20)}
    for name, content in contents.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    os.mkfifo(os.path.join(folder, "pipe.gguf"))
    os.mkdir(os.path.join(folder, "folder.gguf"))
    paths = [os.path.join(folder, name) for name in [*contents, "pipe.gguf", "folder.gguf"]]
    ctx.both([ctx.fixture("model_opens"), "map", *paths])
    report = ctx.is_whole()
    ctx.equal(ctx.rows(report, "models"), [], "models")
    ctx.both([ctx.fixture("model_opens"), "written", os.path.join(folder, "model.gguf")])
    ctx.equal(ctx.rows(ctx.is_whole(), "models"), [], "models that are only written")


def case_forked_child(ctx):
    """Its own trace has the tensors of what it opens itself."""
    path = make_gguf(ctx)
    ctx.both([ctx.fixture("model_opens"), "fork", path], env={"LLMTRACE_FOLLOW": "1"})
    check_gguf(ctx, ctx.is_whole(), path)
    row, = ctx.rows(ctx.report(), "children")
    check_gguf(ctx, ctx.is_whole(row["trace"]), path)


def case_killed(ctx):
    """What was read before its end stands in the trace."""
    path = make_gguf(ctx)
    ctx.both([ctx.fixture("model_opens"), "kill", path])
    check_gguf(ctx, ctx.report(), path)


def case_other_root(ctx):
    """The path means another file to the writer, which keeps its root: that one is not taken for it."""
    if os.geteuid() != 0:
        ctx.skip("needs root")
    path, inside = make_gguf(ctx), make_gguf(ctx, "inside.gguf", align=4096)
    root = ctx.directory("root")
    os.makedirs(root + os.path.dirname(path))
    shutil.move(inside, root + path)
    ctx.both([ctx.fixture("model_opens"), "root", root, path])
    report = ctx.is_whole()
    check_gguf(ctx, report, root + path, rows_path=path)
    model, = ctx.rows(report, "models")
    ctx.equal(model["alignment_bytes"], 4096, "alignment")


def case_lock_stays(ctx):
    """Closing a descriptor of ours does not release the locks that the program has on the file."""
    path = make_gguf(ctx)
    result = ctx.both([ctx.fixture("model_opens"), "lock", path])
    ctx.equal(result.out, "locked: 1\n", "what another process sees")
    check_gguf(ctx, ctx.is_whole(), path)


def case_path_is_private(ctx):
    """A user's name is taken out of the path, and the file is read all the same."""
    home = os.path.join(ctx.scratch, "home", "quentin")
    os.makedirs(home)
    path = os.path.join(home, "model.gguf")
    os.rename(make_gguf(ctx), path)
    ctx.traced([ctx.fixture("model_opens"), "map", path], env={"LLMTRACE_PRIVACY": "on"})
    report = ctx.is_whole()
    model, = ctx.rows(report, "models")
    ctx.check("quentin" not in model["path"], f"path {model['path']}")
    ctx.check(model["path"] in {row["path"] for row in ctx.rows(report, "io_by_file")},
              f"{model['path']} is not the path of the open events")
    check_gguf(ctx, report, path, rows_path=model["path"])


@limit(120)
def case_bounded(ctx):
    """The block that had the rows first made room long ago: each segment has them again."""
    path = make_gguf(ctx)
    ctx.traced([ctx.fixture("model_opens"), "churn", path], env={"LLMTRACE_MAX_BYTES": "1M"})
    report = ctx.is_whole()
    ctx.check(any("made room" in note for table in report["tables"].values()
                  for note in table.get("notes", [])), "nothing was dropped")
    check_gguf(ctx, report, path)
