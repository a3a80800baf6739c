# SPDX-License-Identifier: MIT
"""Runs a test of Python's own suite and prints the outcome of each of its cases; the log is left in `log`.
   python_tests.py TEST [PATTERN-TO-LEAVE-OUT]..."""
import os
import subprocess
import sys
import xml.etree.ElementTree

name, left_out = sys.argv[1], sys.argv[2:]
command = [sys.executable, "-m", "test", "-v", "--fail-env-changed", "--junit-xml", "results.xml",
           "-u", "all,-network,-urlfetch,-cpu,-largefile,-gui,-audio", name]
for pattern in left_out:
    command += ["-i", pattern]
with open("log", "wb") as log:
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
try:
    tree = xml.etree.ElementTree.parse("results.xml")
    outcomes = sorted(f"{case.get('name')} {case.get('result')} "
                      f"{' '.join(child.tag for child in case if child.tag in ('failure', 'error', 'skipped'))}"
                      for case in tree.iter("testcase"))
except (OSError, xml.etree.ElementTree.ParseError) as why:
    outcomes = [f"no results: {why}"]
print(*outcomes, sep="\n")
print("exit code", code)
if code:
    with open("log", "rb") as log:
        sys.stderr.buffer.write(log.read()[-3000:])
for path in ("results.xml", "log"):
    if os.path.exists(path):
        os.rename(path, os.path.join(os.environ["HOME"], path))
