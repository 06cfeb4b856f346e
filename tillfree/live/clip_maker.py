"""From a camera's packets to a clip without heads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from tillfree.live.clips import ClipJob, ClipNote, Sizes
from tillfree.live.errors import ClipFailed
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.evidence_video import ClipFile, pictures_of
from tillfree.live.heads import DetectionLog, HeadFinder
from tillfree.live.ring import PacketRing
from tillfree.live.segments import Segment, StoredPacket, read_segment
from tillfree.overlay.privacy import pixelate
from tillfree.sources.pictures import scaled
from vision.types import U8

_S = 1_000_000_000
_GAP_PICTURES = 3
"""Missing pictures, in times of the usual distance, from which on a clip has a hole; one lost packet is none."""


class ClipMaker:
    """Makes the videos of clips, one picture in memory at a time."""

    def __init__(
        self,
        ring: PacketRing,
        detections: DetectionLog,
        cameras: Sizes,
        settings: EvidenceSettings,
        clock: Callable[[], int],
    ) -> None:
        self._ring, self._detections, self._cameras = ring, detections, cameras
        self._settings, self._clock = settings, clock

    def make(
        self, job: ClipJob, draft: Path, is_wanted: Callable[[], bool], size_px: tuple[int, int] | None = None
    ) -> ClipNote | None:
        """Write a job's video to ``draft`` and return what it shows; None as soon as nobody wants it any more.

        ``size_px`` is the width and height of its pictures, None for those of the camera.

        Raises ClipFailed, or OSError where the disk does not do as told.
        """
        finder = self._finder(job) if self._settings.blur_heads else None
        times: list[int] = []
        with ClipFile(draft, self._settings.crf) as clip:
            for at_ns, image in self._pictures(job):
                shown = image if finder is None else _without_heads(image, finder, at_ns)
                clip.add(at_ns, shown if size_px is None else scaled(shown, size_px))
                times.append(at_ns)
                if not is_wanted():
                    return None
            if not times:
                raise ClipFailed("no picture of it is in the buffer")
        return self._note(job, draft, times, finder)

    def _finder(self, job: ClipJob) -> HeadFinder:
        reach_ns = round((self._settings.heads.linger_s + self._settings.heads.blind_s) * _S)
        request = job.request
        looks = self._detections.between(job.camera_id, request.from_ns - reach_ns, request.to_ns + reach_ns)
        return HeadFinder(looks, self._cameras[job.camera_id], self._settings.heads)

    def _pictures(self, job: ClipJob) -> Iterator[tuple[int, U8]]:
        """Yield what the buffer has of the job's interval, in rising times."""
        from_ns, to_ns = job.request.from_ns, job.request.to_ns
        last_ns = from_ns - 1
        for at_ns, image in pictures_of(_pieces(self._ring.segments(job.camera_id, from_ns, to_ns))):
            if at_ns > to_ns:
                return
            if at_ns > last_ns:
                last_ns = at_ns
                yield at_ns, image

    def _note(self, job: ClipJob, draft: Path, times: Sequence[int], finder: HeadFinder | None) -> ClipNote:
        request = job.request
        hidden = 0 if finder is None else sum(not finder.is_watched(at_ns) for at_ns in times)
        return ClipNote(
            clip_id=request.clip_id,
            camera_id=job.camera_id,
            interaction_id=request.interaction_id,
            review_ids=request.review_ids,
            visit_ids=request.visit_ids,
            from_ns=request.from_ns,
            to_ns=request.to_ns,
            first_ns=times[0],
            last_ns=times[-1],
            pictures=len(times),
            blurred=finder is not None,
            hidden_pictures=hidden,
            is_whole=is_whole(times, request.from_ns, request.to_ns),
            made_at_ns=self._clock(),
            size_bytes=draft.stat().st_size,
        )


def _pieces(segments: Iterable[Segment]) -> Iterator[tuple[int, Iterator[StoredPacket]]]:
    return ((segment.session, read_segment(segment.path)) for segment in segments)


def _without_heads(image: U8, finder: HeadFinder, at_ns: int) -> U8:
    """Hide heads in ``image`` itself: nobody else has it."""
    for box in finder.boxes_px(at_ns, (image.shape[1], image.shape[0])):
        pixelate(image, box)
    return image


def is_whole(times_ns: Sequence[int], from_ns: int, to_ns: int) -> bool:
    """Tell whether pictures cover an interval, without a hole of several pictures within or at its ends."""
    gaps = [later - earlier for earlier, later in pairwise(times_ns)]
    if not gaps:
        return False
    allowed_ns = _GAP_PICTURES * median(gaps)
    return max(*gaps, times_ns[0] - from_ns, to_ns - times_ns[-1]) <= allowed_ns
