# SPDX-License-Identifier: MIT
"""The tables `models` and `model_tensors` against the files themselves, read by Python."""
import gguf_sizes


def rows_of(ctx, report, path):
    return sorted((row["tensor"], row["type"], row["offset_bytes"], row["size_bytes"])
                  for row in ctx.rows(report, "model_tensors") if row["path"] == path)


def check_gguf(ctx, report, path, rows_path=None):
    """rows_path: as the trace has it. The file is one of make_gguf's, of the shape tiny, in Q8_0."""
    with open(path, "rb") as file:
        data = file.read()
    wanted = gguf_sizes.tensors(data)[1]
    rows_path = rows_path or path
    model, = [row for row in ctx.rows(report, "models") if row["path"] == rows_path]
    ctx.equal(rows_of(ctx, report, rows_path), sorted(wanted), "tensors")
    ctx.equal([model[key] for key in ("format", "architecture", "tensor_count", "layer_count",
                                      "data_bytes", "file_bytes", "header_bytes")],
              ["gguf", "llama", len(wanted), 10, sum(row[3] for row in wanted), len(data),
               wanted[0][2]], "model")
    ctx.check(model["quantisation"].startswith("q8_0 99."), f"quantisation {model['quantisation']!r}")
