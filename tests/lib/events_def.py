# SPDX-License-Identifier: MIT
"""What events.def and names.def say, read from their text: field units and aux names."""
import os
import re


def read_table(include_dir):
    """@return {event: {field: unit}}"""
    events = {}
    with open(os.path.join(include_dir, "llmtrace", "events.def")) as file:
        for line in file:
            match = re.match(r"LT_EVENT\((\w+), (\d+), (\w+), (\w+),", line)
            if match:
                events[match[1]] = {}
            match = re.match(r"LT_FIELD\((\w+), (\w+), (\w+), (\d+), (\w+), (\w+),", line)
            if match:
                events[match[1]][match[3]] = match[5]
    return events


def read_groups(include_dir):
    """@return {event: group}"""
    with open(os.path.join(include_dir, "llmtrace", "events.def")) as file:
        return dict(re.findall(r"^LT_EVENT\((\w+), \d+, (\w+),", file.read(), re.M))
