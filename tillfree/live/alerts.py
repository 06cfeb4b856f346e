"""What is wrong in a store that runs, as messages for people who do not look: pure, with times as data.

``problems_of`` says what is wrong in a view; ``AlertBook`` follows each problem and says when somebody is to hear of it. A
problem is told once it has lasted, and once it is over; within the cool-down it is not told a second time, however often it
comes and goes. What comes together is one message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from checkout.types import ReviewOpened
from tillfree.live.alert_settings import AlertsEntry, Kind
from tillfree.live.health import fault_key
from tillfree.live.ladder import Level
from tillfree.live.node import AlertRow, NodeView, ReportKind

_S = 1_000_000_000
_MINUTE_S = 60
_DOORS = frozenset({ReportKind.DOOR_FORCED, ReportKind.DOOR_HELD_OPEN})
_MOST_PENDING = 1_000
"""News that are gathered at most: then the message goes out at once."""

Key = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong as long as it is there. ``key`` stays while words change; ``over`` says that it is gone."""

    kind: Kind
    key: str
    words: str
    over: str = ""


class Phase(StrEnum):
    """What is told of a problem."""

    BEGAN = "began"
    OVER = "over"
    PASSED = "passed"
    """It came and went within the cool-down, and is gone."""
    HAPPENED = "happened"
    """Something that does not last, such as a forced door."""


@dataclass(frozen=True, slots=True)
class News:
    """What somebody hears of a problem. ``times`` is how often it came since it was told last, this time counted."""

    phase: Phase
    kind: Kind
    key: str
    words: str
    since_ns: int
    until_ns: int | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """News that go out together, and what was told before and is wrong still."""

    at_ns: int
    news: tuple[News, ...]
    standing: tuple[News, ...] = ()


def problems_of(view: NodeView, review_wait_s: float, absent: Collection[str] = ()) -> Iterator[Problem]:
    """Yield what is wrong; ``absent`` cameras never were there."""
    for fault in view.faults:
        yield Problem(Kind.FAULTS, fault_key(fault), fault)
    if not view.is_open:
        yield Problem(Kind.OPENING, "closed", "the store is closed", "the store is open again")
    for camera in view.cameras:
        if not camera.is_up and camera.camera_id not in absent:
            words = f"camera {camera.camera_id} is down: {camera.detail or 'no pictures'}"
            yield Problem(Kind.CAMERAS, camera.camera_id, words, f"camera {camera.camera_id} is up again")
    if view.billing:
        yield Problem(Kind.BILLING, "billing", f"billing: {view.billing}", "billing takes orders again")
    if view.evidence:
        yield Problem(Kind.EVIDENCE, "evidence", f"evidence: {view.evidence}", "evidence is kept again")
    if view.load_level >= Level.DROPPING:
        yield Problem(Kind.OVERLOAD, "load", f"overloaded: {view.load}", "no pictures are dropped any more")
    yield from _slow_reviews(view.reviews, view.at_ns, review_wait_s)


def _slow_reviews(reviews: Iterable[ReviewOpened], at_ns: int, wait_s: float) -> Iterator[Problem]:
    waiting = [at_ns - each.at_ns for each in reviews if at_ns - each.at_ns > wait_s * _S]
    if waiting:
        some = "a review waits" if len(waiting) == 1 else f"{len(waiting)} reviews wait, the first"
        words = f"{some} for {lasting(max(waiting))}"
        yield Problem(Kind.REVIEWS, "reviews", words, "no review waits too long any more")


def lasting(span_ns: int) -> str:
    """Return how long something was, in words."""
    seconds = round(span_ns / _S)
    if seconds < 2 * _MINUTE_S:
        return f"{seconds} s"
    minutes = seconds // _MINUTE_S
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(slots=True)
class Course:
    """How one problem went. ``since_ns`` is when it came, None while it is away; ``last_ns`` when it was there last.

    ``told_ns`` is when it was last told that it is there, ``missed`` how often it came since and was not told.
    """

    problem: Problem
    since_ns: int | None = None
    last_ns: int = 0
    told_ns: int | None = None
    is_told: bool = False
    missed: int = 0
    missed_ns: int = 0

    def miss(self, since_ns: int, times: int = 1) -> None:
        """Count what is not told now."""
        self.missed_ns = self.missed_ns if self.missed else since_ns
        self.missed += times

    def tell(self, phase: Phase, at_ns: int, since_ns: int, until_ns: int | None, times: int) -> News:
        """Return that it is, or was, there; what was missed is told with it."""
        self.told_ns, self.missed = at_ns, 0
        return News(phase, self.problem.kind, self.problem.key, self.problem.words, since_ns, until_ns, times)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a restart is not to forget: how problems went of which something was told, and what happened at doors."""

    courses: tuple[Course, ...] = ()
    events: tuple[Course, ...] = ()


class AlertBook:
    """Follows problems from view to view. One thread calls ``see``, with times that rise."""

    def __init__(self, told: AlertsEntry, absent: Collection[str] = ()) -> None:
        """``absent`` are cameras of the layout that are not there."""
        self._told, self._absent = told, frozenset(absent)
        self._cool_ns, self._after_ns = round(told.cool_down_s * _S), round(told.after_s * _S)
        self._gather_ns = round(told.gather_s * _S)
        self._courses: dict[Key, Course] = {}
        self._events: dict[Key, Course] = {}
        self._heard: frozenset[AlertRow] = frozenset()
        self._pending: list[News] = []
        self._pending_ns = 0
        self._is_restarted = False

    def kept(self) -> Kept:
        """Return what a restart is not to forget, as of the last message."""
        courses, events = ([replace(each) for each in found.values()] for found in (self._courses, self._events))
        return Kept(tuple(courses), tuple(events))

    def recall(self, kept: Kept) -> None:
        """Go on after a restart. What was not told yet begins anew; of what was told nobody looked whether it is over."""
        for found, courses in ((self._courses, kept.courses), (self._events, kept.events)):
            for each in courses:
                if each.problem.kind in self._told.tell:
                    since_ns = each.since_ns if each.is_told else None
                    found[each.problem.kind, each.problem.key] = replace(each, since_ns=since_ns)
        self._is_restarted = True

    def see(self, view: NodeView, at_ns: int) -> Message | None:
        """Look at the store as it is at ``at_ns``; return what somebody should hear now."""
        found = {
            (each.kind, each.key): each
            for each in problems_of(view, self._told.review_wait_s, self._absent)
            if each.kind in self._told.tell
        }
        self._look_again(at_ns)
        news = [*self._follow(found, at_ns), *self._hear(view.alerts, at_ns)]
        self._forget(at_ns)
        if news and not self._pending:
            self._pending_ns = at_ns
        self._pending += news
        is_due = at_ns - self._pending_ns >= self._gather_ns or len(self._pending) >= _MOST_PENDING
        if not self._pending or not is_due:
            return None
        told, self._pending = tuple(self._pending), []
        return Message(at_ns, told, self._standing(told))

    def _look_again(self, at_ns: int) -> None:
        """Give what was wrong before a restart the time to show that it is there still; a clock may have been set back."""
        if not self._is_restarted:
            return
        self._is_restarted = False
        for course in (*self._courses.values(), *self._events.values()):
            course.told_ns = None if course.told_ns is None else min(course.told_ns, at_ns)
            if course.since_ns is not None:
                course.since_ns, course.last_ns = min(course.since_ns, at_ns), at_ns

    def _follow(self, found: dict[Key, Problem], at_ns: int) -> Iterator[News]:
        for key, problem in found.items():
            course = self._courses.setdefault(key, Course(problem))
            course.problem, course.last_ns = problem, at_ns
            if course.since_ns is None:
                course.since_ns = at_ns
            lasts = at_ns - course.since_ns >= self._after_ns
            if lasts and not course.is_told and self._is_cool(course, at_ns):
                course.is_told = True
                yield course.tell(Phase.BEGAN, at_ns, course.since_ns, None, course.missed + 1)
        for key, course in self._courses.items():
            if key not in found:
                yield from self._away(course, at_ns)

    def _away(self, course: Course, at_ns: int) -> Iterator[News]:
        """Yield what is to be told of a problem that is not there now."""
        since_ns, is_gone = course.since_ns, at_ns - course.last_ns >= self._after_ns
        if since_ns is not None and is_gone:
            course.since_ns = None
            if course.is_told:
                course.is_told = False
                words = course.problem.over or course.problem.words
                yield News(Phase.OVER, course.problem.kind, course.problem.key, words, since_ns, course.last_ns)
            elif course.last_ns - since_ns >= self._after_ns:
                course.miss(since_ns)
        if course.since_ns is None and course.missed and self._is_cool(course, at_ns):
            yield course.tell(Phase.PASSED, at_ns, course.missed_ns, course.last_ns, course.missed)

    def _hear(self, rows: tuple[AlertRow, ...], at_ns: int) -> Iterator[News]:
        """Yield what happened at doors, the same once within the cool-down."""
        fresh = [row for row in rows if row not in self._heard]
        self._heard = frozenset(rows)
        for row in fresh:
            if row.what in _DOORS and Kind.DOORS in self._told.tell:
                happened = Problem(Kind.DOORS, row.detail, row.detail)
                course = self._events.setdefault((Kind.DOORS, row.detail), Course(happened))
                course.last_ns = row.at_ns
                course.miss(row.at_ns)
        for course in self._events.values():
            if course.missed and self._is_cool(course, at_ns):
                yield course.tell(Phase.HAPPENED, at_ns, course.missed_ns, course.last_ns, course.missed)

    def _is_cool(self, course: Course, at_ns: int) -> bool:
        return course.told_ns is None or at_ns - course.told_ns >= self._cool_ns

    def _forget(self, at_ns: int) -> None:
        """Let go of what is over and may be told anew."""
        for courses in (self._courses, self._events):
            for key, course in list(courses.items()):
                is_over = course.since_ns is None and not course.missed and not course.is_told
                if is_over and self._is_cool(course, at_ns):
                    del courses[key]

    def _standing(self, told: tuple[News, ...]) -> tuple[News, ...]:
        """Return what is wrong still and was told in another message."""
        just = {(each.kind, each.key) for each in told if each.phase is Phase.BEGAN}
        return tuple(
            News(Phase.BEGAN, kind, name, course.problem.words, course.since_ns)
            for (kind, name), course in self._courses.items()
            if course.is_told and course.since_ns is not None and (kind, name) not in just
        )
