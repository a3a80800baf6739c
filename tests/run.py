#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py: runs the tests: run.py [-j N] [-l] [-v] [GROUP | NAME-PATTERN]...

A case is a function case_*() in cases/*.py, engine/*.py or programs/*.py, a script contract/*.sh, or a
program BUILD/tests/unit/test_*. Its name is GROUP.FILE.FUNCTION or shorter; the groups are unit,
contract, cases, engine and programs. Long cases run only when a group or pattern is named. Each case runs in a process and a scratch directory of its own, with a time limit;
the directory of a failed case is kept. Prints `ok NAME`, `FAIL NAME` or `skip NAME`, in the end
`N passed, N failed, N skipped`. Exit code: 0, 1 when something failed, 2 for wrong use.
"""
import argparse
import concurrent.futures
import fnmatch
import glob
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback

TESTS = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(TESTS)
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
sys.dont_write_bytecode = True	# the tree stays as it is
SKIPPED = 77
LIMIT_S = 60
sys.path.insert(0, os.path.join(TESTS, "lib"))


class Case:
    def __init__(self, name, command, limit_s, is_long=False):
        self.name, self.command, self.limit_s, self.is_long = name, command, limit_s, is_long


def python_cases(group):
    """Yields the functions case_*() of a directory."""
    sys.path.insert(0, os.path.join(TESTS, group))
    for path in sorted(glob.glob(os.path.join(TESTS, group, "*.py"))):
        module = os.path.splitext(os.path.basename(path))[0]
        functions = vars(importlib.import_module(module)).items()
        for name, function in functions:
            if name.startswith("case_") and function.__module__ == module:
                limit_s = getattr(function, "limit_s", LIMIT_S)
                command = [sys.executable, os.path.abspath(__file__), "--one",
                           f"{group}.{module}.{name}"]
                yield Case(f"{group}.{module}.{name[5:]}", command, limit_s,
                           getattr(function, "is_long", False))


def script_cases():
    for path in sorted(glob.glob(os.path.join(TESTS, "contract", "*.sh"))):
        name = os.path.splitext(os.path.basename(path))[0]
        yield Case(f"contract.{name}", ["sh", path], LIMIT_S)


def unit_cases():
    for path in sorted(glob.glob(os.path.join(BUILD, "tests", "unit", "test_*"))):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            yield Case("unit." + os.path.basename(path)[5:], [path], LIMIT_S)


def all_cases():
    return [*unit_cases(), *script_cases(), *python_cases("cases"), *python_cases("engine"),
            *python_cases("programs")]


def is_wanted(case, patterns):
    if not patterns:
        return not case.is_long
    return any(case.name.startswith(p + ".") or fnmatch.fnmatch(case.name, p) for p in patterns)


def end_group(process):
    """Ends a case that ran out of time, with the processes it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def remove_pools(scratch):
    """What the killed processes of a case have left in memory: pools whose trace lay in its scratch."""
    for path in glob.glob("/dev/shm/llmtrace-*.pool"):
        try:
            with open(path, "rb") as pool:
                if (scratch + os.sep).encode() in pool.read(4224):
                    os.unlink(path)
        except OSError:
            pass


def run_case(case):
    """@return (status, reason, output, seconds)"""
    scratch = os.path.join(BUILD, "tests", "scratch", case.name)
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LLMTRACE_") and k not in ("LD_PRELOAD", "MAKEFLAGS", "MFLAGS")}
    env.update(BUILD=BUILD, TOP=TOP, LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
    log_path = os.path.join(scratch, "output")
    start = time.monotonic()
    with open(log_path, "wb") as log:
        process = subprocess.Popen(case.command, cwd=scratch, env=env, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            code = process.wait(case.limit_s)
        except subprocess.TimeoutExpired:
            end_group(process)
            code = None
    with open(log_path, errors="replace") as log:
        output = log.read()
    seconds = time.monotonic() - start
    if code in (0, SKIPPED):
        shutil.rmtree(scratch, ignore_errors=True)
        remove_pools(scratch)
    if code == 0:
        return "ok", "", output, seconds
    if code == SKIPPED:
        return "skip", output.strip().splitlines()[-1] if output.strip() else "no reason", "", seconds
    reason = f"no end within {case.limit_s} s" if code is None else f"exit code {code}"
    return "FAIL", f"{reason}; kept: {os.path.relpath(scratch)}", output, seconds


def print_result(case, result, is_verbose):
    status, reason, output, seconds = result
    print(f"{status} {case.name}" + (f" ({reason})" if reason else "") + f" [{seconds:.1f} s]")
    if status == "FAIL":
        lines = output.splitlines()
        print("".join(f"    {line[:300]}\n" for line in lines[-24:]), end="")
    elif is_verbose or "note:" in output:
        wanted = output.splitlines() if is_verbose else re.findall(r"^note: .*", output, re.M)
        print("".join(f"    {line}\n" for line in wanted), end="")
    sys.stdout.flush()


def run_one(name):
    """In the process of one Python case: runs it, says why it failed."""
    from harness import Context, Failed, Skipped
    group, module, function = name.split(".")
    sys.path.insert(0, os.path.join(TESTS, group))
    try:
        getattr(importlib.import_module(module), function)(Context(TOP, BUILD, os.getcwd()))
    except Skipped as why:
        print(why)
        return SKIPPED
    except Failed as why:
        where = traceback.extract_tb(why.__traceback__)
        places = [f for f in where if f.filename.startswith(os.path.join(TESTS, group))]
        for place in places:
            print(f"{os.path.relpath(place.filename, TOP)}:{place.lineno}: {place.line}")
        print(why)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("patterns", nargs="*", metavar="GROUP | NAME-PATTERN")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-l", "--list", action="store_true", help="print the names only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print all output")
    parser.add_argument("--slow", type=int, default=1, metavar="N",
                        help="programs are N times slower: so are time limits")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    request = parser.parse_args()
    if request.one:
        return run_one(request.one)
    cases = [case for case in all_cases() if is_wanted(case, request.patterns)]
    for case in cases:
        case.limit_s *= request.slow
    if not cases:
        print(f"run.py: no case matches {' '.join(request.patterns)}", file=sys.stderr)
        return 2
    if request.list:
        print("\n".join(case.name for case in cases))
        return 0
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    failed = []
    with concurrent.futures.ThreadPoolExecutor(request.jobs) as pool:
        futures = {pool.submit(run_case, case): case for case in cases}
        for future in concurrent.futures.as_completed(futures):
            result = future.result()
            counts[result[0]] += 1
            if result[0] == "FAIL":
                failed.append(futures[future].name)
            print_result(futures[future], result, request.verbose)
    if failed:
        print("failed: " + " ".join(sorted(failed)))
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
