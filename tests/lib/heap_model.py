# SPDX-License-Identifier: MIT
"""Replays the heap events of a dump: an independent truth for the report's heap tables.

A realloc takes the old block off the books when it begins and puts the new one on when it ends; a
failed one puts the old block back. Sizes are those asked for."""


class HeapModel:
    def __init__(self):
        self.live = {}
        self.pending = {}	# tid: [(address, size)] of reallocs that have begun
        self.alloc_count = self.alloc_bytes = self.free_count = 0
        self.live_bytes = self.peak_bytes = 0
        self.alloc_of_live, self.free_of_unknown = [], []

    def acquire(self, event, addr, size_bytes, is_new=True):
        if addr in self.live:
            self.alloc_of_live.append(event.line)
            self.live_bytes -= self.live[addr]
        self.live[addr] = size_bytes
        self.live_bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        if is_new:
            self.alloc_count += 1
            self.alloc_bytes += size_bytes

    def release(self, event, addr):
        size_bytes = self.live.pop(addr, None)
        if size_bytes is None:
            self.free_of_unknown.append(event.line)
            return 0
        self.live_bytes -= size_bytes
        return size_bytes

    def end_realloc(self, event):
        begun = self.pending.get(event.tid)
        if not begun:
            self.free_of_unknown.append("no realloc_begin: " + event.line)
            return
        old_addr, old_bytes = begun.pop()
        if event["addr"]:
            self.acquire(event, event["addr"], event["size_bytes"])
        elif event["size_bytes"]:
            self.acquire(event, old_addr, old_bytes, is_new=False)

    def add(self, event):
        if event.name in ("alloc", "alloc_aligned"):
            if event["addr"]:
                self.acquire(event, event["addr"], event["size_bytes"])
        elif event.name == "free":
            self.free_count += 1
            if event["addr"]:
                self.release(event, event["addr"])
        elif event.name == "realloc_begin":
            old = (event["addr"], self.release(event, event["addr"]))
            self.pending.setdefault(event.tid, []).append(old)
        elif event.name == "realloc_end":
            self.end_realloc(event)


def replay(events):
    model = HeapModel()
    for event in events:
        model.add(event)
    return model
