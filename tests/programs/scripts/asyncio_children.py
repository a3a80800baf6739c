# SPDX-License-Identifier: MIT
"""asyncio: many subprocesses at once, pipes, signals, a server on a Unix socket, threads, and a timeout."""
import asyncio
import signal
import sys


async def one(number):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; d = sys.stdin.read(); print(len(d), d[:3]); sys.exit(len(d) % 7)",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate(str(number).encode() * 10000)
    return number, out.decode().strip(), process.returncode


async def killed():
    process = await asyncio.create_subprocess_shell("exec sleep 100")
    await asyncio.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    return await process.wait()


async def late():
    process = await asyncio.create_subprocess_exec("sleep", "100")
    try:
        await asyncio.wait_for(process.wait(), 0.2)
    except asyncio.TimeoutError:
        process.kill()
    return await process.wait()


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def talk(path, number):
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for i in range(20):
        writer.write(f"client {number} line {i}\n".encode())
        answers.append((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()
    return answers[-1]


async def main():
    for result in await asyncio.gather(*(one(n) for n in range(6))):
        print(*result)
    print("killed", await killed(), "late", await late())
    server = await asyncio.start_unix_server(serve, "socket")
    for answer in await asyncio.gather(*(talk("socket", n) for n in range(8))):
        print(answer)
    server.close()
    await server.wait_closed()
    print(sum(await asyncio.gather(*(asyncio.to_thread(sum, range(n * 1000)) for n in range(20)))))


asyncio.run(main())
