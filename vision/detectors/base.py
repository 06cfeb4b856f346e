"""The port that every detector fills, and what all adapters share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

from store_layout.errors import InputError
from vision.detectors.settings import DetectorSettings
from vision.types import Detections, Frame


class WeightsError(InputError):
    """Detector weights are missing, unreadable or of a kind that is not understood."""


class Detector(Protocol):
    """Finds people and their hands in pictures.

    The result depends on the picture, the weights and the settings alone: not on what was
    asked before, on the other frames of the batch, or (beyond the rounding that the
    adapters apply) on the number of threads.
    """

    @property
    def name(self) -> str:
        """Return a short name for reports, such as ``openvino:yolo11n-pose``."""
        ...

    @property
    def fingerprint(self) -> str:
        """Return a digest of weights and settings; a tape made with another one must not be reused."""
        ...

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Return width and height of the picture that the network sees."""
        ...

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the people of each frame, in the order of ``frames``, best score first in each."""
        ...

    def detect_each(self, frames: Iterable[Frame], ahead: int) -> Iterator[tuple[Frame, Detections]]:
        """Yield each frame with what ``detect`` finds in it, in the order of ``frames``.

        Up to ``ahead`` further frames are in work meanwhile, so that the caller's work and the network's overlap;
        no more are held than about twice that many, however many there are.
        """
        ...


def detect_batches(
    detect: Callable[[Sequence[Frame]], list[Detections]], frames: Iterable[Frame], size: int
) -> Iterator[tuple[Frame, Detections]]:
    """Yield what ``detect_each`` promises by giving ``detect`` batches, each while the caller looks at the one before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detector") as pool:
        before: tuple[Sequence[Frame], Future[list[Detections]]] | None = None
        source = iter(frames)
        while batch := tuple(islice(source, size)):
            following = (batch, pool.submit(detect, batch))
            if before is not None:
                yield from zip(before[0], before[1].result(), strict=True)
            before = following
        if before is not None:
            yield from zip(before[0], before[1].result(), strict=True)


def fingerprint(adapter: str, files: Iterable[Path], settings: DetectorSettings) -> str:
    """Return 16 hex digits of SHA-256 over the adapter's name, the files' bytes and the settings.

    Settings that change only the speed are left out.
    """
    digest = hashlib.sha256(adapter.encode())
    for path in sorted(files):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(settings.model_dump_json(exclude={"performance", "threads"}).encode())
    return digest.hexdigest()[:16]
