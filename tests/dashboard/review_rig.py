"""A store that asks what a test says, and remembers what it was answered; its clips are made as a real store makes them."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dashboard.audit import AuditLog
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.reviews.desk import ReviewDesk
from dashboard.reviews.types import Choice, ClipRow, Near, Outcome, Question
from tests.dashboard.desk_rig import Clock, Office, S
from tillfree.live.evidence_video import ClipFile

SKUS = ("fizzo-cherry", "ortello-beans")
TAKEN = Outcome("v-1", "fizzo-cherry", 1)
OTHER = Outcome("v-2", "fizzo-cherry", 1)


def question(number: int = 1, now_ns: int = Clock().now_ns, **changes: Any) -> Question:
    """Return a question that was asked four seconds ago and falls due in ``26 + number`` seconds."""
    made = Question(
        f"review-{number:06d}",
        "doubtful",
        now_ns - 4 * S,
        now_ns + (26 + number) * S,
        None,
        f"i-{number}",
        -1,
        0.5,
        (Choice(1, TAKEN, 0.6), Choice(2, OTHER, 0.6), Choice(3, Outcome(), None)),
        TAKEN,
        (
            Near("v-1", 0, "shopping", (("ortello-beans", 2),), is_asked=True),
            Near("v-2", 1, "shopping", (), is_asked=True),
            Near("v-3", 2, "left", (), is_asked=False),
        ),
    )
    return dataclasses.replace(made, **changes)


class Store:
    """A ``Questions`` of a test's own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: dict[str, Question] = {}
        self.shown: dict[str, tuple[ClipRow, ...]] = {}
        self.given: list[tuple[str, Outcome, int]] = []
        self.files: dict[tuple[str, str], Path] = {}
        self.heard = threading.Event()
        self.is_away = self.is_answered = self.keeps_open = False

    def ask(self, *questions: Question) -> None:
        for each in questions:
            self.asked[each.review_id] = each
            self.shown[each.review_id] = each.clips

    def now_ns(self) -> int:
        return self.clock()

    def open(self) -> tuple[Question, ...]:
        return tuple(self.asked.values())

    def clips(self, review_id: str) -> tuple[ClipRow, ...]:
        return self.shown.get(review_id, ())

    def clip_file(self, clip_id: str, camera_id: str) -> Path | None:
        return self.files.get((clip_id, camera_id))

    def check(self, review_id: str, outcome: Outcome) -> None:
        if review_id not in self.asked:
            raise NotFound(review_id)
        if outcome.visit_id == "v-9":
            raise Refused("visit v-9 is final")

    def answer(self, review_id: str, outcome: Outcome, at_ns: int) -> None:
        if self.is_away:
            raise Unavailable("full")
        if self.is_answered:
            raise InConflict("otherwise")
        self.given.append((review_id, outcome, at_ns))
        self.heard.set()
        if not self.keeps_open:
            self.asked.pop(review_id, None)


def with_reviews(office: Office, folder: Path) -> Store:
    """Let an office have reviews."""
    store, audit = Store(office.clock), AuditLog(folder / "audit.jsonl")
    reviews = ReviewDesk(store, folder, "corner", office.clock, audit.write)
    office.desk = dataclasses.replace(office.desk, reviews=reviews, audit=audit)
    return store


def reviews_at(office: Office) -> ReviewDesk:
    assert office.desk.reviews is not None
    return office.desk.reviews


def deeds(office: Office) -> list[tuple[str, str, str, str]]:
    """Return who did what to what, the latest first."""
    assert office.desk.audit is not None
    return [(deed.who, deed.what, deed.subject, deed.detail) for deed in office.desk.audit.latest(20)]


def make_clips(store: Store, folder: Path, asked: Question, cameras: int = 2, pictures: int = 30) -> Question:
    """Return the question with clips, in which something goes from left to right and a thing vanishes in the middle.

    Videos that are in ``folder`` already are taken as they are.
    """
    rows = []
    for number in range(1, cameras + 1):
        path = folder / f"cam{number}.mp4"
        first_ns = asked.asked_at_ns - 3 * S + number * S // 50
        if not path.exists():
            with ClipFile(path, 23) as clip:
                for index in range(pictures):
                    clip.add(first_ns + index * S // 10, _picture(index, pictures, number))
        last_ns = first_ns + (pictures - 1) * S // 10
        rows.append(ClipRow(f"7-{asked.interaction_id}", f"cam{number}", first_ns, last_ns, pictures, 0, True, True))
        store.files[rows[-1].clip_id, rows[-1].camera_id] = path
    return dataclasses.replace(asked, clips=tuple(rows))


def _picture(index: int, count: int, number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = np.full((360, 640, 3), 60 + 20 * number, np.uint8)
    cv2.rectangle(image, (40 + 500 * index // count, 120), (120 + 500 * index // count, 330), (200, 160, 90), -1)
    if index < count // 2:
        cv2.circle(image, (320, 80), 30, (40, 40, 230), -1)
    cv2.putText(image, f"{number}:{index:02d}", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    return image
