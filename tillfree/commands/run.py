"""`tillfree run`: a store's cameras, gates and billing, as long as the process lives."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from billing.money import format_money
from store_layout.errors import InputError
from tillfree.folds import VisitRecord, visit_state
from tillfree.live.loop import LiveState, StoreLoop
from tillfree.live.screen import make_screen, summary
from tillfree.live.store import AsLive, open_store
from tillfree.live.storefile import StoreConfig, load_store_file
from tillfree.sources.video import one_thread_a_picture
from tillfree.system import settle_memory, share_memory

_S = 1_000_000_000


def run(
    store: Annotated[Path, typer.Argument(help="The store file.", show_default=False)],
    as_live: Annotated[
        Path | None,
        typer.Option(help="A recording in place of the cameras and readers, at its own speed.", show_default=False),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.05, max=100, help="How fast --as-live and all clocks run.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin --as-live again when it ends.")] = False,
    in_step: Annotated[
        bool,
        typer.Option("--in-step", help="Have vision workers look at every frame of --as-live, however long it takes."),
    ] = False,
    end_visits: Annotated[
        bool, typer.Option(help="Close all visits when --as-live ends; else they go on at the next start.")
    ] = True,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.1, help="End after so many seconds of the store's clock.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="The folder for books and logs, in place of the store file's.", show_default=False),
    ] = None,
) -> None:
    """Run a store until Ctrl-C or SIGTERM. Visits that are open then go on at the next start, as after a crash.

    A supervisor such as systemd should start it again where it ends by itself.
    """
    _check(as_live, speed, loop, in_step)
    played = None if as_live is None else AsLive(as_live, speed, loop, in_step)
    config = load_store_file(store, os.environ)
    run_store(config, played, data, Console(), seconds=seconds, end_visits=end_visits)


def run_store(
    config: StoreConfig,
    played: AsLive | None,
    data: Path | None,
    console: Console,
    *,
    seconds: float | None = None,
    end_visits: bool = True,
) -> None:
    """Run a store until Ctrl-C, SIGTERM or the end, and show on ``console`` how it stands; see ``run``."""
    stopped = Event()
    share_memory()
    with one_thread_a_picture(), make_screen(console) as screen, ExitStack() as stack:
        parts = open_store(config, played, data, screen.tell, stack)
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda _number, _frame: stopped.set())
            stack.callback(signal.signal, number, before)
        settle_memory()
        screen.tell(f"{config.store.name} runs; gates and operators: http://{config.listen.host}:{config.listen.port}")
        until_ns = None if seconds is None else parts.clock() + round(seconds * _S)
        last: list[LiveState] = []

        def show(state: LiveState) -> None:
            last[:] = [state]
            screen.show(state)

        StoreLoop(parts, show).run(stopped, until_ns, end_visits=end_visits)
        for visit in parts.run.fold.visits.values():
            screen.tell(_told(visit))
        for line in summary(last[0]):
            screen.tell(line)
        screen.tell("ended")


def _check(as_live: Path | None, speed: float, loop: bool, in_step: bool) -> None:
    """Refuse options that mean nothing without others."""
    given = {"--speed": speed != 1.0, "--loop": loop, "--in-step": in_step}
    named = [name for name, is_given in given.items() if is_given]
    if as_live is None and named:
        raise InputError("is of recordings", field=named[0], mend="add --as-live")
    if in_step and len(named) > 1:
        raise InputError("does not go with --in-step, which has no pace", field=named[0], mend="take one out")


def _told(visit: VisitRecord) -> str:
    """Say in a line how a visit stands at the end."""
    things = sum(line.quantity for line in visit.lines)
    paid = "" if visit.charge is None else f", {format_money(visit.charge.amount)}"
    return f"{visit.visit_id}: {visit_state(visit)}, {things} {'thing' if things == 1 else 'things'}{paid}"
