#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sanitizers.py: the unit tests that were built with sanitizers; the shim's rings and writer under the
thread sanitizer; then the report of the golden traces and of fixtures that the shim of BUILD traces, by
a report under the address, undefined and thread sanitizers. Their tables must be those of the plain
report. Prints one line a case, in the end `N passed, N failed, N skipped`; exit code 1 when something
failed."""
import glob
import json
import os
import subprocess
import sys

TESTS = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TESTS, "..", "build")))
FIXTURES = ["heap_threads", "thread_calls", "marks", "engine_host"]
FORMS = [["--json"], [], ["--markdown"], ["dump"]]
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=1",
               "UBSAN_OPTIONS": "print_stacktrace=1"}


def record(name, folder):
    """@return the trace of a fixture."""
    path = os.path.join(folder, f"{name}.zst")
    env = {**os.environ, "LD_PRELOAD": os.path.join(BUILD, "libllmtrace.so"), "LLMTRACE_OUTPUT": path}
    subprocess.run([os.path.join(BUILD, "tests", "fixtures", name)], env=env, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def report(build, form, trace):
    command = [os.path.join(build, "llmtrace-report"), *form, trace]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False, timeout=300)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def check_report(kind, form, trace):
    """@return "" or what is wrong."""
    code, text, _ = report(BUILD, form, trace)
    other_code, other_text, errors = report(os.path.join(BUILD, kind), form, trace)
    if "Sanitizer" in errors or "runtime error" in errors:
        return errors[-4000:]
    if other_code != code:
        return f"exit code {other_code}, the plain report has {code}\n{errors[-1000:]}"
    return "" if text == other_text else "prints something else than the plain report"


def take_log(path):
    with open(path, errors="replace") as log:
        text = log.read()
    os.unlink(path)
    return text[-4000:]


def check_shim(folder, threads):
    """Rings, their writer and the table of stacks. @return "" or what is wrong."""
    path = os.path.join(folder, "shim_rings.zst")
    command = [os.path.join(BUILD, "tsan", "tests", "shim_rings"), str(threads), "6000"]
    # the shim's threads have no stderr: a report of theirs goes to a file
    log = os.path.join(folder, "tsan-log")
    options = {**ENVIRONMENT, "LLMTRACE_OUTPUT": path,
               "TSAN_OPTIONS": f"{ENVIRONMENT['TSAN_OPTIONS']} log_path={log}"}
    done = subprocess.run(command, env=options, capture_output=True, check=False, timeout=300)
    if done.returncode:
        return f"exit code {done.returncode}\n" + "".join(map(take_log, glob.glob(log + ".*")))
    code, text, errors = report(BUILD, ["--json", "--section", "phases"], path)
    if code:
        return errors
    facts = json.loads(text)
    allocs = sum(row["alloc_count"] or 0 for row in facts["tables"]["phases"]["rows"])
    lost = facts["trace"]["lost_event_count"]
    return "" if (allocs, lost) == (int(done.stdout), 0) else \
        f"{allocs} allocations and {lost} lost, of {done.stdout.decode()}"


def unit_tests():
    """@return (passed, failed, skipped) of the unit tests of both builds."""
    counts = [0, 0, 0]
    for kind in ("asan", "tsan"):
        command = [os.path.join(TESTS, "run.py"), "--slow", "5", "unit"]
        done = subprocess.run(command, env={**ENVIRONMENT, "BUILD": os.path.join(BUILD, kind)},
                              capture_output=True, check=False)
        lines = done.stdout.decode().splitlines()
        print("\n".join(f"{kind}: {line}" for line in lines[:-1]), flush=True)
        words = (lines[-1] if lines else "").replace(",", "").split()
        counts = [a + int(b) for a, b in zip(counts, words[::2] if len(words) == 6 else [0, 1, 0])]
    return counts


def main():
    passed, failed, skipped = unit_tests()
    folder = os.path.join(BUILD, "asan", "traces")
    os.makedirs(folder, exist_ok=True)
    for threads in (1, 4, 12):
        fault = check_shim(folder, threads)
        print(f"FAIL tsan: shim, {threads} threads\n{fault}" if fault else f"ok tsan: shim, {threads} threads")
        passed, failed = passed + (not fault), failed + bool(fault)
    traces = sorted(glob.glob(os.path.join(TESTS, "golden", "*.zst")))
    traces += [record(name, folder) for name in FIXTURES]
    for kind in ("asan", "tsan"):
        for trace in traces:
            for form in FORMS:
                fault = check_report(kind, form, trace)
                name = f"{kind}: {' '.join(form) or 'text'} {os.path.basename(trace)}"
                print(f"FAIL {name}\n{fault}" if fault else f"ok {name}", flush=True)
                passed, failed = passed + (not fault), failed + bool(fault)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
