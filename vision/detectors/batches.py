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


class BatchWorker:
    """Calls ``detect`` in one thread of its own, each time with the frames that wait by then, at most ``most``.

    Batches grow with the load, and a lone frame does not wait for others.
    """

    def __init__(self, detect: Callable[[Sequence[Frame]], list[Detections]], most: int) -> None:
        self._detect, self._most = detect, most
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector")

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
