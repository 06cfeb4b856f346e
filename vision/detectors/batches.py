"""Detection in batches of whatever waits: for runtimes that take several pictures at once, or block the caller."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from vision.types import Detections, Frame


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A frame and the promise of its people."""

    frame: Frame
    found: Future[Detections]

    def ready(self) -> bool:
        return self.found.done()

    def result(self) -> Detections:
        return self.found.result()


CARD_BATCH = 16
"""Pictures that a graphics card takes at once: a round of as many cameras as one card serves at 640x384."""


class BatchWorker:
    """Calls ``detect`` in threads of its own, each time with the frames that wait by then, at most ``most``.

    Batches grow with the load, and a lone frame does not wait for others. ``side_by_side`` calls may run at once.
    """

    def __init__(self, detect: Callable[[Sequence[Frame]], list[Detections]], most: int, side_by_side: int = 1) -> None:
        self._detect, self._most = detect, most
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
        self._pool = ThreadPoolExecutor(max_workers=side_by_side, thread_name_prefix="detector")

    def submit(self, frame: Frame) -> _Waiting:
        """Put a frame into the queue and return at once."""
        waiting = _Waiting(frame, Future())
        self._waiting.put(waiting)
        self._pool.submit(self._work)
        return waiting

    def _work(self) -> None:
        """Detect in the frames that wait. A turn finds none where the one before took its frame along."""
        batch = self._take()
        if not batch:
            return
        try:
            for each, detections in zip(batch, self._detect([each.frame for each in batch]), strict=True):
                each.found.set_result(detections)
        finally:
            error = sys.exception()  # whatever it is, whoever waits must hear of it
            for each in batch:
                if error is not None and not each.found.done():
                    each.found.set_exception(error)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while len(batch) < self._most:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch
