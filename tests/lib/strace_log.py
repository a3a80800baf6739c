# SPDX-License-Identifier: MIT
"""Reads `strace -f -k` and says for each system call who made it: the target through a hook, or which
part of libc, of the loader or of the shim itself."""
import collections
import os
import re

CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\w+)(?: (\w+))?.*$")
UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
FRAME = re.compile(r"^ > (.*?)(?:\((.*)\))? \[0x[0-9a-f]+\]$")

# What stands between the target and the system call, by the libc function that was entered.
LIBC_CLASSES = {
    "allocator": "malloc calloc realloc reallocarray free cfree memalign aligned_alloc "
                 "posix_memalign valloc pvalloc malloc_trim __libc_free",
    "thread stack": "pthread_create thrd_create pthread_join pthread_detach thrd_join clone "
                    "__clone pthread_exit",
    "stdio": "fopen fopen64 fdopen freopen fread fread_unlocked __fread_chk fgets fgets_unlocked "
             "__fgets_chk fgetc getc _IO_getc getc_unlocked getline getdelim __getdelim fseek fseeko "
             "fseeko64 ftell ftello ftello64 rewind fclose fflush fwrite fputs puts printf fprintf "
             "vfprintf __printf_chk __fprintf_chk __vfprintf_chk fscanf __isoc99_fscanf setvbuf "
             "exit feof putc fputc putchar __uflow _IO_default_uflow __overflow",
    "time zone": "tzset localtime localtime_r mktime strftime",
    "processor list": "sysconf get_nprocs get_nprocs_conf",
    "directory": "opendir fdopendir readdir readdir64 closedir scandir",
    "locale": "setlocale newlocale __newlocale bindtextdomain",
    "iconv and names": "getaddrinfo gethostname getpwuid getpwnam",
    "realpath": "realpath canonicalize_file_name",
}
CLASS_OF = {name: title for title, names in LIBC_CLASSES.items() for name in names.split()}

# The hooks that stand behind each system call: with one of them in the stack there must be an event.
HOOKS = {
    "mmap": {"mmap", "mmap64"},
    "munmap": {"munmap"},
    "read": {"read", "__read_chk"},
    "openat": {"open", "open64", "openat", "openat64", "__open_2", "__open64_2", "__openat_2",
               "__openat64_2", "fopen", "fopen64", "freopen", "freopen64", "shm_open"},
}


class Call:
    __slots__ = ("tid", "name", "arguments", "result", "error", "frames", "line")

    def __init__(self, tid, name, arguments, result, error, line):
        self.tid, self.name, self.arguments = tid, name, arguments
        self.result = int(result, 0) if re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", result) else None
        self.error, self.line = error, line
        self.frames = []	# (object, function), innermost first

    def show(self):
        frames = " < ".join(f"{os.path.basename(o)}({f})" for o, f in self.frames[:12])
        return f"{self.line[:160]}  [{frames}]"


def read_log(path):
    """@return the calls in order; one that another thread interrupted stands where it resumed."""
    calls, pending, current = [], {}, None
    with open(path, errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            frame = FRAME.match(line)
            if frame:
                if current:
                    current.frames.append((frame[1], re.sub(r"\+0x[0-9a-f]+$", "", frame[2] or "")))
                continue
            match = UNFINISHED.match(line)
            if match:
                pending[match[1]] = match[3]
                current = None
                continue
            match = RESUMED.match(line)
            if match:
                line = f"{match[1]} {match[2]}({pending.pop(match[1], '')}{match[3]}"
            match = CALL.match(line)
            current = Call(int(match[1]), match[2], match[3], match[4], match[5], line) if match else None
            if current:
                calls.append(current)
    return calls


def is_in(frame, name):
    return os.path.basename(frame[0]).startswith(name)


def entry_of(frames):
    """The libc function that was entered: of the innermost libc frames the outermost one.
    @return (its name, the frames outside)"""
    at = 0
    while at < len(frames) and is_in(frames[at], "libc.so"):
        at += 1
    return (frames[at - 1][1] if at else None), frames[at:]


def hook_of(call, shim):
    """@return the hook of this very system call that the target entered, or None"""
    _, outside = entry_of(call.frames)
    if len(outside) < 2 or not is_in(outside[0], shim):
        return None
    name = outside[0][1]
    return name if name in HOOKS.get(call.name, ()) and not is_in(outside[1], shim) else None


def class_of(call, shim):
    """@return the named class, or None for a call that nobody accounts for"""
    frames = call.frames
    if not frames:
        return None
    if is_in(frames[0], shim):
        return "the shim's own"
    if is_in(frames[0], "ld-linux"):
        own = any(is_in(frame, shim) for frame in frames)
        return "loader, for the shim" if own else "loader"
    entry, outside = entry_of(frames)
    if entry is None:
        return None
    # The hook's own name is better than that of a static function inside libc.
    if outside and is_in(outside[0], shim) and outside[0][1] in CLASS_OF:
        return CLASS_OF[outside[0][1]]
    if entry in CLASS_OF:
        return CLASS_OF[entry]
    if not outside:
        return "thread stack" if call.name in ("mmap", "munmap") else None
    if any(is_in(frame, "ld-linux") for frame in outside):
        return "loader"
    return "the shim's own" if is_in(outside[0], shim) else None


def key_of(call):
    """What a call and its event have in common. @return None for calls without an event."""
    arguments = call.arguments.split(", ")
    failed = call.result == -1
    if call.name == "mmap":
        return ("map", 0 if failed else call.result, int(arguments[1]))
    if call.name == "munmap":
        return ("unmap", int(arguments[0], 0), int(arguments[1]))
    if call.name == "read":
        return ("read", call.tid, int(arguments[0]), -1 if failed else call.result)
    if call.name == "openat":
        path = re.search(r'"((?:[^"\\]|\\.)*)"', call.arguments)[1]
        return ("open", call.tid, os.path.basename(path), -1 if failed else call.result)
    return None


def event_key(event):
    """The same for an event of the dump; None when none of the calls above stands behind it."""
    if event.name == "map":
        return ("map", event["addr"] or 0, event["length_bytes"])
    if event.name == "unmap":
        return ("unmap", event["addr"], event["length_bytes"])
    if event.name == "read" and event.aux == "read":
        return ("read", event.tid, event["fd"], max(event["got_bytes"], -1))
    if event.name == "open" and event.aux in HOOKS["openat"]:
        return ("open", event.tid, os.path.basename(event["path"]), event["fd"])
    return None


def account(calls, events, shim):
    """Assigns every call to an event or a class.
    @return (Counter of "NAME: CLASS", calls that nobody accounts for, events without a call)"""
    left = collections.Counter(filter(None, map(event_key, events)))
    sums, remainder, later = collections.Counter(), [], []
    for call in calls:
        # First those that must be events: a class may not take their events away.
        if hook_of(call, shim):
            key = key_of(call)
            if left[key] > 0:
                left[key] -= 1
                sums[f"{call.name}: event"] += 1
            else:
                remainder.append(call)
        else:
            later.append(call)
    for call in later:
        title = class_of(call, shim)
        key = key_of(call)
        if title and call.name == "openat" and title == "stdio" and left[key] > 0:
            left[key] -= 1
            title = "event"
        if title:
            sums[f"{call.name}: {title}"] += 1
        else:
            remainder.append(call)
    return sums, remainder, list(left.elements())
