"""A nats-server that can be killed, a line to it that delays and breaks, and somebody who says everything again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import nats
from nats.aio.msg import Msg

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
_REPEATED = "Repeated"


def wait_for(what: Callable[[], bool], steps: int = 600) -> None:
    """Wait until it is so; give up, and fail, when it is not after ``steps`` twentieths of a second."""
    for _ in range(steps):
        if what():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never came")


class Broker:
    """A nats-server of its own, which can be killed and started again on the same folder."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._words = [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._words, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class _Loop:
    """A thread with an event loop; ``stop`` ends what ``work`` does there."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.work()

    async def work(self) -> None:
        raise AssertionError("each does its own")


class SlowLine(_Loop):
    """A TCP line to a port: what goes through is late by chance, and the line breaks now and then."""

    def __init__(self, to_port: int, seed: int) -> None:
        super().__init__()
        self._to, self._lot = to_port, random.Random(seed)
        self.port = 0
        self.breaks = self.delays = 0

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def work(self) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        lines = [asyncio.create_task(self._pipe(reader, back)), asyncio.create_task(self._pipe(there, writer))]
        await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
        for line in lines:
            line.cancel()
        for end in (writer, back):
            end.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if self._lot.random() < 0.05:
                    self.delays += 1
                    await asyncio.sleep(self._lot.uniform(0.1, 0.8))
                if self._lot.random() < 0.001:
                    self.breaks += 1
                    return
                sink.write(data)
                await sink.drain()


class Repeater(_Loop):
    """Says some of what workers tell a second time, later, under no id by which the broker would know it."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__()
        self._url, self._lot = url, random.Random(seed)
        self.repeated = 0

    async def work(self) -> None:
        client = await nats.connect(self._url, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=_quiet)
        later: set[asyncio.Task[None]] = set()

        async def hear(message: Msg) -> None:
            is_own = message.headers is not None and _REPEATED in message.headers
            if not is_own and self._lot.random() < 0.2:
                later.add(asyncio.create_task(self._again(client, message)))

        await client.subscribe("tillfree.*.seen.>", cb=hear)
        await client.subscribe("tillfree.*.beat.>", cb=hear)
        self._ready.set()
        await self._stopped.wait()
        for task in later:
            task.cancel()
        await client.close()

    async def _again(self, client: nats.NATS, message: Msg) -> None:
        await asyncio.sleep(self._lot.uniform(0.1, 4.0))
        with contextlib.suppress(nats.errors.Error):
            await client.publish(message.subject, message.data, headers={_REPEATED: "yes"})
            self.repeated += 1


async def _quiet(_error: Exception) -> None:
    """The broker is killed on purpose."""
