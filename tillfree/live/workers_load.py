"""What a coordinator knows of pictures that its workers had no time for: it marks visits, they lower rates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from checkout.types import ShelvesUnseen
from store_layout.model import Camera
from tillfree.live.budget import Meter
from tillfree.live.ladder import Step
from tillfree.live.overload import Overload, OverloadSources
from tillfree.live.overload_settings import OverloadSettings
from tillfree.live.pacer import Pacer, PacerCounts
from tillfree.live.watched import Watched
from vision.types import Frame, Observation

_LOST_MOST = 1_000
"""Pictures that a gap in numbers stands for at most: more is another start of the worker."""


class ToldPacer(Pacer):
    """A ``Pacer`` of pictures that are elsewhere: workers number those that they let through, and what has no number was lost."""

    def __init__(self, cameras: Iterable[str], counts: Mapping[str, PacerCounts]) -> None:
        """``counts`` are those of the workers' own pacers, as they are by now."""
        super().__init__(cameras, _nowhere)
        self._told = counts
        self._latest: dict[str, tuple[int, int]] = {}

    def told(self, observation: Observation) -> None:
        """Hear of a picture that was looked at."""
        at_ns, camera_id, index = observation.order
        line = self._lines[camera_id]
        for lost_ns in self._lost(camera_id, index, at_ns):
            line.sent_ns.append(lost_ns)
            line.let_ns.append(lost_ns)
        line.sent_ns.append(at_ns)
        line.let_ns.append(at_ns)
        self._latest[camera_id] = (index, at_ns)

    def counts(self) -> Mapping[str, PacerCounts]:
        """See ``Pacer.counts``."""
        return {camera: self._told.get(camera, PacerCounts(0, 0)) for camera in self._lines}

    def _lost(self, camera_id: str, index: int, at_ns: int) -> list[int]:
        """Return the times of pictures that were let through since the last and did not come, spread evenly."""
        before, before_ns = self._latest.get(camera_id, (index - 1, at_ns))
        missing = index - before - 1
        if not 0 < missing <= _LOST_MOST:
            return []
        return [before_ns + (at_ns - before_ns) * number // (missing + 1) for number in range(1, missing + 1)]


class WorkersLoad(Overload):
    """An ``Overload`` whose measures are the workers' own. ``in_step`` nothing is ever short of time."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        places: Sequence[Watched],
        settings: OverloadSettings,
        sources: OverloadSources,
        pacer: ToldPacer,
        meter: Meter,
        *,
        in_step: bool,
    ) -> None:
        super().__init__(cameras, places, 0.0, settings, sources, pacer, meter)
        self._in_step = in_step

    def tend(self, now_ns: int) -> Step | None:
        """See ``Overload.tend``: this machine looks at no picture."""
        del now_ns
        return None

    def unseen(self, good: Collection[str], at_ns: int, visits: Mapping[str, int | None]) -> ShelvesUnseen | None:
        """See ``Overload.unseen``."""
        return None if self._in_step else super().unseen(good, at_ns, visits)

    def heard(self, good: Collection[str], at_ns: int) -> tuple[str, ...]:
        """See ``Overload.heard``."""
        return tuple(good) if self._in_step else super().heard(good, at_ns)


def _nowhere(frame: Frame) -> None:
    raise AssertionError(f"a frame of {frame.camera_id} at a coordinator")
