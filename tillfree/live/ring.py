"""The last minutes of every camera's packets, in short files in a private folder.

``put`` is for the cameras' threads and returns at once; ``write`` is for one thread, which alone touches the disk.
What is in the folder when it is opened is from before a crash and is deleted: nobody knows any more where heads were in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition

from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.packets import EncodedPacket
from tillfree.live.segments import ENDING, Segment, SegmentWriter

_S = 1_000_000_000
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class CameraBuffer:
    """What is kept of a camera: whole files from ``from_ns`` to ``to_ns``, None where there are none.

    ``dropped`` packets were not kept: the disk was slow or full, or no key frame came.
    """

    camera_id: str
    segments: int
    size_bytes: int
    from_ns: int | None
    to_ns: int | None
    waiting: int
    dropped: int


@dataclass(slots=True)
class _Line:
    """A camera's packets on their way, and its files."""

    waiting: deque[EncodedPacket] = field(default_factory=deque)
    waiting_bytes: int = 0
    awaits_key: bool = False
    dropped: int = 0
    open: SegmentWriter | None = None
    segments: deque[Segment] = field(default_factory=deque)


class PacketRing:
    """Keeps packets. Its files are its own: nobody else writes into ``folder``."""

    def __init__(
        self, folder: Path, cameras: Iterable[str], settings: EvidenceSettings, clock: Callable[[], int]
    ) -> None:
        """Raises OSError where the folder cannot be made or emptied."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for left in folder.glob(f"*{ENDING}"):
            left.unlink()
        self._folder, self._settings, self._clock = folder, settings, clock
        self._lines = {camera: _Line() for camera in sorted(cameras)}
        self._changed = Condition()
        self._count = 0
        self._is_paused = False
        self._is_closed = False
        self._has_ended = False
        self._is_whole = False
        self.problem: str | None = None

    def put(self, camera_id: str, packet: EncodedPacket) -> None:
        """Take a packet (a ``PacketSink``); where too much waits, it and all up to the next key frame are dropped."""
        with self._changed:
            line = self._lines[camera_id]
            is_full = line.waiting_bytes + len(packet.data) > self._settings.queue_mb * _MB
            line.awaits_key = is_full or (line.awaits_key and not packet.is_keyframe)
            if line.awaits_key or self._is_paused or self._is_closed:
                line.awaits_key = True
                line.dropped += 1
                return
            line.waiting.append(packet)
            line.waiting_bytes += len(packet.data)
            self._changed.notify_all()

    def write(self, wait_s: float) -> None:
        """Write what waits, after waiting up to ``wait_s`` for something; end files from which nothing comes any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or self._waits() or (self._has_ended and not self._is_whole), wait_s
            )
            taken = {camera: tuple(line.waiting) for camera, line in self._lines.items()}
            for line in self._lines.values():
                line.waiting.clear()
                line.waiting_bytes = 0
        for camera_id, packets in taken.items():
            for packet in packets:
                self._guarded(self._lines[camera_id], packet)
        self._end_silent()
        self._is_whole = self._has_ended and not self._waits()

    def video_over(self) -> None:
        """Hear that nothing more comes: the files that are open are ended with what was put."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    @property
    def is_whole(self) -> bool:
        """Whether all that was put is in whole files, after ``video_over``."""
        return self._is_whole

    def pause(self, *, is_paused: bool) -> None:
        """Take nothing more, or go on with the next key frames."""
        with self._changed:
            self._is_paused = is_paused

    def take_no_more(self) -> None:
        """Drop what comes from now on, and let ``write`` return at once."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Delete all, from the thread that writes, and take nothing more."""
        self.take_no_more()
        self.write(0)
        for line in self._lines.values():
            self._end(line)
        while self.drop_oldest():
            pass

    def segments(self, camera_id: str, from_ns: int, to_ns: int) -> tuple[Segment, ...]:
        """Return the whole files that hold something from ``from_ns`` to ``to_ns``."""
        with self._changed:
            return tuple(
                each for each in self._lines[camera_id].segments if each.from_ns <= to_ns and from_ns <= each.to_ns
            )

    def holds_until(self, camera_id: str, at_ns: int) -> bool:
        """Tell whether a whole file reaches ``at_ns`` or further."""
        with self._changed:
            kept = self._lines[camera_id].segments
            return bool(kept) and kept[-1].to_ns >= at_ns

    def expire(self, keep_from_ns: Mapping[str, int]) -> None:
        """Delete files that end before their camera's time in ``keep_from_ns``."""
        for camera_id, from_ns in keep_from_ns.items():
            gone = []
            with self._changed:
                kept = self._lines[camera_id].segments
                while kept and kept[0].to_ns < from_ns:
                    gone.append(kept.popleft())
            for each in gone:
                each.path.unlink(missing_ok=True)

    def drop_oldest(self, before_ns: int | None = None) -> bool:
        """Delete the oldest file of all, if it ends before ``before_ns``; tell whether there was one."""
        with self._changed:
            first = [(line.segments[0].to_ns, camera) for camera, line in self._lines.items() if line.segments]
            if not first:
                return False
            to_ns, camera_id = min(first)
            if before_ns is not None and to_ns >= before_ns:
                return False
            gone = self._lines[camera_id].segments.popleft()
        gone.path.unlink(missing_ok=True)
        return True

    @property
    def size_bytes(self) -> int:
        """What the whole files take."""
        with self._changed:
            return sum(each.size_bytes for line in self._lines.values() for each in line.segments)

    def buffers(self) -> tuple[CameraBuffer, ...]:
        """Return what is kept of each camera."""
        with self._changed:
            return tuple(_buffer(camera, line) for camera, line in self._lines.items())

    def _waits(self) -> bool:
        return any(line.waiting for line in self._lines.values())

    def _guarded(self, line: _Line, packet: EncodedPacket) -> None:
        """Write a packet; where the disk does not take it, give the file up and go on with the next key frame."""
        try:
            self._take(line, packet)
        except OSError as error:
            self.problem = f"the buffer cannot be written: {error.strerror}"
            if line.open is not None:
                line.open.drop()
                line.open = None
            self._count_dropped(line)

    def _take(self, line: _Line, packet: EncodedPacket) -> None:
        if line.open is not None and self._is_over(line.open, packet):
            self._end(line)
        if line.open is not None:
            line.open.add(packet)
            self.problem = None
        elif packet.is_keyframe:
            self._count += 1
            line.open = SegmentWriter(self._folder / f"{self._count:09d}{ENDING}", packet)
        else:
            self._count_dropped(line)

    def _is_over(self, open_file: SegmentWriter, packet: EncodedPacket) -> bool:
        if packet.session != open_file.session:
            return True
        lasted_ns = packet.captured_at_ns - open_file.from_ns
        due_s = self._settings.segment_s if packet.is_keyframe else self._settings.segment_max_s
        return lasted_ns >= due_s * _S

    def _end_silent(self) -> None:
        """End files whose camera has sent nothing for longer than one lasts, or sends no more: clips wait for them."""
        silent_ns = round(2 * self._settings.segment_s * _S)
        for line in self._lines.values():
            if line.open is not None and (self._has_ended or self._clock() - line.open.to_ns > silent_ns):
                self._end(line)

    def _end(self, line: _Line) -> None:
        if line.open is None:
            return
        open_file, line.open = line.open, None
        try:
            done = open_file.close()
        except OSError as error:
            self.problem = f"the buffer cannot be written: {error.strerror}"
            open_file.drop()
            return
        with self._changed:
            line.segments.append(done)

    def _count_dropped(self, line: _Line) -> None:
        with self._changed:
            line.dropped += 1


def _buffer(camera_id: str, line: _Line) -> CameraBuffer:
    kept = line.segments
    return CameraBuffer(
        camera_id,
        len(kept),
        sum(each.size_bytes for each in kept),
        kept[0].from_ns if kept else None,
        kept[-1].to_ns if kept else None,
        len(line.waiting),
        line.dropped,
    )
