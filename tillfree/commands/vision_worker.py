"""`tillfree vision-worker`: some of a store's cameras, looked at on a machine of their own."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from tillfree.live.storefile import load_store_file
from tillfree.live.vision_worker import WorkerState, worker_line
from tillfree.live.worker import WorkerLoop, open_worker
from tillfree.sources.video import one_thread_a_picture
from tillfree.system import settle_memory, share_memory

_LINE_EVERY = 5
"""Seconds between lines, as ``tillfree run`` has them where no terminal is."""


def vision_worker(
    store: Annotated[Path, typer.Argument(help="The store file, which has a broker.", show_default=False)],
    worker: Annotated[str, typer.Option(help="Which of the store file's workers this is.", show_default=False)],
    as_live: Annotated[
        Path | None,
        typer.Option(help="A recording in place of the cameras, played as `tillfree run` says.", show_default=False),
    ] = None,
) -> None:
    """Look at a worker's cameras and tell the store's coordinator what they see, until Ctrl-C or SIGTERM.

    A supervisor such as systemd should start it again where it ends by itself.
    """
    stopped = Event()
    screen = _Lines(Console())
    share_memory()
    with one_thread_a_picture(), ExitStack() as stack:
        config = load_store_file(store, os.environ, worker)
        parts = open_worker(config, worker, as_live, screen.tell, stack)
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda _number, _frame: stopped.set())
            stack.callback(signal.signal, number, before)
        settle_memory()
        screen.tell(f"{config.store.name}: worker {worker} has {', '.join(parts.cameras)}")
        WorkerLoop(parts, screen.show).run(stopped)
        screen.tell("ended")


class _Lines:
    """Prints how the worker stands, every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._count = console, 0

    def show(self, state: WorkerState) -> None:
        """Take how it stands; called about once a second."""
        if self._count % _LINE_EVERY == 0:
            self.tell(worker_line(state))
        self._count += 1

    def tell(self, said: str) -> None:
        """Print a line. Any thread may call."""
        self._console.print(said, highlight=False, soft_wrap=True, markup=False)
