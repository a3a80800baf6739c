# SPDX-License-Identifier: MIT
"""Traps of every single call: errno, names and versions of hooked functions, dlerror, re-entry.
TRAPS.md has the list."""
import os
import re
import subprocess

import expected

# Hooks that trap_errno cannot call and live on, or that are the program's own start.
NOT_CALLED = {
    "__libc_start_main", "_exit", "_Exit", "quick_exit", "abort",
    # what the C library offers to old programs alone: no new one can be linked with them
    "cfree", "__xstat", "__xstat64", "__fxstat", "__fxstat64", "__lxstat", "__lxstat64",
    "__fxstatat", "__fxstatat64",
    # newer than this C library, checked by heap_calls
    "free_sized", "free_aligned_sized",
    # setjmp and vfork return twice: signals and processes have them
    "__longjmp_chk", "vfork",
}


def exported_names(ctx):
    out = subprocess.run(["nm", "-D", "--defined-only", ctx.shim], capture_output=True, check=True)
    return {line.split()[2] for line in out.stdout.decode().splitlines()}


def called_names(program):
    out = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, check=True)
    return {line.split()[-1].split("@")[0] for line in out.stdout.decode().splitlines()}


def case_errno_after_every_call(ctx):
    """T9: every exported hook, with errno set before; the same as without the shim."""
    path = os.path.join(ctx.scratch, "data")
    with open(path, "w") as file:
        file.write("a line of some length, again and again\n" * 8000)
    result = ctx.both([ctx.fixture("trap_errno"), path], stdin=b"input")
    ctx.check(result.out.count("errno 1234") > 100, "the fixture did not get far")
    engine = {name for name in exported_names(ctx) if name.startswith(("llama_", "llmtrace_"))}
    missing = exported_names(ctx) - engine - called_names(ctx.fixture("trap_errno")) - NOT_CALLED
    ctx.equal(missing, set(), "hooks that trap_errno.c does not call")


# ---- names ----
# Aliases of hooked functions that are left alone, and why.
NOT_HOOKED = {
    # allocators that are built around the C library's call it by these, behind our hooks
    "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_free", "__libc_memalign",
    "__libc_valloc", "__libc_pvalloc", "__libc_mallopt",
    # libraries that wrap a function call the C library's by such a name (tcmalloc's sbrk calls
    # __sbrk): a hook there and a hook on the wrapped name would call each other for ever
    "__open", "__open64", "__close", "__dup2", "__fcntl", "__read", "__pread64", "__lseek", "llseek",
    "__write", "__pwrite64", "__sbrk", "__sched_setscheduler", "__fork", "__vfork",
    "__wait", "__waitpid", "__clone",
    "_IO_fopen", "_IO_fdopen", "_IO_fclose", "_IO_fread", "_IO_fgets", "_IO_fwrite", "_IO_fputs",
    "_IO_popen", "_IO_fsetpos", "_IO_fsetpos64",
}


def libc_path(ctx):
    out = subprocess.run(["ldd", ctx.fixture("harmless")], capture_output=True, check=True)
    return re.search(r"libc\.so\.6 => (\S+)", out.stdout.decode())[1]


def case_every_name_of_a_hook_is_hooked(ctx):
    """T8: what has a hooked function's address in the C library's own table has a hook, too."""
    out = subprocess.run(["readelf", "-W", "--dyn-syms", libc_path(ctx)], capture_output=True,
                         check=True).stdout.decode()
    names = {}
    for line in out.splitlines():
        words = line.split()
        if len(words) >= 8 and words[3] in ("FUNC", "IFUNC") and words[6] != "UND":
            if not words[7].endswith("@GLIBC_PRIVATE"):
                names.setdefault(words[1], set()).add(words[7].split("@")[0])
    hooks = exported_names(ctx)
    groups = [group for group in names.values() if group & hooks]
    ctx.check(len(groups) > 80, f"only {len(groups)} hooked functions in {libc_path(ctx)}")
    missing = set().union(*groups) - hooks - NOT_HOOKED
    ctx.equal(missing, set(), "other names of hooked functions, without a hook")


def case_old_versions(ctx):
    """T8: programs that were linked long ago ask for old versions of the same functions."""
    path = os.path.join(ctx.scratch, "data")
    with open(path, "w") as file:
        file.write("x" * 1000)
    ctx.both([ctx.fixture("trap_versions"), path])
    expected.check_fixture(ctx, "trap_versions")
    ctx.is_whole()


def case_opens_as_strace_counts_them(ctx):
    """T8: by whatever name the C library is called, what the kernel opens is in the trace."""
    path = os.path.join(ctx.scratch, "data")
    with open(path, "w") as file:
        file.write("a line of some length, again and again\n" * 8000)
    log = os.path.join(ctx.scratch, "strace")
    command = [ctx.fixture("trap_errno"), path]
    done = ctx.run(["strace", "-f", "-o", log, "-e", "trace=openat,creat", *command], stdin=b"input")
    ctx.equal(done.code, 0, f"strace ({done.err[-200:]!r})")
    with open(log) as file:
        lines = [line for line in file if "made" in line or path in line or path[1:] in line]
    succeeded = [line for line in lines if re.search(r"= \d+$", line.strip())]
    ctx.traced(command, stdin=b"input")
    # fdopen makes a stream and opens nothing
    opens = [e for e in ctx.dump() if e.name == "open" and not e["error"] and e.aux != "fdopen"
             and os.path.basename(e["path"] or "") in ("data", "made")]
    ctx.check(len(succeeded) > 15, f"strace saw only {succeeded}")
    ctx.equal(len(opens), len(succeeded), "opens in the trace, against those of strace")
