#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gguf_sizes.py FILE: the bytes of a GGUF file's header (up to the padding) and of its tensors."""
import struct
import sys

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
# type: (elements of a block, bytes of a block)
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34)}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def skip_string(self):
        length = self.number("Q")
        self.at += length

    def skip_value(self, kind):
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner == STRING:
                for _ in range(count):
                    self.skip_string()
            else:
                self.at += SCALARS[inner] * count
        else:
            self.at += SCALARS[kind]


def sizes(data):
    """@return (header bytes, tensor bytes)"""
    reader = Reader(data)
    assert data[:4] == b"GGUF"
    reader.at = 8
    tensor_count, value_count = reader.number("Q"), reader.number("Q")
    for _ in range(value_count):
        reader.skip_string()
        reader.skip_value(reader.number("I"))
    tensor_bytes = 0
    for _ in range(tensor_count):
        reader.skip_string()
        elements = 1
        for _ in range(reader.number("I")):
            elements *= reader.number("Q")
        block, block_bytes = BLOCKS[reader.number("I")]
        reader.number("Q")
        tensor_bytes += elements // block * block_bytes
    return reader.at, tensor_bytes


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as model:
        print("header_bytes={} tensor_bytes={}".format(*sizes(model.read())))
