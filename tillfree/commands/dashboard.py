"""`tillfree dashboard`: look at a run that has ended, on the pages that it had."""

from __future__ import annotations

import datetime as dt
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from store_layout.errors import InputError
from tillfree.live.ended import open_ended
from tillfree.live.storefile import STORE_FILE, load_store_file

_LOOK_S = 0.5


def dashboard(
    run: Annotated[
        Path,
        typer.Argument(
            help=f"The store file of a store that ran, or its folder with a {STORE_FILE}.", show_default=False
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="The folder that it ran with, where that was not the store file's.", show_default=False),
    ] = None,
) -> None:
    """Show a run that has ended: visits and receipts, open questions, clips, stock and sales, until Ctrl-C.

    Nothing looks, lets in or charges meanwhile. A store that runs serves its own dashboard.
    """
    config = load_store_file(_store_file(run), os.environ)
    console, stopped = Console(), Event()
    with ExitStack() as stack:
        parts = open_ended(config, data, lambda words: console.print(words, highlight=False, soft_wrap=True), stack)
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda _number, _frame: stopped.set())
            stack.callback(signal.signal, number, before)
        parts.visits.thread.start()
        parts.server.start()
        ended = dt.datetime.fromtimestamp(parts.last_ns // 1_000_000_000, dt.UTC).astimezone()
        console.print(
            f"{config.store.name} as it was at {ended:%Y-%m-%d %H:%M:%S %Z}. Ctrl-C ends this.", highlight=False
        )
        while not stopped.wait(_LOOK_S) and parts.server.is_alive:
            pass


def _store_file(run: Path) -> Path:
    if not run.is_dir():
        return run
    if not (run / STORE_FILE).is_file():
        raise InputError(f"has no {STORE_FILE}", file=run, mend="name the store file itself")
    return run / STORE_FILE
