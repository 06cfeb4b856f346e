"""Evidence for tests: packets and looks of a bundled recording on a clock that stands still, and clips decoded again."""

from __future__ import annotations

import csv
import functools
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from tillfree.live.clips import ClipRequest
from tillfree.live.connection import StreamInfo
from tillfree.live.evidence import Evidence
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.packets import EncodedPacket
from tillfree.sources.pictures import to_bgr
from vision.types import U8, Detections

REPO = Path(__file__).resolve().parents[3]
SAMPLES = REPO / "sample_videos"
S = 1_000_000_000
BEGAN_NS = 1_767_600_000 * S
FRAME_NS = S // 10
SIZE_PX = (640, 360)
NO_LIMIT = 1 << 50


@functools.cache
def packets(name: str = "one-shopper", camera: str = "cam1", session: int = 1) -> tuple[EncodedPacket, ...]:
    """Return a recording's packets as a camera's reader hands them on, the first captured at BEGAN_NS."""
    with av.open(str(SAMPLES / name / "videos" / f"{camera}.mp4")) as container:
        stream = container.streams.video[0]
        context, base = stream.codec_context, stream.time_base
        assert base is not None
        info = StreamInfo(context.name, context.extradata or b"", context.width, context.height, base)
        return tuple(
            EncodedPacket(
                camera,
                session,
                info,
                packet.pts or 0,
                packet.dts or 0,
                packet.duration or 0,
                packet.is_keyframe,
                bytes(packet),
                BEGAN_NS + round((packet.pts or 0) * base * S),
            )
            for packet in container.demux(stream)
            if packet.size
        )


@functools.cache
def pictures(name: str = "one-shopper", camera: str = "cam1") -> tuple[U8, ...]:
    """Return a recording's pictures."""
    return decoded(SAMPLES / name / "videos" / f"{camera}.mp4")


def decoded(path: Path) -> tuple[U8, ...]:
    """Return a video's pictures."""
    with av.open(str(path)) as container:
        return tuple(to_bgr(picture) for picture in container.decode(container.streams.video[0]))


def times_s(path: Path) -> list[float]:
    """Return the times of a video's pictures."""
    with av.open(str(path)) as container:
        return [float(picture.time or 0) for picture in container.decode(container.streams.video[0])]


def rows(path: Path) -> dict[int, list[list[float]]]:
    """Return a truth file's rows by the index of their frame, counted from 0."""
    found: dict[int, list[list[float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.reader(file):
            found.setdefault(int(row[0]) - 1, []).append([float(each) for each in row[2:]])
    return found


def true_looks(name: str = "one-shopper", camera: str = "cam1") -> tuple[Detections, ...]:
    """Return what a detector without fault would find in each picture: the truth's boxes, no skeletons."""
    found = rows(SAMPLES / name / "truth" / "boxes" / f"{camera}.txt")
    return tuple(look(camera, k, found.get(k, [])) for k in range(len(packets(name, camera))))


def look(camera: str, index: int, boxes: Collection[list[float]], at_ns: int | None = None) -> Detections:
    """Return a look of ``boxes`` (left, top, width, height)."""
    xywh = np.array([each[:4] for each in boxes], np.float32).reshape(-1, 4)
    count = len(xywh)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    hands = np.zeros((count, 2, 3), np.float32)
    taken_ns = BEGAN_NS + index * FRAME_NS if at_ns is None else at_ns
    return Detections(camera, index, taken_ns, corners, np.full(count, 0.9, np.float32), hands)


def true_faces(name: str = "one-shopper", camera: str = "cam1") -> dict[int, list[tuple[float, float]]]:
    """Return where noses, eyes and ears are seen, by the index of their frame."""
    found = rows(SAMPLES / name / "truth" / "keypoints" / f"{camera}.csv")
    points = {k: np.array(people).reshape(len(people), 17, 3)[:, :5].reshape(-1, 3) for k, people in found.items()}
    width, height = SIZE_PX
    return {
        k: [(x, y) for x, y, seen in each if seen == 2 and 0 <= x < width and 0 <= y < height]
        for k, each in points.items()
    }


class EvidenceShop:
    """Evidence whose two threads are this one, on a clock that a test sets."""

    def __init__(self, folder: Path, cameras: Collection[str] = ("cam1",), **told: Any) -> None:
        self.now_ns = BEGAN_NS
        self.free_bytes = NO_LIMIT
        self.open_reviews: Collection[str] | None = ()
        self.folder = folder
        self._cameras, self._settings = cameras, EvidenceSettings(**told)
        self._opened: list[Evidence] = []
        self.evidence = self.opened()

    def opened(self) -> Evidence:
        """Open the folder, as after a start."""
        self.evidence = Evidence(
            self.folder,
            dict.fromkeys(self._cameras, SIZE_PX),
            self._settings,
            lambda: self.now_ns,
            lambda: self.open_reviews,
            lambda _folder: self.free_bytes,
        )
        self._opened.append(self.evidence)
        return self.evidence

    def close(self) -> None:
        """Close what was opened."""
        for each in self._opened:
            each.stop()
            each._ring.close()

    def film(self, kept: Collection[EncodedPacket], shift_ns: int = 0) -> None:
        """Keep packets as they come, each written before the next one."""
        for packet in kept:
            self.now_ns = packet.captured_at_ns + shift_ns
            moved = replace(packet, captured_at_ns=self.now_ns)
            self.evidence.keep(packet.camera_id, moved)
            self.evidence.write(0)

    def pass_time(self, seconds: float) -> None:
        """Let time pass without a packet."""
        self.now_ns += round(seconds * S)
        self.evidence.write(0)

    def make_all(self) -> int:
        """Make all clips that can be made; return how many were tried."""
        return sum(1 for _ in iter(self.evidence.make_clip, False))

    def paths(self, pattern: str) -> list[str]:
        """Return the names below the folder that match."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern))


def request(
    from_s: float = 3.0, to_s: float = 8.0, cameras: tuple[str, ...] = ("cam1",), clip_id: str = "clip", **more: Any
) -> ClipRequest:
    """Return a request of seconds of the recording."""
    return ClipRequest(clip_id, cameras, BEGAN_NS + round(from_s * S), BEGAN_NS + round(to_s * S), **more)
