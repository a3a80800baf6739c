# SPDX-License-Identifier: MIT
"""Call stacks: of every shape, the same as libunwind's, and found without a trace in the target."""
import os
import sys

from walk_agree import agree

PYTHON_WORK = r"""
import json, ctypes, threading
def dig(n): return json.loads(json.dumps([{"a": n, "b": [1, 2, 3] * n}])) if n == 0 else dig(n - 1)
threads = [threading.Thread(target=lambda: [dig(i % 30) for i in range(40)]) for _ in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda x, y: len(json.dumps([1] * 20)) * 0 + 1)
array = (ctypes.c_int * 50)(*range(50, 0, -1))
ctypes.CDLL(None).qsort(array, 50, 4, compare)
"""
NODE_WORK = "let n = 0; for (let i = 0; i < 5000; i++) n += JSON.stringify({a: i, b: [1, 2, 3]}).length; console.log(n)"


def matches(stack, wanted):
    """wanted: names; ... stands for any frames."""
    if not wanted:
        return True
    if wanted[0] == "...":
        return any(matches(stack[i:], wanted[1:]) for i in range(len(stack)))
    return bool(stack) and stack[0] == wanted[0] and matches(stack[1:], wanted[1:])


def case_shapes(ctx):
    traced = ctx.both([ctx.fixture("stack_shapes")], env={"LLMTRACE_STACKS": "128"})
    events = ctx.dump()
    lines = traced.out.splitlines()
    ctx.equal(len(lines), 15, "lines of the fixture")
    for line in lines:
        size, *wanted = line.split()
        found = [e for e in events if e.name == "alloc" and e["size_bytes"] == int(size)]
        ctx.check(found, f"no allocation of {size} bytes")
        for event in found:
            ctx.check(matches(event.stack, wanted), f"{size} bytes: {event.stack}, wanted {wanted}")
    deep = next(e for e in events if e.name == "alloc" and e["size_bytes"] == 1004)
    ctx.check(len(deep.stack) >= 128, f"{len(deep.stack)} frames of a stack of 200")
    ctx.is_whole()


def case_libunwind_agrees_in_python(ctx):
    agree(ctx, [os.path.realpath(sys.executable), "-c", PYTHON_WORK], 1000)


def case_libunwind_agrees_in_node(ctx):
    agree(ctx, ["node", "-e", NODE_WORK], 10000, every=5)


def case_libunwind_agrees_in_a_compiler(ctx):
    source = os.path.join(ctx.top, "tests", "fixtures", "stack_shapes.c")
    agree(ctx, ["gcc", "-O2", "-c", source, "-o", "out.o"], 10000, every=5)


def calls_between_marks(ctx, arguments=(), env=None):
    """stack_quiet under strace. @return its result, and the calls of each thread between its marks"""
    log = os.path.join(ctx.scratch, "calls")
    settings = {"LD_PRELOAD": ctx.shim, "LLMTRACE_OUTPUT": f"{ctx.trace}.2", **(env or {})}
    words = [word for pair in settings.items() for word in ("-E", "=".join(pair))]
    result = ctx.run(["strace", "-f", "-o", log, *words, ctx.fixture("stack_quiet"), *arguments], "strace")
    between, calls = {}, []
    with open(log) as file:
        for line in file:
            tid, call = line.split(None, 1)
            if call.startswith("<... getppid resumed"):
                continue
            if call.startswith("getppid"):
                if tid in between:
                    calls.append(between.pop(tid))
                else:
                    between[tid] = []
            elif tid in between:
                between[tid].append(call)
    events = ctx.dump(ctx.trace + ".2")
    depths = {len(e.stack) for e in events if e.name == "alloc" and e.leaf == "descend"}
    ctx.check(len(depths) >= 40, f"{len(depths)} depths of stacks")
    return result, calls


def case_walks_are_quiet(ctx):
    """No system call, no allocation, no descriptor in the target, for stacks that are new."""
    unwalked = ctx.traced([ctx.fixture("stack_quiet")], env={"LLMTRACE_STACKS": "1"})
    traced, calls = calls_between_marks(ctx)
    ctx.equal(traced.out, unwalked.out, "the fixture's own account, with and without walks")
    ctx.check("0 descriptors opened" in traced.out, traced.out)
    ctx.equal(calls, [[]] * 4, "system calls of each thread")


def case_walks_are_quiet_without_thread_events(ctx):
    ctx.equal(calls_between_marks(ctx, env={"LLMTRACE_EVENTS": "heap"})[1], [[]] * 4, "system calls")


def case_walks_are_quiet_in_threads_from_before_the_start(ctx):
    env = {"LLMTRACE_START": "off", "LLMTRACE_SIGNAL": "USR2"}
    ctx.equal(calls_between_marks(ctx, ["late"], env)[1], [[]] * 4, "system calls")
