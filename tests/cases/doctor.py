# SPDX-License-Identifier: MIT
"""llmtrace doctor, against what /proc says, and under conditions that a case has made worse: another
user, limits, a filter of system calls, a small /dev/shm, libraries that are not there."""
import ctypes
import json
import os
import platform
import resource
import shutil
import struct
import subprocess
import tempfile

NOBODY = 65534
STATES = {"ok", "note", "none", "partly", "no"}


def doctor(ctx, env=None, prefix=(), program=None, limits=None, preexec=None):
    """@return (exit code, {id: check})"""
    command = [*prefix, program or os.path.join(ctx.build, "llmtrace"), "doctor", "--json"]
    full = {k: v for k, v in os.environ.items() if k != "LLMTRACE_OUTPUT"}
    full.update(env or {})

    def prepare():
        for what, value in (limits or {}).items():
            resource.setrlimit(what, (value, value))
        if preexec:
            preexec()
    done = subprocess.run(command, env=full, cwd=ctx.scratch, capture_output=True, check=False,
                          preexec_fn=prepare)
    ctx.check(done.returncode in (0, 1), f"exit code {done.returncode}: {done.stderr!r}")
    answer = json.loads(done.stdout)
    checks = {check["id"]: check for check in answer["checks"]}
    for check in checks.values():
        ctx.check(check["state"] in STATES and check["found"], f"check {check}")
        if check["state"] in ("partly", "no"):
            ctx.check(check["remedy"], f"no remedy: {check}")
    is_bad = any(check["state"] in ("partly", "no") for check in checks.values())
    ctx.equal(done.returncode, int(is_bad), f"exit code with {[c['state'] for c in checks.values()]}")
    return checks


def read(path):
    with open(path) as file:
        return file.read().strip()


def is_state(ctx, checks, name, *states):
    ctx.check(checks[name]["state"] in states, f"wanted {states}: {checks[name]}")


def case_against_proc(ctx):
    checks = doctor(ctx)
    if os.path.exists("/proc/sys/kernel/perf_event_paranoid"):
        level = read("/proc/sys/kernel/perf_event_paranoid")
        ctx.check(f"paranoid is {level}" in checks["faults"]["found"], checks["faults"])
    ctx.check(platform.release() in checks["kernel"]["found"], checks["kernel"])
    mode = "/sys/kernel/mm/transparent_hugepage/enabled"
    if os.path.exists(mode):
        ctx.check(read(mode) in checks["huge_pages"]["found"], checks["huge_pages"])
    is_state(ctx, checks, "recording", "ok")
    ctx.check(os.path.join(ctx.build, "libllmtrace.so") in checks["recording"]["found"]
              or os.path.realpath(ctx.shim) in checks["recording"]["found"], checks["recording"])
    flags = read("/proc/cpuinfo").split("flags", 1)[-1].split("\n")[0].split()
    steady = {"constant_tsc", "nonstop_tsc"} <= set(flags)
    is_state(ctx, checks, "clock", "ok" if steady else "note")
    free = os.statvfs("/dev/shm")
    is_state(ctx, checks, "rings", "ok" if free.f_bavail * free.f_frsize >= 256 << 20 else "partly")
    for word in ("command line", "paths", "<length:hash>", "no contents of memory"):
        ctx.check(word in checks["privacy"]["found"], f"no {word!r}: {checks['privacy']}")
    text = ctx.run([os.path.join(ctx.build, "llmtrace"), "doctor"]).out
    for check in checks.values():
        ctx.check(f"{check['subject']}: " in text, f"{check['id']} is not in the text")


def case_leaves_nothing(ctx):
    """No file, no ring, no child is left."""
    folder = ctx.directory("tmp")
    before = set(os.listdir("/dev/shm"))
    doctor(ctx, {"TMPDIR": folder})
    ctx.equal(os.listdir(folder), [], "files in TMPDIR")
    left = [n for n in set(os.listdir("/dev/shm")) - before if "doctor" in n]
    ctx.equal(left, [], "files in /dev/shm")


def case_wrong_use(ctx):
    program = os.path.join(ctx.build, "llmtrace")
    for words in (["--nonsense"], ["word"]):
        done = ctx.run([program, "doctor", *words])
        ctx.equal([done.code, done.out], [2, ""], f"doctor {words}")
        ctx.check(done.err, "nothing on stderr")
    ctx.equal(ctx.run([program, "doctor", "--help"]).code, 0, "exit code of --help")


def case_another_user(ctx):
    """Without root's rights: the kernel's faults, others' files and locked memory are limited."""
    if os.geteuid():
        ctx.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name in ("llmtrace", "libllmtrace.so"):
            shutil.copy(os.path.join(ctx.build, name), folder)

        def become():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        checks = doctor(ctx, {"LLMTRACE_OUTPUT": "/tmp/trace.zst"}, preexec=become,
                        program=os.path.join(folder, "llmtrace"),
                        limits={resource.RLIMIT_MEMLOCK: 1 << 20})
        is_state(ctx, checks, "recording", "ok")
        is_state(ctx, checks, "memlock", "note")
        ctx.check("1024 KiB" in checks["memlock"]["found"], checks["memlock"])
        is_state(ctx, checks, "page_cache", "partly")
        level = int(read("/proc/sys/kernel/perf_event_paranoid"))
        if checks["faults"]["state"] != "no" or level > 2:
            is_state(ctx, checks, "faults",
                     "ok" if level <= 1 else "partly" if level == 2 else "no")
        ctx.check("sysctl" in (checks["faults"]["remedy"] or "sysctl"), checks["faults"])
        checks = doctor(ctx, {"LLMTRACE_OUTPUT": "/trace.zst"}, preexec=become,
                        program=os.path.join(folder, "llmtrace"))
        is_state(ctx, checks, "output", "no")
    checks = doctor(ctx, limits={resource.RLIMIT_MEMLOCK: resource.RLIM_INFINITY}
                    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY else {})
    is_state(ctx, checks, "memlock", "ok", "note")


def filter_calls(numbers):
    """As a container does: these system calls fail with the given errors."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = struct.pack("<HBBI", 0x20, 0, 0, 0)				# the number
    for number, error in numbers.items():
        code += struct.pack("<HBBI", 0x15, 0, 1, number)
        code += struct.pack("<HBBI", 0x06, 0, 0, 0x00050000 | error)	# SECCOMP_RET_ERRNO
    code += struct.pack("<HBBI", 0x06, 0, 0, 0x7fff0000)		# SECCOMP_RET_ALLOW
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    keep = ctypes.create_string_buffer(program)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, keep, 0, 0):
        os._exit(99)


def case_filtered(ctx):
    """perf_event_open, cachestat and ptrace refused by a filter: the cause and the remedy are named."""
    if platform.machine() != "x86_64":
        ctx.skip("numbers of another machine")
    checks = doctor(ctx, preexec=lambda: filter_calls({298: 1, 451: 38, 101: 1}))
    is_state(ctx, checks, "faults", "no")
    ctx.check("filtered" in checks["faults"]["found"], checks["faults"])
    ctx.check("PERFMON" in checks["faults"]["remedy"] or "sysctl" in checks["faults"]["remedy"],
              checks["faults"])
    is_state(ctx, checks, "fault_rings", "none")
    is_state(ctx, checks, "page_cache", "partly")
    ctx.check("6.5" in checks["page_cache"]["remedy"], checks["page_cache"])
    is_state(ctx, checks, "ptrace", "note")
    is_state(ctx, checks, "container", "note")
    is_state(ctx, checks, "recording", "ok")


def case_little_room(ctx):
    """A small /dev/shm, a limit on files, and a place that cannot be written."""
    script = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m none /dev/shm && exec \"$@\"", "-"]
    if subprocess.run([*script, "true"], capture_output=True, check=False).returncode:
        ctx.note("no mount namespace here: /dev/shm stays as it is")
    else:
        checks = doctor(ctx, prefix=script)
        is_state(ctx, checks, "rings", "partly")
        ctx.check("shm-size" in checks["rings"]["remedy"], checks["rings"])
    checks = doctor(ctx, limits={resource.RLIMIT_FSIZE: 2 << 20})
    is_state(ctx, checks, "output", "partly")
    ctx.check("2048 KiB" in checks["output"]["found"], checks["output"])
    checks = doctor(ctx, limits={resource.RLIMIT_FSIZE: 4096})
    is_state(ctx, checks, "output", "no", "partly")
    checks = doctor(ctx, {"LLMTRACE_OUTPUT": "/proc/none/trace.zst"})
    is_state(ctx, checks, "output", "no")


def case_no_shim(ctx):
    """Without the library, and with one that cannot be loaded."""
    folder = ctx.directory("alone")
    program = os.path.join(folder, "llmtrace")
    shutil.copy(os.path.join(ctx.build, "llmtrace"), program)
    is_state(ctx, doctor(ctx, program=program), "recording", "no")
    with open(os.path.join(folder, "libllmtrace.so"), "w") as file:
        file.write("no library")
    checks = doctor(ctx, program=program)
    is_state(ctx, checks, "recording", "no")
    ctx.check("libllmtrace.so" in checks["recording"]["found"], checks["recording"])


def case_gpu_libraries(ctx):
    """Stand-ins of the driver's libraries: what they answer is what is said."""
    if os.path.exists("/dev/nvidiactl"):
        ctx.skip("there is a real GPU")
    is_state(ctx, doctor(ctx), "cuda", "none")
    folder = ctx.directory("gpu")
    sources = {
        "libcuda.so.1": "int cuInit(unsigned f){return 0;} int cuDeviceGetCount(int *n){*n=2;return 0;}"
                        "int cuDriverGetVersion(int *v){*v=13000;return 0;}",
        "libnvidia-ml.so.1": "int nvmlInit_v2(void){return 0;} int nvmlShutdown(void){return 0;}"
                             "int nvmlDeviceGetCount_v2(unsigned *n){*n=2;return 0;}",
        "libcupti.so.13": "int cuptiGetVersion(unsigned *v){*v=26;return 0;}"}
    wanted = {"libcuda.so.1": ("cuda", "2 devices, CUDA 13.0"), "libnvidia-ml.so.1": ("nvml", "2 devices"),
              "libcupti.so.13": ("cupti", "libcupti.so.13, API 26")}
    for name, source in sources.items():
        path = os.path.join(folder, name)
        done = ctx.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                       stdin=source.encode())
        ctx.equal(done.code, 0, f"compiler ({done.err!r})")
        checks = doctor(ctx, {"LD_LIBRARY_PATH": folder})
        check, words = wanted[name]
        is_state(ctx, checks, check, "ok")
        ctx.check(words in checks[check]["found"], checks[check])
        if name == "libcuda.so.1":
            is_state(ctx, checks, "cupti", "no", "ok")	# this machine may have the real one
            is_state(ctx, checks, "nvml", "no")
