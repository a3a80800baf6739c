# SPDX-License-Identifier: MIT
"""Tools and interpreters at their daily work."""
import program_runs
from program_runs import Row

# Times and inode numbers of files stand in an index; random keys differ by nature.
GIT_TIMES = (r".*/\.git/(worktrees/tree/)?index", r"three\.git/index")

ROWS = [
    Row("git_session", "bash $SCRIPTS/git_session.sh 120", ignore=GIT_TIMES, needs=("git",)),
    Row("git_short", "bash $SCRIPTS/git_session.sh 12", ignore=GIT_TIMES, needs=("git",), quick=True),
    Row("sqlite_session", "bash $SCRIPTS/sqlite_session.sh 60000", needs=("sqlite3",)),
    Row("sqlite_short", "bash $SCRIPTS/sqlite_session.sh 3000", needs=("sqlite3",), quick=True),
    Row("node", "node $SCRIPTS/node_session.js; echo $?", needs=("node",)),
    Row("perl", "perl $SCRIPTS/perl_session.pl", needs=("perl",), quick=True),
    Row("archives", "bash $SCRIPTS/archives.sh", needs=("xz", "zstd", "bzip2")),
    Row("openssl", "bash $SCRIPTS/openssl_session.sh", ignore=(r"id_.*|.*\.pem|plain\.sig|allowed|verdict",),
        needs=("openssl", "ssh-keygen")),
    # the same paths in both runs, so that the debug information is the same
    Row("gcc_project", "cp -r $TOP/{Makefile,preload,analyzer,include,samples,tests} . && "
        "make -s -j2 CC=$CC BUILD=b b/libllmtrace.so b/llmtrace >/dev/null && sha256sum b/libllmtrace.so",
        ignore=(r"Makefile|(preload|analyzer|include|samples|tests)/.*",), limit_s=300),
    Row("gcc_short", "cp -r $TOP/{preload,include} . && for f in clock text ring; do "
        "$CC -O2 -g -std=gnu11 -D_GNU_SOURCE -Iinclude -Ipreload -Ipreload/arch -Ipreload/arch/$(uname -m) "
        "-save-temps=obj -c -o $f.o preload/$f.c || exit; done; ar rcD all.a ./*.o; objdump -d all.a | wc -l",
        ignore=(r"(preload|include)/.*",), quick=True),
    Row("exceptions", "g++ -std=gnu++17 -O1 -g -o program $SCRIPTS/exceptions.cpp -pthread && ./program; echo $?",
        ignore=("tmp/.*",)),
]

globals().update(program_runs.cases(ROWS, __name__))
