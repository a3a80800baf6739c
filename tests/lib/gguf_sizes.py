#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gguf_sizes.py FILE: the bytes of a GGUF file's header (up to the padding) and of its tensors."""
import struct
import sys

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
# type: (elements of a block, bytes of a block)
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34)}
NAMES = {0: "f32", 1: "f16", 2: "q4_0", 8: "q8_0"}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def skip_string(self):
        self.string()

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


def tensors(data):
    """@return (header bytes, [(name, type, offset in the file, bytes)])"""
    reader, alignment, found = Reader(data), 32, []
    assert data[:4] == b"GGUF"
    reader.at = 8
    tensor_count, value_count = reader.number("Q"), reader.number("Q")
    for _ in range(value_count):
        key, kind = reader.string(), reader.number("I")
        if key == "general.alignment":
            alignment, = struct.unpack_from("<I", data, reader.at)
        reader.skip_value(kind)
    for _ in range(tensor_count):
        name, elements = reader.string(), 1
        for _ in range(reader.number("I")):
            elements *= reader.number("Q")
        kind = reader.number("I")
        block, block_bytes = BLOCKS[kind]
        found.append((name, NAMES[kind], reader.number("Q"), elements // block * block_bytes))
    begin = -(-reader.at // alignment) * alignment
    return reader.at, [(name, kind, begin + offset, size) for name, kind, offset, size in found]


def sizes(data):
    """@return (header bytes, tensor bytes)"""
    header_bytes, found = tensors(data)
    return header_bytes, sum(size for _, _, _, size in found)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as model:
        print("header_bytes={} tensor_bytes={}".format(*sizes(model.read())))
