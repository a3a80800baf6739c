# SPDX-License-Identifier: MIT
"""As data loaders do it: a pool of forked workers that read one mapped array and fill another, beside threads
that allocate; then the same through multiprocessing with its three ways to start, and shared memory."""
import array
import concurrent.futures
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import struct
import sys
import tempfile
import threading

ROWS, COLUMNS, WORKERS = 64, 4096, 4


def make_array(path):
    with open(path, "wb") as file:
        for row in range(ROWS):
            file.write(array.array("i", [(row * 7 + i) % 1000 for i in range(COLUMNS)]).tobytes())


def work(rows, source, target):
    """In a worker: the sum and the weighted sum of each row."""
    for row in rows:
        values = array.array("i", source[row * COLUMNS * 4:(row + 1) * COLUMNS * 4])
        weighted = sum(i * v for i, v in enumerate(values))
        struct.pack_into("qq", target, row * 16, sum(values), weighted)


def fork_pool(path):
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            [bytearray(1000) for _ in range(100)]
    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    with open(path, "rb") as file:
        source = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    for epoch in range(4):
        target = mmap.mmap(-1, ROWS * 16)
        workers = []
        for number in range(WORKERS):
            child = os.fork()
            if child == 0:
                try:
                    helper = threading.Thread(target=work, args=(range(number, ROWS, WORKERS), source, target))
                    helper.start()
                    helper.join()
                    os._exit(number)
                finally:
                    os._exit(99)
            workers.append(child)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in workers)
        print("epoch", epoch, codes, sum(struct.unpack("q" * ROWS * 2, target[:])))
        target.close()
    stop.set()
    for thread in threads:
        thread.join()


def square(number):
    return number * number, len(bytes(number * 100))


def fill(name, number):
    block = multiprocessing.shared_memory.SharedMemory(name)
    for i in range(number, len(block.buf), WORKERS):
        block.buf[i] = number + 1
    block.close()


def through_multiprocessing(how):
    context = multiprocessing.get_context(how)
    with context.Pool(WORKERS) as pool:
        print(how, "pool", sum(a + b for a, b in pool.imap_unordered(square, range(200), 10)))
    block = multiprocessing.shared_memory.SharedMemory(create=True, size=100000)
    try:
        workers = [context.Process(target=fill, args=(block.name, n)) for n in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(how, "shared", sum(block.buf), [w.exitcode for w in workers])
    finally:
        block.close()
        block.unlink()
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        print(how, "executor", [a for a, _ in pool.map(square, range(20))][-1])
    queue, event = context.Queue(), context.Event()
    killed = context.Process(target=event.wait)
    killed.start()
    killed.kill()
    killed.join()
    sender = context.Process(target=queue.put, args=(list(range(1000)),))
    sender.start()
    print(how, "queue", len(queue.get()), "killed", killed.exitcode)
    sender.join()


def main():
    if sys.argv[1] == "arrays":
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "array")
            make_array(path)
            fork_pool(path)
    else:
        through_multiprocessing(sys.argv[1])


if __name__ == "__main__":
    main()
