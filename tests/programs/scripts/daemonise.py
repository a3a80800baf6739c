# SPDX-License-Identifier: MIT
"""A daemon of the old school: two forks, a session of its own, every descriptor closed, the null device on
the lowest three, files of its own at numbers that others like; it works on and leaves a file and no process."""
import os
import resource
import sys
import time


def daemon():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.umask(0o27)
    os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    numbers = [os.open("/dev/null", os.O_RDWR), os.dup(0), os.dup(0)]
    numbers.append(os.open("log", os.O_WRONLY | os.O_CREAT, 0o666))
    for number in (100, 500, 1000, 4000, 4001, 4002):
        os.write(os.dup2(3, number), b"%d\n" % number)
    data = [bytes([i % 256]) * 5000 for i in range(2000)]
    time.sleep(0.5)
    for number in (100, 500, 1000, 4000, 4001, 4002):
        os.write(number, b"still %d\n" % number)
    os.write(3, f"{numbers} {sum(map(len, data))} {sorted(os.listdir('/proc/self/fd'), key=int)}\n".encode())
    os.rename("log", "log.done")
    os._exit(0)


def main():
    child = os.fork()
    if child == 0:
        daemon()
    print("started", os.waitpid(child, 0)[1])
    end = time.monotonic() + 60
    while not os.path.exists("log.done") and time.monotonic() < end:
        time.sleep(0.05)
    with open("log.done") as file:
        sys.stdout.write(file.read())


main()
