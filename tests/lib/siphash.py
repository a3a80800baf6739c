# SPDX-License-Identifier: MIT
"""SipHash-2-4 and what stands for a replaced user name, written from the paper, not from our C."""
import functools
import re

MASK = (1 << 64) - 1


def rotate(word, bits):
    return (word << bits | word >> (64 - bits)) & MASK


def rounds(v, count):
    for _ in range(count):
        v[0] = (v[0] + v[1]) & MASK
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & MASK
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & MASK
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & MASK
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)


def siphash(key0, key1, data):
    constants = b"somepseudorandomlygeneratedbytes"
    words = [int.from_bytes(constants[i:i + 8], "big") for i in range(0, 32, 8)]
    v = [word ^ key for word, key in zip(words, (key0, key1, key0, key1))]
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i:i + 8], "little")
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    v[2] ^= 255
    rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@functools.lru_cache
def mark(name):
    return f"<{len(name.encode())}:{siphash(0, 0, name.encode()) & 0xffffffff:08x}>"


def without_names(text, names):
    """A text whose paths have these names as components, with the marks in their place."""
    for name in names:
        text = re.sub(rf"/{name}(?=/|\"|$)", "/" + mark(name), text)
    return text
