"""Where heads are to be hidden in a camera's video: from what the detector found in it, at other times and another size.

The detector looks at some pictures, at times not at all, and misses people. So what it found is strung together, box after
near box, and between two of them the head may be anywhere between; where nobody knows, more is hidden, not less.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from tillfree.live.evidence_settings import HeadSettings
from tillfree.overlay.privacy import head_box_px
from vision.types import Detections

_S = 1_000_000_000
_UPPER = 1 / 3
"""Share of a box, from its top, that is hidden where only the box is known: a head with room to bow and to step aside."""

_STRIDE = 0.75
"""Heights of a box by which somebody moves in a second at most and is still taken for the same: 1.3 m, a walk."""

_RISE = 0.5
"""How much less they move up or down in the picture than aside, walking to or from the camera."""

_NEAR = 0.4
"""The same at once: a box that jumps, since half of a person came out from behind a shelf."""

_CUT_SHARE = 0.6
"""Share of its width that is hidden of a box that the picture's edge cuts: only a head may be in sight."""

_EDGE_PX = 3.0
_LOOKS_A_S = 30
"""Looks a second that are kept at most; twice what a live camera's detector does."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


class DetectionLog:
    """What the detector found lately, camera by camera. One thread adds, any thread asks."""

    def __init__(self, cameras: Iterable[str], keep_s: float) -> None:
        self._keep_ns = round(keep_s * _S)
        most = round(keep_s * _LOOKS_A_S)
        self._seen: dict[str, deque[Detections]] = {camera: deque(maxlen=most) for camera in cameras}
        self._lock = Lock()

    def add(self, detections: Detections) -> None:
        """Keep what matters of a look; times of a camera must rise."""
        keypoints = detections.keypoints_px
        small = replace(
            detections,
            boxes_xyxy_px=detections.boxes_xyxy_px.copy(),  # the detector's own array may be a view of a far larger one
            keypoints_px=None if keypoints is None else keypoints.copy(),
            appearance=None,
            things_px=None,
        )
        with self._lock:
            seen = self._seen[detections.camera_id]
            seen.append(small)
            while seen[0].captured_at_ns < detections.captured_at_ns - self._keep_ns:
                seen.popleft()

    def between(self, camera_id: str, from_ns: int, to_ns: int) -> tuple[Detections, ...]:
        """Return the looks from ``from_ns`` to ``to_ns``."""
        with self._lock:
            return tuple(each for each in self._seen[camera_id] if from_ns <= each.captured_at_ns <= to_ns)


@dataclass(slots=True)
class _Strand:
    """Somebody's boxes, one after the other. ``heads`` are their heads, as far as that can be told.

    ``unseen_ns`` is the last look before, in which they were not found.
    """

    unseen_ns: int
    times_ns: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    heads: list[Box] = field(default_factory=list)

    def add(self, at_ns: int, box: Box, head: Box) -> None:
        self.times_ns.append(at_ns)
        self.boxes.append(box)
        self.heads.append(head)


class HeadFinder:
    """Tells where to hide heads in pictures of one camera."""

    def __init__(self, looks: Sequence[Detections], size_px: tuple[int, int], settings: HeadSettings) -> None:
        """``looks`` rise in time and reach ``linger_s`` further than the pictures; ``size_px`` is the size they were made at."""
        self._settings = settings
        self._looks_ns = [look.captured_at_ns for look in looks]
        self._strands = _strands(looks, size_px, settings)
        self._size_px = size_px

    def boxes_px(self, at_ns: int, size_px: tuple[int, int]) -> list[tuple[int, int, int, int]]:
        """Return what to hide in a picture of ``size_px`` (width, height), all of it where nobody looked for too long."""
        if not self.is_watched(at_ns):
            return [(0, 0, *size_px)]
        across, down = size_px[0] / self._size_px[0], size_px[1] / self._size_px[1]
        found = (self._hidden(strand, at_ns) for strand in self._strands)
        return [_scaled(box, across, down) for box in found if box is not None]

    def is_watched(self, at_ns: int) -> bool:
        """Tell whether the detector looked near ``at_ns``."""
        reach_ns = round(self._settings.blind_s * _S)
        first = bisect_left(self._looks_ns, at_ns - reach_ns)
        return first < len(self._looks_ns) and self._looks_ns[first] <= at_ns + reach_ns

    def _hidden(self, strand: _Strand, at_ns: int) -> Box | None:
        """Return the hull of where a strand's head may be at ``at_ns``, None where it is not there."""
        times = strand.times_ns
        lead_ns, linger_ns = round(self._settings.lead_s * _S), round(self._settings.linger_s * _S)
        if not min(times[0] - lead_ns, strand.unseen_ns) <= at_ns <= times[-1] + linger_ns:
            return None
        slack_ns = round(self._settings.slack_s * _S)
        first, last = _around(times, at_ns, slack_ns)
        gap_ns = max(abs(at_ns - times[first]), abs(at_ns - times[last - 1]))
        is_known = gap_ns <= 2 * slack_ns and times[0] - slack_ns <= at_ns <= times[-1] + slack_ns
        if is_known:
            return _hull(strand.heads[first:last])
        return _hull([_upper(box, self._blind_ns(at_ns)) for box in strand.boxes[first:last]])

    def _blind_ns(self, at_ns: int) -> int:
        """Return how far away the nearest look is: for so long people may have moved as they liked."""
        k = bisect_left(self._looks_ns, at_ns)
        return min(abs(at_ns - near_ns) for near_ns in self._looks_ns[max(k - 1, 0) : k + 1])


def _around(times: list[int], at_ns: int, slack_ns: int) -> tuple[int, int]:
    """Return first and end of the times within ``slack_ns``, with the one before and the one after where none is so near."""
    first, last = bisect_left(times, at_ns - slack_ns), bisect_right(times, at_ns + slack_ns)
    if bisect_right(times, at_ns) == first:
        first = max(first - 1, 0)
    if bisect_left(times, at_ns) == last:
        last = min(last + 1, len(times))
    return first, last


def _strands(looks: Sequence[Detections], size_px: tuple[int, int], settings: HeadSettings) -> list[_Strand]:
    """String near boxes together: the nearest first, each box once."""
    done: list[_Strand] = []
    before_ns = looks[0].captured_at_ns if looks else 0
    for look in looks:
        kept = [row for row in range(len(look)) if look.scores[row] >= settings.score]
        boxes = {row: _box(look, row) for row in kept}
        live = [k for k, each in enumerate(done) if look.captured_at_ns - each.times_ns[-1] <= settings.linger_s * _S]
        goes_on = _matched({k: done[k] for k in live}, boxes, look.captured_at_ns)
        for row, box in boxes.items():
            if row not in goes_on:
                done.append(_Strand(before_ns))
            strand = done[goes_on.get(row, len(done) - 1)]
            strand.add(look.captured_at_ns, box, _head(look, row, box, size_px))
        before_ns = look.captured_at_ns
    return done


def _matched(strands: Mapping[int, _Strand], boxes: Mapping[int, Box], at_ns: int) -> dict[int, int]:
    """Return for each row that goes on with a strand which one that is."""
    pairs = sorted(
        (gap, row, k)
        for k, strand in strands.items()
        for row, box in boxes.items()
        if (gap := _gap(strand.boxes[-1], box)) <= _NEAR + _STRIDE * (at_ns - strand.times_ns[-1]) / _S
    )
    found: dict[int, int] = {}
    for _, row, k in pairs:
        if row not in found and k not in found.values():
            found[row] = k
    return found


def _gap(a: Box, b: Box) -> float:
    """Return how far two boxes' upper middles are apart, in heights of the taller."""
    height = max(a[3] - a[1], b[3] - b[1], 1.0)
    return float(np.hypot((a[0] + a[2] - b[0] - b[2]) / 2, a[1] - b[1])) / height


def _box(look: Detections, row: int) -> Box:
    left, top, right, bottom = look.boxes_xyxy_px[row].astype(np.float64).tolist()
    return left, top, right, bottom


def _head(look: Detections, row: int, box: Box, size_px: tuple[int, int]) -> Box:
    """Return a head's box; of a person whom the picture's edge cuts, it takes the more of the rest."""
    left, top, right, bottom = map(float, head_box_px(look, row))
    is_cut = box[3] >= size_px[1] - _EDGE_PX or box[0] <= _EDGE_PX or box[2] >= size_px[0] - _EDGE_PX
    if not is_cut:
        return left, top, right, bottom
    lower = min(box[3], box[1] + _CUT_SHARE * (box[2] - box[0]))
    return _hull([(left, top, right, bottom), (box[0], box[1], box[2], lower)])


def _upper(box: Box, blind_ns: int) -> Box:
    """Return the upper part of a box, wider for as far as somebody walks in ``blind_ns``, and in a second at most."""
    left, top, right, bottom = box
    height = bottom - top
    aside = _STRIDE * height * min(blind_ns / _S, 1.0)
    return left - aside, top - _RISE * aside, right + aside, top + _UPPER * height + _RISE * aside


def _hull(boxes: Sequence[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _scaled(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    return (
        int(np.floor(box[0] * across)),
        int(np.floor(box[1] * down)),
        int(np.ceil(box[2] * across)),
        int(np.ceil(box[3] * down)),
    )
