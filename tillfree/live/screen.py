"""What `tillfree run` shows: a table that is drawn again at a terminal, else a line every few seconds."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tillfree.live.loop import LiveState
from tillfree.live.tokens import token_name

_LINE_EVERY = 5
"""Seconds between lines where no terminal is: enough to follow, few enough for a log that is kept."""


_MARKED_SHOWN = 20


class Screen(Protocol):
    """Shows a store that runs."""

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        ...

    def show(self, state: LiveState) -> None:
        """Show how the store stands; called about once a second."""
        ...

    def tell(self, said: str) -> None:
        """Show a line of news. Any thread may call."""
        ...


def make_screen(console: Console) -> Screen:
    """Return what fits ``console``."""
    return TableScreen(console) if console.is_terminal else LineScreen(console)


class LineScreen:
    """A line every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._count = console, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, state: LiveState) -> None:
        """See ``Screen.show``."""
        if self._count % _LINE_EVERY == 0:
            self._console.print(state_line(state), highlight=False, soft_wrap=True)
        self._count += 1

    def tell(self, said: str) -> None:
        """See ``Screen.tell``."""
        self._console.print(Text(said), soft_wrap=True)


class TableScreen:
    """The same and the visits, drawn again each time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=2)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, state: LiveState) -> None:
        """See ``Screen.show``."""
        self._live.update(Group(Text(state_line(state)), _visits(state)))

    def tell(self, said: str) -> None:
        """See ``Screen.tell``."""
        self._live.console.print(Text(said, style="yellow"))


def state_line(state: LiveState) -> str:
    """Return how a store stands in one line: visits, people, cameras, pictures a second, drops, delay, what waits."""
    view = state.view
    up = sum(row.is_up for row in view.cameras)
    rate = sum(row.frames_per_s for row in view.cameras)
    thinned = sum(counts.thinned for counts in state.overload.paced.values())
    parts = [
        f"{len(view.visits)} visits",
        f"{view.people_inside} people",
        f"{len(view.reviews)} reviews",
        f"{up}/{len(view.cameras)} cameras",
        f"{rate:.0f} fps",
        f"{state.overload.dropped} dropped",
        f"{state.late} late",
        f"{state.behind_s:.1f} s behind" if view.at_ns else "no picture yet",
    ]
    parts += [f"{thinned} left out"] if thinned else []
    parts += [f"{state.overload.marked} visits marked"] if state.overload.marked else []
    parts += [f"{state.orders_waiting} orders wait"] if state.orders_waiting else []
    parts += [*view.faults, view.billing, view.alerting, state.overload.words]
    return ", ".join(part for part in parts if part)


def summary(state: LiveState) -> tuple[str, ...]:
    """Return what was looked at and what not, a line a camera, and the visits that may have suffered by it."""
    lines = []
    for camera, paced in state.overload.paced.items():
        counts, spared = state.queues[camera], state.spared.get(camera, 0)
        lines.append(
            f"{camera}: {paced.sent} pictures came, {counts.taken} were looked at ({spared} of them still and not detected in), "
            f"{paced.thinned} left out evenly, {counts.dropped} dropped"
        )
    if state.late:
        lines.append(f"{state.late} pictures were looked at too late for their instant")
    if state.overload.marked:
        latest = ", ".join(state.overload.marked_ids[-_MARKED_SHOWN:])
        lines.append(f"{state.overload.marked} visits were asked about for want of time: {latest}")
    return tuple(lines)


def _visits(state: LiveState) -> Table:
    table = Table("visit", "who", "state", "cart", "reviews")
    for visit in state.view.visits:
        cart = ", ".join(f"{line.quantity} × {line.sku}" for line in visit.lines)
        table.add_row(
            visit.visit_id,
            token_name(visit.token),
            visit.refused or visit.state,
            cart,
            ", ".join(visit.open_review_ids),
        )
    return table
