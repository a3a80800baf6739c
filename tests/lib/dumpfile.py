# SPDX-License-Identifier: MIT
"""Reads the lines of `llmtrace-report dump`:
    TIME_NS TID NAME aux=... field=value ... stack=[leaf < caller < ...]
Numbers become int, whatever the report prints them as; strings lose their quotes; arrays stand in {}.
Lines with # tell of damage and are no events."""
import errno
import os
import re

PROT = {"PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4, "PROT_SHARED": 0x100,
        "SHARED": 0x100}
MAP_FLAGS = {"MAP_SHARED": 1, "MAP_PRIVATE": 2, "MAP_SHARED_VALIDATE": 3, "MAP_FIXED": 0x10,
             "MAP_ANONYMOUS": 0x20, "MAP_ANON": 0x20, "MAP_32BIT": 0x40, "MAP_GROWSDOWN": 0x100,
             "MAP_DENYWRITE": 0x800, "MAP_EXECUTABLE": 0x1000, "MAP_LOCKED": 0x2000,
             "MAP_NORESERVE": 0x4000, "MAP_POPULATE": 0x8000, "MAP_NONBLOCK": 0x10000,
             "MAP_STACK": 0x20000, "MAP_HUGETLB": 0x40000, "MAP_SYNC": 0x80000,
             "MAP_FIXED_NOREPLACE": 0x100000}
OPEN_FLAGS = {name: getattr(os, name) for name in dir(os) if name.startswith("O_")}
OPEN_FLAGS.update(O_LARGEFILE=0o100000, O_TMPFILE=0o20200000)
ERRNOS = {name: value for value, name in errno.errorcode.items()}
SYMBOLS = {"prot": PROT, "map_flags": MAP_FLAGS, "open_flags": OPEN_FLAGS, "errno": ERRNOS}

FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\{[^}]*\}|[^ ]*)')


class DumpError(Exception):
    pass


def parse_scalar(text, unit):
    """A number in any base, symbols joined by |, or text."""
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if re.fullmatch(r"-?(0x[0-9a-fA-F]+|[0-9]+)", text):
        return int(text, 0)
    symbols = SYMBOLS.get(unit)
    if symbols is None:
        return text
    value = 0
    for word in text.split("|"):
        if word in symbols:
            value |= symbols[word]
        elif re.fullmatch(r"0x[0-9a-fA-F]+|[0-9]+", word):
            value |= int(word, 0)
        else:
            raise DumpError(f"unknown {unit} symbol {word!r} in {text!r}")
    return value


def parse_value(text, unit):
    if text.startswith("{") and text.endswith("}"):
        inner = text[1:-1].strip()
        return [parse_scalar(word, unit) for word in re.split(r"[, ]+", inner)] if inner else []
    return parse_scalar(text, unit)


def parse_stack(text):
    return [frame.strip() for frame in text.split(" < ")] if text.strip() else []


class Event:
    """One line. Fields are items: event["size_bytes"]; absent ones give None."""
    __slots__ = ("time", "tid", "name", "aux", "fields", "stack", "line")

    def __init__(self, line, units):
        self.line = line
        words = line.split(" ", 3)
        if len(words) < 3 or not words[0].isdigit() or not words[1].isdigit():
            raise DumpError(f"not a line of a dump: {line!r}")
        self.time, self.tid, self.name = int(words[0]), int(words[1]), words[2]
        rest = words[3] if len(words) > 3 else ""
        self.stack = []
        before, found, stack = rest.rpartition("stack=[")
        if found and (not before or before.endswith(" ")) and stack.endswith("]"):
            rest, self.stack = before, parse_stack(stack[:-1])
        self.fields = {}
        self.aux = None
        known = units.get(self.name, {})
        for name, value in FIELD.findall(rest):
            if name == "aux":
                self.aux = value
            else:
                self.fields[name] = parse_value(value, known.get(name))

    def __getitem__(self, name):
        return self.fields.get(name)

    @property
    def leaf(self):
        return re.sub(r"\+0x[0-9a-f]+$", "", self.stack[0]) if self.stack else None

    def __repr__(self):
        return self.line


def parse_dump(text, units):
    return [Event(line, units) for line in text.splitlines() if line and not line.startswith("#")]
