# SPDX-License-Identifier: MIT
"""The real engine under its three hosts: commands, and what every one of them must fulfil."""
import os
import re
import sys

PROMPT = "Once upon a time there was a small engine"
GENERATED = 24


def model(ctx):
    return os.path.join(ctx.build, "models", "tiny-q8_0.gguf")


def command(ctx, host, *more, generated=GENERATED):
    """The command line of a host: c, python or node."""
    engine = os.path.join(ctx.build, "engine")
    common = ["-m", model(ctx), "-p", PROMPT, "-n", str(generated), "-t", "2", *more]
    if host == "c":
        return [os.path.join(ctx.build, "llama_run"), *common]
    if host == "python":
        python = os.path.realpath(sys.executable)
        return [python, os.path.join(ctx.top, "samples", "llama_run.py"), "-e", engine, *common]
    return [os.path.join(engine, "node"), os.path.join(ctx.top, "samples", "llama_run.mjs"), "-e", engine, *common]


def token_counts(text):
    """(prompt, generated) of the host's summary line."""
    match = re.search(r"(\d+) prompt \+ (\d+) generated tokens", text)
    return int(match[1]), int(match[2])


def run_both(ctx, host, *more, traced_env=None):
    """The same stdout and exit code with and without. @return (prompt tokens, generated tokens)"""
    native = ctx.run(command(ctx, host, *more))
    ctx.equal(native.code, 0, f"exit code of the native run ({native.err[-300:]!r})")
    traced = ctx.traced(command(ctx, host, *more), env=traced_env)
    ctx.equal(traced.code, 0, f"exit code of the traced run ({traced.err[-300:]!r})")
    ctx.equal(traced.out, native.out, "stdout")
    ctx.check(len(native.out) > 20, f"the engine generated next to nothing: {native.out!r}")
    ctx.equal(token_counts(traced.err), token_counts(native.err), "token counts of the host")
    return token_counts(native.err)


def check_phases(ctx, report, prompt_count, generated_count, decoded_count):
    """Prompt and generation stand apart, each with its tokens; one model load."""
    rows = {row["phase"]: row for row in ctx.rows(report, "phases")}
    for name in ("load", "context", "prompt", "generation"):
        ctx.check(name in rows, f"no phase {name} among {sorted(rows)}")
    ctx.equal(rows["prompt"]["token_count"], prompt_count, "tokens of the prompt")
    ctx.equal(rows["generation"]["token_count"], decoded_count,
              f"decodes behind the prompt, for {generated_count} generated tokens")
    for row in rows.values():
        ctx.check(row["duration_ns"] is None or row["duration_ns"] > 0, f"no duration: {row}")
    return rows
