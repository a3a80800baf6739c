# SPDX-License-Identifier: MIT
"""Compares what a fixture noted (fixture.h) with the dump of its trace.

Events are the fixture's own when the leaf of their stack is one of its functions: calls that libc or
the loader makes inside (fopen allocates) are real events too, but not the fixture's to count. Some
releases have no stack; they are matched by what they say."""
import collections
import re
import subprocess

# Folded and single calls of one family add up to the same sum.
FAMILIES = {"getdelim": "getline"}
FOLDED = {"stream_read", "io_run"}


def own_functions(*binaries):
    names = set()
    for binary in binaries:
        done = subprocess.run(["nm", "--defined-only", binary], capture_output=True, check=True)
        names.update(re.findall(r" [tTwW] (\S+)", done.stdout.decode()))
    return names


def read_notes(path):
    """@return ({tid: [(event, aux, {field: value})]}, {key: [count, bytes]})"""
    threads = collections.defaultdict(list)
    sums = collections.defaultdict(lambda: [0, 0])
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return threads, sums
    for line in lines:
        words = line.split()
        fields = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        if words[0] == "S":
            key = tuple(word.replace("(nil)", "0x0") for word in words[3:])
            sums[key][0] += int(words[1])
            sums[key][1] += int(words[2])
        else:
            aux = fields.pop("aux", None)
            threads[int(words[1])].append((words[2], aux, {k: number(v) for k, v in fields.items()}))
    return threads, sums


def number(text):
    if text == "(nil)":
        return 0
    return int(text, 0) if re.fullmatch(r"-?(0x[0-9a-f]+|[0-9]+)", text) else text


def is_same(event, wanted):
    name, aux, fields = wanted
    return (event.name == name and (aux is None or event.aux == aux)
            and all((event[k] or 0) == v for k, v in fields.items()))


def show(wanted):
    name, aux, fields = wanted
    words = [name] + ([f"aux={aux}"] if aux else [])
    return " ".join(words + [f"{k}={v:#x}" if isinstance(v, int) and v > 1 << 16 else f"{k}={v}"
                             for k, v in fields.items()])


def own_events(events, names, kinds):
    """{tid: [event]} of what the fixture may have done: its own, and those without a stack."""
    own = collections.defaultdict(list)
    for event in events:
        if event.name in kinds and (not event.stack or event.leaf in names):
            own[event.tid].append(event)
    return own


def check_thread(ctx, tid, events, notes):
    """An event without a stack that is not the next one noted is libc's own: a release it made."""
    at = 0
    for event in events:
        if at < len(notes) and is_same(event, notes[at]):
            at += 1
        elif event.stack:
            wanted = show(notes[at]) if at < len(notes) else "nothing more"
            ctx.check(False, f"thread {tid}, call {at}: wanted {wanted}\n  got {event.line}")
    if at < len(notes):
        ctx.check(False, f"thread {tid}: missing: {show(notes[at])} (call {at} of {len(notes)})")


def check_threads(ctx, events, threads, names):
    """Per thread the same calls in the same order, no more and no fewer."""
    kinds = {wanted[0] for notes in threads.values() for wanted in notes}
    own = own_events(events, names, kinds)
    for tid in sorted(set(own) | set(threads)):
        check_thread(ctx, tid, own[tid], threads[tid])


def folded_sums(events):
    """{(family, "stream"|"fd", number): [count, bytes]} over single and folded calls."""
    sums = collections.defaultdict(lambda: [0, 0])
    for event in events:
        if event.name not in FOLDED:
            continue
        stream = event["stream"] or 0
        place = f"stream={stream:#x}" if stream else f"fd={event['fd']}"
        entry = sums[(FAMILIES.get(event.aux, event.aux), place)]
        if event.name == "io_run":
            entry[0] += event["count"]
            entry[1] += event["bytes"]
        else:
            entry[0] += 1
            entry[1] += event["got_bytes"]
    return sums


def check_sums(ctx, events, sums):
    got = folded_sums(events)
    for key, wanted in sorted(sums.items()):
        ctx.equal(got.get(key, [0, 0]), wanted, f"calls and bytes of {' '.join(key)}")
    return len(sums)


def check_fixture(ctx, program, *libraries, directory="traced", trace=None):
    """Runs the whole comparison for the traced run in a directory. @return the dump's events."""
    binaries = [ctx.fixture(program), *map(ctx.fixture, libraries)]
    threads, sums = read_notes(f"{ctx.scratch}/{directory}.expect")
    ctx.check(threads or sums, "the fixture noted nothing")
    events = ctx.dump(trace)
    check_threads(ctx, events, threads, own_functions(*binaries))
    check_sums(ctx, events, sums)
    return events
