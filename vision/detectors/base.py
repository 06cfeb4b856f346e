"""The port that every detector fills, and what all adapters share."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from store_layout.errors import InputError
from vision.detectors.settings import DetectorSettings
from vision.types import Detections, Frame

IN_WORK = 8
"""Frames that ``detect`` has in work at once, a megabyte each: enough that no core of a small machine waits."""


class WeightsError(InputError):
    """Detector weights are missing, unreadable or of a kind that is not understood."""


class Pending(Protocol):
    """A frame whose detection has begun. ``result`` must be asked for once, whatever becomes of the frame."""

    def ready(self) -> bool:
        """Tell whether ``result`` would answer at once."""
        ...

    def result(self) -> Detections:
        """Wait for the people of the frame, best score first, and return them."""
        ...


class Detector(ABC):
    """Finds people and their hands in pictures.

    The result depends on the picture, the weights and the settings alone: not on what was
    asked before, on the other frames of the batch, or (beyond the rounding that the
    adapters apply) on the number of threads.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Return a short name for reports, such as ``openvino:yolo11n-pose``."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of weights and settings; a tape made with another one must not be reused."""

    @property
    @abstractmethod
    def input_size_px(self) -> tuple[int, int]:
        """Return width and height of the picture that the network sees."""

    @abstractmethod
    def begin(self, frame: Frame) -> Pending:
        """Begin with a frame and return at once; any number may be in work, each held until its result is asked for."""

    def begin_all(self, frames: Sequence[Frame]) -> list[Pending]:
        """Begin with frames that are all there by now; adapters may compute some of them together, with the same results."""
        return [self.begin(frame) for frame in frames]

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the people of each frame, in the order of ``frames``, best score first in each."""
        return [found for _, found in self.detect_each(frames, IN_WORK)]

    def detect_each(self, frames: Iterable[Frame], ahead: int) -> Iterator[tuple[Frame, Detections]]:
        """Yield each frame with what ``detect`` finds in it, in the order of ``frames``.

        Up to ``ahead`` further frames are in work meanwhile, so that the caller's work and the network's overlap.
        """
        begun: deque[tuple[Frame, Pending]] = deque()
        try:
            for frame in frames:
                begun.append((frame, self.begin(frame)))
                if len(begun) > ahead:
                    yield _finished(begun)
            while begun:
                yield _finished(begun)
        finally:
            for _, work in begun:  # whoever asked went away early
                work.result()


def _finished(begun: deque[tuple[Frame, Pending]]) -> tuple[Frame, Detections]:
    frame, work = begun.popleft()
    return frame, work.result()


def fingerprint(adapter: str, files: Iterable[Path], settings: DetectorSettings) -> str:
    """Return 16 hex digits of SHA-256 over the adapter's name, the files' bytes and the settings.

    Settings that change only the speed are left out; ``adapter`` tells runtimes apart that round otherwise.
    """
    digest = hashlib.sha256(adapter.encode())
    for path in sorted(files):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(settings.model_dump_json(exclude={"performance", "threads", "onnx_provider"}).encode())
    return digest.hexdigest()[:16]
