# SPDX-License-Identifier: MIT
"""A trace with a bound: its size, what it still knows, and kills while it makes room."""
import concurrent.futures
import os
import random
import signal
import subprocess
import threading
import time

from harness import limit

BOUND_BYTES = 1 << 20
ROUNDS = 30
EARLY = 3000	# blocks that `bound` allocates before its rounds; each round releases one


class SizeWatch(threading.Thread):
    """Looks at the size of a file until it is told to end: the largest one, and whether it was full."""
    def __init__(self, path):
        super().__init__()
        self.path, self.largest, self.is_ending = path, 0, False

    def run(self):
        while not self.is_ending:
            try:
                self.largest = max(self.largest, os.stat(self.path).st_size)
            except FileNotFoundError:
                pass
            time.sleep(0.001)

    def end(self):
        self.is_ending = True
        self.join()
        self.largest = max(self.largest, os.stat(self.path).st_size)


def live_by_function(ctx, report):
    """{leaf: (blocks, bytes)} live at the end."""
    live = {}
    for row in ctx.rows(report, "heap_by_stack"):
        leaf = row["stack"][0] if row["stack"] else ""
        count, size_bytes = live.get(leaf, (0, 0))
        live[leaf] = (count + row["live_at_exit_count"], size_bytes + row["live_at_exit_bytes"])
    return live


def printed_live(text):
    """What `bound` says of itself, in the same form."""
    live = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            values = dict(word.split("=") for word in words[1:])
            live[words[0]] = (int(values["live_at_exit_count"]), int(values["live_at_exit_bytes"]))
    return live


def check_live(ctx, report, text):
    live, wanted = live_by_function(ctx, report), printed_live(text)
    ctx.equal(len(wanted), 6, "functions that the fixture tells of")
    for function, numbers in wanted.items():
        ctx.equal(live.get(function), numbers, f"blocks and bytes of {function} that are live at the end")


def check_dropped(ctx, report, at_least=1):
    """The report says that the bound has dropped events, and that nothing is lost."""
    lines = {line["subject"]: line for line in report["coverage"]}
    ctx.check("events within the bound" in lines, f"no line on the bound: {sorted(lines)}")
    line = lines["events within the bound"]
    ctx.check(line["total"] > at_least * line["seen"] > 0, f"too few events are dropped: {line}")
    ctx.equal(line["seen"], report["trace"]["event_count"], "events that are there")
    ctx.equal(report["trace"]["lost_event_count"], 0, "lost_event_count")
    return line


def case_size_and_live_blocks(ctx):
    """Blocks from long before the oldest event are known; the file is never larger than the bound."""
    watch = SizeWatch(ctx.trace)
    watch.start()
    result = ctx.traced([ctx.fixture("bound"), ROUNDS], env={"LLMTRACE_MAX_BYTES": "1M"})
    watch.end()
    ctx.equal(result.code, 0, "exit code")
    ctx.check(BOUND_BYTES * 3 // 4 < watch.largest <= BOUND_BYTES, f"largest size: {watch.largest}")
    report = ctx.is_whole()
    check_live(ctx, report, result.out)
    line = check_dropped(ctx, report, 3)
    # 2 threads, 20,000 pairs a round and more: what was seen and dropped are all events
    ctx.check(line["total"] > ROUNDS * 80000, f"events in all: {line['total']}")
    notes = ctx.report_run("--section", "heap_by_stack").out
    ctx.check("made room for later ones" in notes, f"no note below the table:\n{notes}")
    unknown = [c for c in report["coverage"] if c["subject"] == "released blocks"][0]
    ctx.equal(unknown["seen"], unknown["total"], "released blocks whose allocation is known")
    threads = [row for row in ctx.rows(report, "threads") if row["alloc_count"]]
    ctx.check(all(row["name"] for row in threads), f"threads have no name: {threads}")


def case_killed_at_the_end(ctx):
    """The rings of a killed process go with what is left of its trace."""
    result = ctx.traced([ctx.fixture("bound"), ROUNDS, "kill"], env={"LLMTRACE_MAX_BYTES": "1M"})
    ctx.equal(result.code, -signal.SIGKILL, "exit code")
    for _ in range(2):	# the first report takes the rings into the trace
        report = ctx.report()
        check_live(ctx, report, result.out)
        check_dropped(ctx, report)
        # slots of its ring that were written, and dropped, do not come back
        asleep = [row["alloc_count"] for row in ctx.rows(report, "heap_by_stack")
                  if row["stack"] and row["stack"][0] == "keep_asleep"]
        ctx.equal(sum(asleep), 0, "allocations of a thread whose events are all dropped")
    ctx.zstd_accepts(ctx.trace)


def kill_once(ctx, number, seed):
    """@return (rounds that were printed, the trace)"""
    directory = ctx.directory(f"kill-{number}")
    trace = os.path.join(directory, "trace.zst")
    env = dict(os.environ, **ctx.trace_env({"LLMTRACE_OUTPUT": trace, "LLMTRACE_MAX_BYTES": "1M"}))
    with subprocess.Popen([ctx.fixture("bound"), "0"], env=env, stdout=subprocess.PIPE,
                          cwd=directory) as process:
        rounds = 0
        while rounds < 8 or os.stat(trace).st_size < BOUND_BYTES // 8 * 7:
            ctx.equal(process.stdout.readline(), b"round\n", "line of the fixture")
            rounds += 1
        time.sleep(random.Random(seed).random() * 0.1)
        process.kill()
        rounds += len(process.stdout.read().splitlines())
    return rounds, trace


@limit(180)
def case_kill_at_random_moments(ctx):
    """A segment is being dropped at nearly any moment."""
    seed = random.randrange(1 << 30)
    ctx.note(f"seed {seed}")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        killed = list(pool.map(lambda number: kill_once(ctx, number, seed + number), range(20)))
    for rounds, trace in killed:
        report = ctx.report(trace=trace)
        ctx.equal(report["trace"]["exit"]["kind"], "killed", "kind of end")
        ctx.equal(report["trace"]["complete"], True, "complete")
        check_dropped(ctx, report)
        live = live_by_function(ctx, report)
        # the last round may have released its block and not printed its line
        ctx.check(live["keep_early"][0] in (EARLY - rounds, EARLY - rounds - 1),
                  f"keep_early has {live['keep_early']} after {rounds} rounds")
        ctx.check(live["keep_round"][0] in (rounds, rounds + 1),
                  f"keep_round has {live['keep_round']} after {rounds} rounds")
        ctx.check(os.stat(trace).st_size > 0, "the trace is there")
        ctx.zstd_accepts(trace)


def case_running(ctx):
    """A report while blocks are overwritten under its eyes."""
    env = dict(os.environ, **ctx.trace_env({"LLMTRACE_MAX_BYTES": "1M"}))
    with subprocess.Popen([ctx.fixture("bound"), "0"], env=env, stdout=subprocess.PIPE,
                          cwd=ctx.directory("traced")) as process:
        try:
            for _ in range(8):
                process.stdout.readline()
            drain = threading.Thread(target=process.stdout.read)
            drain.start()
            for _ in range(5):
                report = ctx.report()
                ctx.equal(report["trace"]["exit"]["kind"], "running", "kind of end")
                check_dropped(ctx, report)
        finally:
            process.kill()
        drain.join()
    ctx.equal(ctx.report()["trace"]["exit"]["kind"], "killed", "kind of end")	# takes the rings away


def case_without_need(ctx):
    """A bound that is never reached drops nothing, and the file is as good as without it."""
    result = ctx.traced([ctx.fixture("bound"), 3], env={"LLMTRACE_MAX_BYTES": "64m"})
    report = ctx.is_whole()
    check_live(ctx, report, result.out)
    ctx.check(not any("bound" in line["subject"] for line in report["coverage"]), "a line on the bound")
    allocs = sum(row["alloc_count"] for row in ctx.rows(report, "heap_by_stack")
                 if row["stack"] and row["stack"][0] == "churn")
    ctx.equal(allocs, 3 * 2 * 20000 + 100, "allocations of churn")


def case_scrubbed(ctx):
    """The copy has the same segments, and nothing of what was overwritten."""
    result = ctx.traced([ctx.fixture("bound"), ROUNDS], env={"LLMTRACE_MAX_BYTES": "1M"})
    copy = ctx.trace + ".scrubbed"
    done = ctx.run([ctx.report_program, "scrub", ctx.trace, copy])
    ctx.equal(done.code, 0, f"exit code of scrub ({done.err!r})")
    report = ctx.is_whole(copy)
    check_live(ctx, report, result.out)
    check_dropped(ctx, report, 3)


def case_value_is_not_understood(ctx):
    for value in ("1X", "K", "100", "1MM", "99999999999999999999"):
        result = ctx.traced([ctx.fixture("bound"), 1], env={"LLMTRACE_MAX_BYTES": value})
        ctx.check("LLMTRACE_MAX_BYTES" in result.err and len(result.err.splitlines()) == 1,
                  f"{value}: stderr {result.err!r}")
        ctx.is_whole()
