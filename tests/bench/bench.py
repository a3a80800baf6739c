#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench.py [--quick] [--only NAME]...: what llmtrace costs, beside its peers in the same run, as one table.

Every figure is the median of interleaved rounds (5, with --quick 3). "Added" is the time under the tool
less the time without. Prints what is missed; the exit code is 1 then."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from measure import Bench, BenchError, Table, printed, ratio_interval

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
HEAP_TOOLS = ("none", "llmtrace", "heaptrack-raw", "heaptrack")


def report_json(bench, *sections):
    done = subprocess.run([os.path.join(BUILD, "llmtrace-report"), "--json", *sections, bench.trace],
                          capture_output=True, check=False)
    if done.returncode not in (0, 3):
        raise BenchError(f"llmtrace-report: {done.stderr.decode()}")
    return json.loads(done.stdout)


def say(text):
    print(text, file=sys.stderr, flush=True)


def added(results, tool, name="wall_ns"):
    return results[tool][name] - results["none"][name] if tool in results else None


def shown(value, unit="ns"):
    return "-" if value is None else f"{value:,.0f} {unit}"


def peers(results, name="wall_ns"):
    return ", ".join(f"{tool} {shown(added(results, tool, name))}"
                     for tool in results if tool not in ("none", "llmtrace"))


def bench_heap(bench, table, is_quick):
    """A malloc+free pair by depth and number of stacks."""
    pairs = 200000 if is_quick else 500000
    for depth, stacks in ((12, 1), (12, 4096), (40, 1), (40, 4096)):
        # heaptrack's interpreter takes 17 s of CPU for 4,096 stacks and 400,000 events.
        counts = {tool: pairs // 20 if tool == "heaptrack" and stacks > 1 else pairs
                  for tool in HEAP_TOOLS}

        def command(tool, depth=depth, stacks=stacks, counts=counts):
            return [bench.program("heap_pairs"), depth, stacks, counts[tool], 1]
        results = bench.interleave(bench.tools(*HEAP_TOOLS), command, printed)
        ours, raw = added(results, "llmtrace"), added(results, "heaptrack-raw")
        full = added(results, "heaptrack")
        is_met = ((depth > 12 or ours <= 200) and (raw is None or 2.5 * ours <= raw) and
                  (full is None or 8 * ours <= full))
        budget = f"{'<= 200 ns, ' if depth == 12 else ''}2.5 x below heaptrack --raw, 8 x below heaptrack"
        table.add(f"malloc+free, depth {depth}, {stacks:,} stack{'s' if stacks > 1 else ''}", budget,
                  shown(ours), peers(results), is_met)
        base_s = results["none"]["process_cpu_s"] / pairs
        cpu = {tool: (result["process_cpu_s"] / counts[tool] - base_s) * 1e9
               for tool, result in results.items()}
        table.add("   CPU time of all processes a pair", "<= 280 ns" if depth == 12 else "",
                  shown(cpu["llmtrace"]),
                  ", ".join(f"{tool} {shown(value)}" for tool, value in cpu.items()
                            if tool not in ("none", "llmtrace")),
                  cpu["llmtrace"] <= 280 if depth == 12 else None)


def bench_start(bench, table, is_quick):
    """What every short process of a tree pays: start, end, and a trace."""
    results = {tool: [] for tool in bench.tools("none", "llmtrace", "heaptrack-raw")}
    for _ in range(10 if is_quick else 40):
        for tool, walls in results.items():
            walls.append(bench.run(tool, ["/bin/true"]).wall_s)
    medians = {tool: statistics.median(walls) * 1e3 for tool, walls in results.items()}
    table.add("/bin/true, start to end", "-", f"{medians['llmtrace'] - medians['none']:.1f} ms",
              f"native {medians['none']:.1f} ms" +
              (f"; heaptrack-raw {medians['heaptrack-raw'] - medians['none']:.1f} ms"
               if "heaptrack-raw" in medians else ""))


def bench_threads_heap(bench, table, is_quick):
    """The same from 4 threads on 2 cores: thread CPU time, which has the hooks and not the writer."""
    pairs = 400000 if is_quick else 1000000
    costs = {}
    for threads in (1, 4):
        command = ["taskset", "-c", "0,1", bench.program("heap_pairs"), 12, 1, pairs, threads]
        results = bench.interleave(["none", "llmtrace"], command, printed)
        costs[threads] = added(results, "llmtrace", "thread_cpu_ns")
        own_ns = report_json(bench, "--section", "threads")["trace"]["own_cpu_ns"]
        say(f"   {threads} threads: {costs[threads]:.0f} ns a pair in hooks, writer {own_ns / pairs:.0f} ns")
    table.add("4 threads on 2 cores, hooks a pair", "within 10% of 1 thread",
              f"{shown(costs[4])}, 1 thread {shown(costs[1])}", f"writer {own_ns / pairs:.0f} ns a pair",
              costs[4] <= 1.1 * costs[1])


def bench_thread_churn(bench, table, is_quick):
    command = [bench.program("thread_churn"), 1000 if is_quick else 4000]
    results = bench.interleave(bench.tools("none", "llmtrace", "heaptrack-raw"), command, printed)
    ours = added(results, "llmtrace") / 1000
    table.add("thread created and joined", "<= 20 us", f"{ours:.1f} us",
              f"native {results['none']['wall_ns'] / 1000:.1f} us; {peers(results)}", ours <= 20)


def bench_reads(bench, table, is_quick):
    path = os.path.join(bench.scratch, "data")
    with open(path, "wb") as file:
        file.write(os.urandom(1 << 20))
    for size, budget in ((4096, 400), (65536, 1500)):
        count = (20000 if is_quick else 100000) // (size // 4096)

        def command(tool, size=size, count=count):
            return [bench.program("cached_read"), path, size, count // 20 if tool == "strace" else count]
        results = bench.interleave(bench.tools("none", "llmtrace", "strace"), command, printed)
        ours = added(results, "llmtrace")
        table.add(f"cached read of {size // 1024} KiB", f"<= {budget} ns", shown(ours),
                  f"native {shown(results['none']['wall_ns'])}; {peers(results)}", ours <= budget)


def bench_faults(bench, table, is_quick):
    """A page fault with its address and time, beside what perf has of it: no time."""
    count = 40000 if is_quick else 100000

    def command(tool):
        return [bench.program("page_faults"), count // 10 if tool == "perf-trace" else count]
    results = bench.interleave(bench.tools("none", "llmtrace", "perf-record", "perf-trace"), command, printed)
    ours = added(results, "llmtrace")
    totals = re.findall(r"fault_totals .*", subprocess.run(
        [os.path.join(BUILD, "llmtrace-report"), "dump", bench.trace], capture_output=True,
        check=True).stdout.decode(errors="replace"))
    lost = re.search(r"lost_count=(\d+)", totals[-1])[1] if totals else "no"
    table.add("page fault with address and stall time", "<= 2500 ns", shown(ours) + f", {lost} samples lost",
              f"native {shown(results['none']['wall_ns'])}; {peers(results)}", ours <= 2500)


def report_speed(bench, event_count, rounds):
    """@return events a second of the text report on bench.trace, as heaptrack_print writes text"""
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        subprocess.run([os.path.join(BUILD, "llmtrace-report"), bench.trace], capture_output=True, check=True)
        times.append(time.monotonic() - start)
    return event_count / statistics.median(times)


def heaptrack_speed(bench, event_count, rounds):
    path = os.path.join(bench.scratch, "heaptrack.zst")
    if not os.path.exists(path):
        return None
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        subprocess.run(["heaptrack_print", "-f", path], capture_output=True, check=True)
        times.append(time.monotonic() - start)
    return event_count / statistics.median(times)


def bench_json(bench, table, is_quick):
    """CPython with malloc for every object: the whole process; then the trace and the report."""
    command = [os.path.realpath("/usr/bin/python3"), os.path.join(HERE, "json_work.py"), 12]
    results = bench.interleave(bench.tools(*HEAP_TOOLS), command, printed, {"PYTHONMALLOC": "malloc"})
    base = results["none"]
    for name, title in (("process_wall_s", "wall"), ("process_cpu_s", "CPU")):
        ours = results["llmtrace"][name] / base[name]
        others = {tool: result[name] / base[name] for tool, result in results.items()
                  if tool not in ("none", "llmtrace")}
        is_met = ours < others["heaptrack-raw"] if others else None
        table.add(f"CPython json, {title} of all processes", "< heaptrack --raw",
                  f"{ours:.2f} x of {base[name]:.2f} s",
                  ", ".join(f"{tool} {value:.2f} x" for tool, value in others.items()), is_met)
    facts = report_json(bench, "--section", "phases")["trace"]
    count, size = facts["event_count"], os.path.getsize(bench.trace)
    table.add("trace size, CPython json", "<= 2.5 B an event",
              f"{size / count:.2f} B, {count / 1e6:.2f} M events, {facts['lost_event_count']} lost", "",
              size / count <= 2.5)
    ours = report_speed(bench, count, bench.rounds)
    theirs = heaptrack_speed(bench, count, 1 if is_quick else 3)
    is_met = ours >= 20e6 and (theirs is None or ours >= 3 * theirs)
    table.add("report, CPython json", ">= 20 M events/s, 3 x heaptrack_print",
              f"{ours / 1e6:.1f} M events/s",
              "-" if theirs is None else f"heaptrack_print {theirs / 1e6:.2f} M events/s", is_met)


def engine_command(tokens, model="tiny"):
    return [os.path.join(BUILD, "llama_run"), "-m", os.path.join(BUILD, "models", f"{model}-q8_0.gguf"),
            "-n", tokens, "-t", 2]


def tokens_per_s(sample):
    return float(re.search(r"generation ([0-9.]+) t/s", sample.err)[1])


def bench_tokens(bench, table, command, title, is_quick):
    """Pairs, the order changing, until the interval is within 1% or 60 pairs are done."""
    pair_limit = 12 if is_quick else 60
    deadline = time.monotonic() + (45 if is_quick else 900)
    ratios, native = [], []
    mean, low, high = 0.0, 0.0, 9.0
    while len(ratios) < 5 or (high - low > 0.02 and len(ratios) < pair_limit
                              and time.monotonic() < deadline):
        order = ["none", "llmtrace"] if len(ratios) % 2 else ["llmtrace", "none"]
        speed = {tool: tokens_per_s(bench.run(tool, command)) for tool in order}
        ratios.append(speed["llmtrace"] / speed["none"])
        native.append(speed["none"])
        mean, low, high = ratio_interval(ratios)
    # Too few pairs for a narrow interval, as --quick makes them, prove nothing either way.
    is_met = low >= 0.99 if high - low <= 0.02 or len(ratios) >= 60 else None
    table.add(f"llama.cpp tokens/s, {title}", "interval not below 0.99",
              f"{mean:.4f} [{low:.4f}, {high:.4f}], {len(ratios)} pairs",
              f"native {statistics.median(native):.0f} t/s", is_met)


def bench_engine(bench, table, is_quick):
    """Traced against not. A token of the small model takes a millisecond: the worst that can be."""
    bench_tokens(bench, table, engine_command(100, "demo"), "228 MB model", is_quick)
    bench_tokens(bench, table, engine_command(200 if is_quick else 400), "20 MB model", is_quick)
    facts = report_json(bench, "--section", "phases")["trace"]
    count, size = facts["event_count"], os.path.getsize(bench.trace)
    table.add("trace size, llama.cpp", "<= 2.5 B an event",
              f"{size / count:.2f} B, {count:,} events, {facts['lost_event_count']} lost", "",
              size / count <= 2.5)
    bench.run("llmtrace", engine_command(3000))
    share = own_share_in_decode(bench)
    table.add("   own CPU time in decode", "<= 0.5% of the target's",
              "not measured" if share is None else f"{share * 100:.2f}% (writer)", "",
              None if share is None else share <= 0.005)


def own_share_in_decode(bench):
    """CPU time of the writer over that of the target, each a second of decoding. The writer notes its
    own once a second: None when fewer than three notes fall into the decodes."""
    done = subprocess.run([os.path.join(BUILD, "llmtrace-report"), "dump", bench.trace],
                          capture_output=True, check=True)
    own, target, decodes = [], [], []
    for line in done.stdout.decode(errors="replace").splitlines():
        time_ns, _, name, rest = (line + " ").split(" ", 3)
        if name == "own_cost":
            own.append((int(time_ns), int(re.search(r"cpu_ns=(\d+)", rest)[1])))
        elif name == "process_sample":
            user, system = re.search(r"user_cpu_ns=(\d+) system_cpu_ns=(\d+)", rest).groups()
            target.append((int(time_ns), int(user) + int(system)))
        elif name == "phase_begin" and "aux=llama_decode" in rest:
            decodes.append(int(time_ns))

    def per_ns(samples):
        inside = [sample for sample in samples if decodes[0] <= sample[0] <= decodes[-1]]
        if len(inside) < 3:
            return None
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])
    own_rate, all_rate = per_ns(own), per_ns(target)
    if own_rate is None or all_rate is None:
        return None
    return own_rate / (all_rate - own_rate)


CASES = {"heap": bench_heap, "threads-heap": bench_threads_heap, "threads": bench_thread_churn,
         "start": bench_start, "reads": bench_reads, "faults": bench_faults, "json": bench_json,
         "engine": bench_engine}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds, fewer calls: under 3 minutes")
    parser.add_argument("--only", action="append", choices=CASES, help="these cases only")
    request = parser.parse_args()
    bench = Bench(TOP, BUILD, 3 if request.quick else 5)
    table = Table()
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"the machine is not idle (load {load:.1f}): the figures will be too high")
    try:
        for name in request.only or CASES:
            start = time.monotonic()
            CASES[name](bench, table, request.quick)
            say(f"{name}: {time.monotonic() - start:.0f} s")
    except BenchError as why:
        print(f"bench.py: {why}", file=sys.stderr)
        return 2
    finally:
        bench.close()
    if not bench.has_heaptrack or not bench.has_strace:
        say("heaptrack or strace is not installed: no peer to compare with (tests/setup.sh bench)")
    cpus = os.sched_getaffinity(0)
    print(f"medians of {bench.rounds} interleaved rounds, {len(cpus)} CPUs; added to the target:\n")
    print(table.text())
    return 1 if any(row[4] == "MISSED" for row in table.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
