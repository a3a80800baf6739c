# SPDX-License-Identifier: MIT
"""Python's own tests, of Debian's libpython3.11-testsuite: the same outcome of each case."""
import program_runs
from program_runs import Row

SUITE = "/usr/lib/python3.11/test/test_{}.py"


def suite(name, *left_out, quick=False, limit_s=150, follow=program_runs.FOLLOW_MODES):
    words = " ".join(f"'{pattern}'" for pattern in left_out)
    return Row(name, f"/usr/bin/python3 $SCRIPTS/python_tests.py test_{name} {words}", quick=quick,
               needs=(SUITE.format(name),), limit_s=limit_s, follow=follow)


ROWS = [
    suite("threading"),
    suite("mmap", quick=True),
    suite("subprocess", "test_user", "test_group", "test_extra_groups", "*test_no_leaking*"),
    suite("ctypes"),
    suite("signal", "*StressTest*", follow=("auto",)),	# 50 s of sleep
    suite("fork1", quick=True),
    suite("faulthandler"),
    suite("posix"),
    suite("tracemalloc"),
    suite("thread"),
]

globals().update(program_runs.cases(ROWS, __name__))
