"""What live cameras showed, for as long as somebody may ask: the last minutes as they were sent, and clips of what matters.

Cameras' threads hand packets to ``keep``; the engine's thread tells what was detected, what happened and what checkout
said. Two threads do the work: one writes packets and keeps within the room that there is, one makes clips.

Clips are made in a thread of this process that stands back for all others (``os.setpriority`` is a thread's own on Linux).
FFmpeg, x264 and OpenCV let go of the interpreter while they work. A process of its own would guard against a stream that
crashes FFmpeg, but the same bytes were decoded in this process before; and it would need the detections and jobs copied
to it, and somebody to watch it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock

from checkout.types import ReviewOpened
from tillfree.live.clip_maker import ClipMaker
from tillfree.live.clip_queue import ClipQueue
from tillfree.live.clips import (
    ClipJob,
    ClipNote,
    ClipRequest,
    ClipStore,
    OpenReviews,
    Sizes,
    clip_of_interaction,
    clip_of_review,
)
from tillfree.live.disk_room import DiskRoom, free_bytes
from tillfree.live.errors import ClipFailed
from tillfree.live.evidence_settings import EvidenceSettings
from tillfree.live.heads import DetectionLog
from tillfree.live.packets import EncodedPacket
from tillfree.live.reader_thread import ReaderThread
from tillfree.live.ring import CameraBuffer, PacketRing
from vision.pipeline import Instant
from vision.types import Detections, Frame, Interaction, Observation

_S = 1_000_000_000
_TIDY_NS = _S
_WAIT_S = 0.5
_LOOK_S = 0.05
_INTERACTIONS = 1_000
"""Interactions of which is remembered where to look, for reviews about them, which mostly open at once: hours of a busy store."""


@dataclass(frozen=True, slots=True)
class EvidenceStatus:
    """How evidence stands. ``is_full`` says that no clips are made for want of room; ``problem`` is in words, or None.

    ``clips_refused`` were asked for while too many waited or the disk was full; ``clips_failed`` could not be made.
    """

    buffers: tuple[CameraBuffer, ...]
    buffer_bytes: int
    clips: int
    clips_bytes: int
    clips_waiting: int
    clips_made: int
    clips_refused: int
    clips_failed: int
    disk_free_bytes: int
    is_full: bool
    problem: str | None


class Evidence:
    """Keeps evidence in ``folder``: ``buffer/`` and ``clips/``. A ``Watcher`` of the engine; safe to use from any thread."""

    def __init__(
        self,
        folder: Path,
        cameras: Sizes,
        settings: EvidenceSettings,
        clock: Callable[[], int],
        open_reviews: OpenReviews,
        disk_free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """``cameras`` are the sizes of the layout; ``clock`` is the cameras' readers' own. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._cameras, self._settings, self._clock = dict(cameras), settings, clock
        self._ring = PacketRing(folder / "buffer", cameras, settings, clock)
        self.store = ClipStore(folder / "clips")
        self._room = DiskRoom(folder, self._ring, self.store, settings, open_reviews, disk_free)
        slack_s = settings.heads.linger_s + settings.heads.blind_s
        self._detections = DetectionLog(cameras, 2 * settings.buffer_s + slack_s)
        self._maker = ClipMaker(self._ring, self._detections, self._cameras, settings, clock)
        self._queue = ClipQueue(settings.jobs_max)
        self._links: deque[ClipRequest] = deque()
        self._shown: OrderedDict[str, ClipRequest] = OrderedDict()
        self._lock = Lock()
        self._made = self._refused = self._failed = 0
        self._problem: str | None = None
        self._disk_problem: str | None = None
        self._crashed: str | None = None
        self._tidied_ns: int | None = None
        self._held_ns: int | None = None
        self._threads = (
            ReaderThread("evidence-writer", self._write_until, self._crash),
            ReaderThread("evidence-clips", self._cut_until, self._crash),
        )

    def start(self) -> None:
        """Begin to write and to make clips."""
        for thread in self._threads:
            thread.start()

    def finish(self, stopped: Event) -> None:
        """Make the clips that wait out of the video that is there, for no more comes, and end; at once if ``stopped`` is set."""
        self._ring.video_over()
        while len(self._queue) and self._crashed is None and not stopped.wait(_LOOK_S):
            pass
        self.stop()

    def stop(self) -> None:
        """End both, after the picture at hand. Clips that wait are given up, and the buffer is deleted."""
        for thread in self._threads:
            thread.tell_to_stop()
        self._ring.take_no_more()
        self._queue.close()
        for thread in self._threads:
            thread.stop()

    def keep(self, camera_id: str, packet: EncodedPacket) -> None:
        """Take a camera's packet (a ``PacketSink``); returns at once."""
        self._ring.put(camera_id, packet)

    def observed(self, frame: Frame, observation: Observation) -> None:
        """Hear where people were found."""
        del frame
        self.detected(observation.detections)

    def detected(self, detections: Detections) -> None:
        """Hear where people were found."""
        self._detections.add(detections)

    def happened(self, instant: Instant) -> None:
        """See ``Watcher.happened``: what follows from an instant comes with its events, to ``written``."""

    def written(self, event: object) -> None:
        """Hear of what was written to the log: ask for clips of reviews, and as the settings say of interactions."""
        match event:
            case Interaction():
                shown = clip_of_interaction(event, self._cameras, self._settings)
                self._remember(event.interaction_id, shown)
                if self._settings.clips == "interactions":
                    self.cut(shown)
            case ReviewOpened():
                self.reviewed(event)
            case _:
                pass

    def reviewed(self, review: ReviewOpened) -> bool:
        """Ask for a clip of what an operator is asked about; return as ``cut``, False where no clips are wanted."""
        if self._settings.clips == "none":
            return False
        shown = self._shown.get(review.interaction_id or "")
        if shown is None:
            return self.cut(clip_of_review(review, self._cameras, self._settings))
        return self.cut(replace(shown, review_ids=(review.review_id,), visit_ids=review.visit_ids))

    def cut(self, request: ClipRequest) -> bool:
        """Ask for a clip once its video is there; return whether it will be tried.

        A clip that is there, or waits already, is linked to the request's reviews and visits, and not made again.
        """
        unknown = set(request.camera_ids) - set(self._cameras)
        if unknown:
            raise ValueError(f"camera_ids: {sorted(unknown)} are no cameras of this store")
        waits, is_there = self._queue.link(request), self.store.has(request.clip_id)
        if is_there and len(self._links) < self._settings.jobs_max:
            self._links.append(request)  # the clips' thread writes it down
            return True
        if waits or (not is_there and not self._room.is_full and self._queue.ask(request)):
            return True
        with self._lock:
            self._refused += len(request.camera_ids)
        return False

    def waiting_reviews(self) -> frozenset[str]:
        """Return the reviews of which clips are still to be made."""
        return self._queue.review_ids()

    def delete_visit(self, visit_id: str) -> int:
        """Delete a visit's clips, those that wait too; return how many were there. Raises OSError."""
        self._queue.drop_visit(visit_id)
        return self.store.delete_visit(visit_id)

    def holds_until(self, at_ns: int) -> bool:
        """Tell whether the video of all cameras that send any reaches ``at_ns``."""
        sending = (each.camera_id for each in self._ring.buffers() if each.segments)
        return all(self._ring.holds_until(camera, at_ns) for camera in sending)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return self._room.is_full

    def hold(self, from_ns: int | None) -> None:
        """Keep the video from then on, up to twice as long as ever, until None is said."""
        self._held_ns = from_ns

    def film(self, request: ClipRequest, camera_id: str, path: Path, is_wanted: Callable[[], bool]) -> ClipNote | None:
        """Write what a camera showed to ``path``, in the layout's size, heads hidden as in clips; in the caller's thread.

        Returns None once it is no longer wanted. Raises ClipFailed, or OSError where the disk does not do as told.
        """
        return self._maker.make(ClipJob(request, camera_id), path, is_wanted, self._cameras[camera_id])

    def status(self) -> EvidenceStatus:
        """Return how evidence stands. Raises OSError where the disk cannot be asked."""
        with self._lock:
            counts = (self._made, self._refused, self._failed)
            problem = self._crashed or self._ring.problem or self._disk_problem or self._problem
        return EvidenceStatus(
            self._ring.buffers(),
            self._ring.size_bytes,
            len(self.store.clips()),
            self.store.size_bytes,
            len(self._queue),
            *counts,
            self._room.free_bytes,
            self._room.is_full,
            problem,
        )

    def write(self, wait_s: float) -> None:
        """Write what waits, delete what is old, and keep within the room: the one thread's work, again and again."""
        self._ring.write(wait_s)
        now_ns = self._clock()
        if self._tidied_ns is None or not 0 <= now_ns - self._tidied_ns < _TIDY_NS:
            self._tidied_ns = now_ns
            self._tidy(now_ns)

    def make_clip(self) -> bool:
        """Make the next clip whose video is there, and return whether there was one: the other thread's work."""
        self._write_links()
        job = self._queue.take(self._is_due)
        if job is None:
            return False
        try:
            self._make(job)
        except (ClipFailed, OSError) as error:
            with self._lock:
                self._failed += 1
                self._problem = f"the clip {job.request.clip_id} of {job.camera_id} was not made: {error}"
        finally:
            self._queue.done()
        return True

    def _remember(self, interaction_id: str, shown: ClipRequest) -> None:
        self._shown[interaction_id] = shown
        while len(self._shown) > _INTERACTIONS:
            self._shown.popitem(last=False)

    def _is_due(self, job: ClipJob) -> bool:
        if self._ring.is_whole:
            return True
        to_ns = job.request.to_ns
        has_waited = self._clock() >= to_ns + round(self._settings.cover_wait_s * _S)
        return has_waited or self._ring.holds_until(job.camera_id, to_ns)

    def _make(self, job: ClipJob) -> None:
        if self._room.is_full:
            raise ClipFailed("there is no room for it")
        draft = self.store.draft(job.request.clip_id, job.camera_id)
        try:
            note = self._maker.make(job, draft, self._queue.is_wanted)
            wanted = self._queue.done()
            if note is None or wanted is None:
                return
            links = {"review_ids": wanted.request.review_ids, "visit_ids": wanted.request.visit_ids}
            self.store.add(draft, note.model_copy(update=links))
            with self._lock:
                self._made += 1
                self._problem = None
        finally:
            self.store.discard(draft)

    def _write_links(self) -> None:
        while self._links:
            request = self._links.popleft()
            try:
                self.store.link(request.clip_id, request.review_ids, request.visit_ids)
            except OSError as error:
                with self._lock:
                    self._problem = f"the note of clip {request.clip_id} cannot be written: {error.strerror}"

    def _tidy(self, now_ns: int) -> None:
        try:
            self._room.tidy(now_ns, self._cameras, self._needed_from())
        except OSError as error:
            with self._lock:
                self._disk_problem = f"old evidence cannot be deleted: {error.strerror}"
            return
        with self._lock:
            self._disk_problem = "there is no room for clips" if self._room.is_full else None

    def _needed_from(self) -> dict[str, int]:
        """Return from when on the video of cameras is still needed, by clips that wait and by whoever holds it."""
        needed, held_ns = dict(self._queue.needed_from()), self._held_ns
        if held_ns is not None:
            needed |= {camera: min(needed.get(camera, held_ns), held_ns) for camera in self._cameras}
        return needed

    def _write_until(self, stopped: Event) -> None:
        try:
            while not stopped.is_set():
                self.write(_WAIT_S)
        finally:
            self._ring.close()

    def _cut_until(self, stopped: Event) -> None:
        stand_back(self._settings.nice)
        while not stopped.is_set():
            if not self.make_clip():
                self._queue.wait(_WAIT_S)

    def _crash(self, what: str) -> None:
        with self._lock:
            self._crashed = what


def stand_back(nice: int) -> None:
    """Let this thread, and what encoders start in it, go behind all others. Only Linux knows niceness of a thread."""
    if sys.platform == "linux" and nice:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
