"""What waits for the engine, on the disk before anybody is told that it was taken."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checkout.types import GateScanned, ReviewAnswered
from store_layout.errors import InputError
from tillfree.eventlog import decode, encode
from tillfree.live import errors
from tillfree.live.journal import Journal
from tillfree.live.node import NOT_STARTED, GateReported, NodeInput, NodeView, ReportKind

_KNOWN: dict[str, type] = {kind.__name__: kind for kind in (GateScanned, ReviewAnswered, GateReported)}
_REMEMBERED = 10_000
"""Scan ids that are known after the engine is done with them: some days of a busy store, far more than a reader repeats."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An input with its number; tell ``NodeInbox.done`` the number once the event log has what came of it."""

    number: int
    given: NodeInput


class NodeInbox:
    """The ``NodePort`` within one process: threads put in, the engine takes out.

    An input is given at least once. One that was taken and not done is given again after a restart, so an engine that
    died between its log and ``done`` must know a ``scan_id`` that its log has already.
    """

    def __init__(self, path: Path, *, most: int = 10_000, compact_after: int = 2_000) -> None:
        """``most`` inputs may wait; the file is written anew after so many are done.

        Raises InputError where the file is in use, damaged, or cannot be opened.
        """
        self._most, self._compact_after = most, compact_after
        self._mutex = threading.RLock()
        self._waiting: dict[int, NodeInput] = {}
        self._taken: dict[int, NodeInput] = {}
        self._scans: OrderedDict[str, None] = OrderedDict()
        self._next, self._done_count = 1, 0
        self._view = NOT_STARTED
        self._journal = Journal(path)
        try:
            for line in self._journal.lines:
                self._apply(json.loads(line), line)
        except (ValueError, TypeError, KeyError) as error:
            self._journal.close()
            raise InputError(f"is no inbox: {error}", file=path, mend="move it away") from error

    def close(self) -> None:
        """Let the file go; what waits is given to whoever opens it next."""
        self._journal.close()

    # -- for gates and operators ------------------------------------------------

    def view(self) -> NodeView:
        """See ``NodePort.view``."""
        return self._view

    def admit(self, scan: GateScanned) -> None:
        """See ``NodePort.admit``."""
        with self._mutex:
            if scan.scan_id not in self._scans:
                self._put(scan)

    def answer(self, given: ReviewAnswered) -> None:
        """See ``NodePort.answer``. Once the engine is done with an answer, the review may be answered again."""
        with self._mutex:
            for other in self._open():
                if isinstance(other, ReviewAnswered) and other.review_id == given.review_id:
                    if _outcome(other) != _outcome(given):
                        raise errors.ReviewAnswered(f"{given.review_id} was answered otherwise a moment ago")
                    return
            self._put(given)

    def report(self, gate_id: str, kind: ReportKind, at_ns: int) -> None:
        """See ``NodePort.report``."""
        given = GateReported(gate_id, kind, at_ns)
        with self._mutex:
            if given not in self._open():
                self._put(given)

    # -- for the engine ---------------------------------------------------------

    def publish(self, view: NodeView) -> None:
        """Say how the store is now."""
        self._view = view

    def take(self, up_to_ns: int) -> tuple[Queued, ...]:
        """Return what waits and is no later than ``up_to_ns``, in order of time, then of arrival; each once."""
        with self._mutex:
            due = [(given.at_ns, number) for number, given in self._waiting.items() if given.at_ns <= up_to_ns]
            numbers = [number for _, number in sorted(due)]
            self._taken |= {number: self._waiting.pop(number) for number in numbers}
            return tuple(Queued(number, self._taken[number]) for number in numbers)

    def done(self, number: int) -> None:
        """Forget an input that was taken. A power cut may take this back, and the input is given again.

        Raises LookupError for a number that was not taken, or is done; NodeStopped as ``admit``.
        """
        with self._mutex:
            if number not in self._taken:
                raise LookupError(f"input {number} was not taken, or is done")
            self._journal.append(json.dumps({"done": number}), lasting=False)
            del self._taken[number]
            self._done_count += 1
            if self._done_count >= self._compact_after:
                self._compact()

    @property
    def waiting_count(self) -> int:
        """Return how many inputs the engine is not done with."""
        with self._mutex:
            return len(self._waiting) + len(self._taken)

    # -- within -----------------------------------------------------------------

    def _open(self) -> Iterator[NodeInput]:
        yield from self._waiting.values()
        yield from self._taken.values()

    def _put(self, given: NodeInput) -> None:
        if self.waiting_count >= self._most:
            raise errors.NodeFull(f"{self._most} inputs wait for the engine already")
        self._journal.append(encode(self._next, given))
        self._keep(self._next, given)

    def _keep(self, number: int, given: NodeInput) -> None:
        self._next = number + 1
        self._waiting[number] = given
        if isinstance(given, GateScanned):
            self._remember(given.scan_id)

    def _remember(self, scan_id: str) -> None:
        self._scans[scan_id] = None
        if len(self._scans) > _REMEMBERED:
            self._scans.popitem(last=False)

    def _apply(self, said: dict[str, object], line: str) -> None:
        """Do again what a line says."""
        if "done" in said:
            number = said["done"]
            assert isinstance(number, int)
            del self._waiting[number]
            self._done_count += 1
        elif "scans" in said:
            scans, following = said["scans"], said["next"]
            assert isinstance(scans, list)
            assert isinstance(following, int)
            self._scans.update(dict.fromkeys(scans))
            self._next = following
        else:
            number, given = said["seq"], decode(line, _KNOWN)
            assert isinstance(number, int)
            assert isinstance(given, GateScanned | ReviewAnswered | GateReported)
            following = self._next
            self._keep(number, given)
            self._next = max(following, number + 1)

    def _compact(self) -> None:
        """Write the file anew with what is still needed."""
        head = json.dumps({"next": self._next, "scans": list(self._scans)})
        left = sorted((self._taken | self._waiting).items())
        self._journal.rewrite([head, *(encode(number, given) for number, given in left)])
        self._done_count = 0


def _outcome(given: ReviewAnswered) -> tuple[str | None, str | None, int]:
    return given.visit_id, given.sku, given.quantity_delta
