# SPDX-License-Identifier: MIT
"""json_work.py ROUNDS: encodes and decodes a generated document: an allocator's everyday load when
PYTHONMALLOC=malloc sends every object through malloc."""
import json
import sys


def make_document(count):
    return [{"id": i, "name": f"item {i}", "tags": [f"tag{j}" for j in range(i % 7)],
             "size": i * 1.5, "nested": {"a": [i, i + 1, i + 2], "b": None, "c": str(i)}}
            for i in range(count)]


document = make_document(4000)
for _ in range(int(sys.argv[1])):
    text = json.dumps(document)
    document = json.loads(text)
print(len(text))
