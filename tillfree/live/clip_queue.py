"""Clips that wait to be made: bounded, each camera's by itself, and asked for once however many ask."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition

from tillfree.live.clips import ClipJob, ClipRequest


class ClipQueue:
    """Jobs in order. Any thread may ask; one thread takes."""

    def __init__(self, jobs_max: int) -> None:
        self._jobs_max = jobs_max
        self._jobs: deque[ClipJob] = deque()
        self._at_work: ClipJob | None = None
        self._is_closed = False
        self._changed = Condition()

    def ask(self, request: ClipRequest) -> bool:
        """Add a request's cameras; False where there is not room for all of them."""
        with self._changed:
            if self._is_closed or len(self._jobs) + len(request.camera_ids) > self._jobs_max:
                return False
            self._jobs.extend(ClipJob(request, camera_id) for camera_id in request.camera_ids)
            self._changed.notify_all()
            return True

    def link(self, request: ClipRequest) -> bool:
        """Add a request's reviews and visits to jobs of the same clip; False where there are none."""
        with self._changed:
            same = [job.request.clip_id == request.clip_id for job in self._jobs]
            self._jobs = deque(
                job.with_links(request) if is_same else job for job, is_same in zip(self._jobs, same, strict=True)
            )
            if self._at_work is not None and self._at_work.request.clip_id == request.clip_id:
                self._at_work = self._at_work.with_links(request)
                return True
            return any(same)

    def take(self, is_due: Callable[[ClipJob], bool]) -> ClipJob | None:
        """Return the first job that is due, which is at work until ``done``; None where there is none."""
        with self._changed:
            due = next((job for job in self._jobs if is_due(job)), None)
            if due is not None:
                self._jobs.remove(due)
                self._at_work = due
            return due

    def done(self) -> ClipJob | None:
        """End the job at work; return it with all links that came meanwhile, None where nobody wants it any more."""
        with self._changed:
            job, self._at_work = self._at_work, None
            return job

    def review_ids(self) -> frozenset[str]:
        """Return the reviews whose clips wait or are being made."""
        with self._changed:
            jobs = (*self._jobs, *([self._at_work] if self._at_work is not None else []))
            return frozenset(review_id for job in jobs for review_id in job.request.review_ids)

    def is_wanted(self) -> bool:
        """Tell whether the job at work is still wanted."""
        with self._changed:
            return self._at_work is not None and not self._is_closed

    def drop_visit(self, visit_id: str) -> None:
        """Forget jobs of a visit."""
        with self._changed:
            self._jobs = deque(job for job in self._jobs if visit_id not in job.request.visit_ids)
            if self._at_work is not None and visit_id in self._at_work.request.visit_ids:
                self._at_work = None

    def needed_from(self) -> dict[str, int]:
        """Return from when on each camera's video is waited for, without cameras of which nothing is."""
        with self._changed:
            found: dict[str, int] = {}
            for job in (*self._jobs, *([self._at_work] if self._at_work is not None else [])):
                found[job.camera_id] = min(job.request.from_ns, found.get(job.camera_id, job.request.from_ns))
            return found

    def wait(self, timeout_s: float) -> None:
        """Wait for a request, or for the time; return at once where the queue is closed."""
        with self._changed:
            if not self._is_closed:
                self._changed.wait(timeout_s)

    def close(self) -> None:
        """Take no more, and want nothing that is at work."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._jobs) + (self._at_work is not None)
