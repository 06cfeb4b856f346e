"""The one place where threads of cameras, and those that carry alerts, are started and ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from threading import Event, Thread


class ReaderThread:
    """A thread that runs ``run`` until the event that it is given is set.

    A mistake in ``run`` ends the thread and is told to ``crashed``: by kind and place alone, for an error's own words
    may hold a URL.
    """

    def __init__(self, name: str, run: Callable[[Event], None], crashed: Callable[[str], None]) -> None:
        self._run, self._crashed = run, crashed
        self._stopped = Event()
        self._thread = Thread(target=self._guarded, name=name, daemon=True)

    def start(self) -> None:
        """Begin. A thread begins once."""
        self._thread.start()

    def tell_to_stop(self) -> None:
        """Ask the thread to end, without waiting for it."""
        self._stopped.set()

    def stop(self, within_s: float | None = None) -> None:
        """Ask the thread to end, and wait until it has, or ``within_s`` at most: it is then left to itself."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(within_s)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self._run(self._stopped)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a thread
            last = traceback.extract_tb(error.__traceback__)[-1]
            self._crashed(f"a mistake in Tillfree: {type(error).__name__} in {last.name}, line {last.lineno}")
