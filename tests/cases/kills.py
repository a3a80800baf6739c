# SPDX-License-Identifier: MIT
"""SIGKILL at random moments: every event whose hook had returned is in the trace, once."""
import glob
import os
import random
import signal
import subprocess
import time

from harness import limit

KILLS = int(os.environ.get("KILL_COUNT", "100"))
COUNTER_BYTES = 4 * 64		# struct kill_counters


def start(ctx, counters, spin):
    env = dict(os.environ, **ctx.trace_env({"LLMTRACE_EVENTS": "heap"}))
    return subprocess.Popen([ctx.fixture("kill_loop"), counters, str(spin)], env=env,
                            stdout=subprocess.PIPE, cwd=ctx.directory("traced"))


def choose(dice):
    """@return (seconds to live, whether they count from its first line on, work between rounds)"""
    kind = dice.random()
    if kind < 0.1:
        return dice.uniform(0, 0.04), False, 3000	# in start-up
    if kind < 0.2:
        return dice.uniform(0, 0.3), True, 0		# rings have come round, the writer is at it
    return dice.uniform(0, 0.03), True, 3000


def kill_one(ctx, dice):
    """@return events that were there"""
    counters = os.path.join(ctx.scratch, "counters")
    with open(counters, "wb") as file:
        file.write(bytes(COUNTER_BYTES))
    life_s, is_after_start, spin = choose(dice)
    with start(ctx, counters, spin) as process:
        with open(f"/proc/{process.pid}/stat") as file:
            rings = f"/dev/shm/llmtrace-{process.pid}-{file.read().rpartition(')')[2].split()[19]}.pool"
        if is_after_start:
            ctx.equal(process.stdout.readline(), b"ready\n", "first line")
        time.sleep(life_s)
        process.send_signal(signal.SIGKILL)
    try:
        return check(ctx, counters, f"killed {life_s * 1000:.2f} ms after its "
                     f"{'first line' if is_after_start else 'start'}")
    finally:
        for path in [*glob.glob(rings), *glob.glob(ctx.trace + "*")]:
            os.remove(path)


def check(ctx, counters, what):
    with open(counters, "rb") as file:
        is_begun = any(file.read())
    if not is_begun and (not os.path.exists(ctx.trace) or os.path.getsize(ctx.trace) < 600):
        return 0					# killed before the file had its header
    with subprocess.Popen([ctx.report_program, "dump", "--no-stacks", ctx.trace],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
        done = subprocess.run([ctx.fixture("kill_check"), counters], stdin=dump.stdout,
                              capture_output=True, check=False)
        dump.stdout.close()
        errors = dump.stderr.read().decode()
    ctx.equal(done.returncode, 0, f"{what}: {done.stdout.decode()}{done.stderr.decode()}{errors}")
    ctx.equal(dump.returncode, 0, f"{what}: exit code of dump: {errors}")
    return int(done.stdout)


@limit(60 + KILLS)
def case_sigkill_at_random_moments(ctx):
    seed = int.from_bytes(os.urandom(4), "little")
    dice = random.Random(seed)
    start_s = time.monotonic()
    try:
        counts = [kill_one(ctx, dice) for _ in range(KILLS)]
    except Exception:
        print(f"seed {seed}")
        raise
    ctx.check(sum(1 for count in counts if count > 1000) > KILLS / 4, f"too few events: {counts}")
    ctx.note(f"{KILLS} kills, {sum(counts):,} events, {time.monotonic() - start_s:.0f} s")
