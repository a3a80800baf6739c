# SPDX-License-Identifier: MIT
"""Under valgrind: another loader of programs, its own malloc, system calls that it does not know."""
import glob
import os
import shutil

PEAK_BLOCKS = 100


def run_under(ctx, tool, command, with_complaints=True):
    """The same output, exit code and complaints as natively. @return path of the program's own trace"""
    if not shutil.which("valgrind"):
        ctx.skip("valgrind is not installed")
    for path in glob.glob(f"{ctx.scratch}/trace*.zst"):
        os.remove(path)
    # valgrind is a script that becomes a program that becomes the target: each has a file of its own
    whole = ["valgrind", "-q", f"--tool={tool}", *["--error-exitcode=99"] * with_complaints, *command]
    if with_complaints:
        ctx.both(whole, env={"LLMTRACE_FOLLOW": "1"})
    else:
        native, traced = ctx.run(whole), ctx.traced(whole, env={"LLMTRACE_FOLLOW": "1"})
        ctx.equal((traced.code, traced.out), (native.code, native.out), "exit code and output")
    traces = glob.glob(f"{ctx.scratch}/trace*.zst")
    own = [path for path in traces if ctx.report(trace=path)["trace"]["command"] == command]
    ctx.equal(len(own), 1 + ("fork" in command), f"traces of the program among {len(traces)}")
    for path in own:
        ctx.is_whole(path)
    return own[0]


def case_memcheck(ctx):
    """It takes malloc for itself; and it would report reads of ours that have no business."""
    for program, *arguments in (("heap_peak",), ("heap_threads",), ("thread_calls",),
                                ("processes", "fork"), ("exits", "_exit")):
        run_under(ctx, "memcheck", [ctx.fixture(program), *arguments])


def case_memcheck_and_the_thunk(ctx):
    """It complains of what the kernel is asked about pages of a stack, which it takes for a use."""
    for program in ("engine_host", "trap_thunk"):
        run_under(ctx, "memcheck", [ctx.fixture(program)], False)


def case_no_tool(ctx):
    """With malloc left alone all is recorded as natively."""
    path = run_under(ctx, "none", [ctx.fixture("heap_peak")])
    blocks = [e for e in ctx.dump(path) if e.name == "alloc" and e.leaf == "keep_for_peak"]
    ctx.equal(len(blocks), PEAK_BLOCKS, "mallocs of keep_for_peak")
    report = ctx.report("--section", "heap_by_stack", trace=path)
    rows = [row for row in ctx.rows(report, "heap_by_stack") if row["stack"][:1] == ["keep_for_peak"]]
    ctx.equal(sum(row["alloc_count"] for row in rows), PEAK_BLOCKS, "alloc_count of keep_for_peak")
