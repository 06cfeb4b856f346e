"""What the visits' pages work with, and who may see what of it."""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dashboard.visits.notes import Notes
from dashboard.visits.projection import Projection
from dashboard.visits.types import Account, Books, ClipOf, Clips, Moment, Story, VisitRow, VisitState

_S = 1_000_000_000
_MOST_KEYS = 1_000
_PAYMENT_STATES = (VisitState.CHARGED, VisitState.UNPAID)
_PAYMENT_MOMENTS = ("Charge", "Admission", "BillingRefused")


class Keys:
    """Keys of commands that were heard of, so that a form that is sent twice is written down once."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._keys: OrderedDict[str, None] = OrderedDict()

    def is_new(self, key: str) -> bool:
        """Tell whether this is the first time that anybody asks."""
        with self._mutex:
            if key in self._keys:
                return False
            self._keys[key] = None
            while len(self._keys) > _MOST_KEYS:
                self._keys.popitem(last=False)
            return True


@dataclass(frozen=True, slots=True)
class VisitDesk:
    """The parts. ``names`` gives products their names; times are shown and typed in ``zone``, amounts in ``currency``.

    ``books`` is None where billing cannot be asked from here, ``clips`` where no clips are kept. ``problem`` tells why the
    projection is behind, empty where it is not.
    """

    projection: Projection
    notes: Notes
    names: Mapping[str, str]
    currency: str
    zone: dt.tzinfo
    books: Books | None = None
    clips: Clips | None = None
    problem: Callable[[], str] = str
    keys: Keys = field(default_factory=Keys)

    def account(self, visit_id: str) -> Account:
        """Return what billing has of a visit; nothing where it cannot be asked. Raises BillingError."""
        return Account() if self.books is None else self.books.account(visit_id)

    def clips_of(self, story: Story) -> Mapping[str, tuple[ClipOf, ...]]:
        """Return a visit's clips by interaction, or by review where they show no interaction."""
        found: dict[str, list[ClipOf]] = {}
        if self.clips is None:
            return {}
        known = {each.body["interaction_id"]: each.at_ns for each in story.interactions}
        reviews = {each.body["review_id"] for each in story.moments if each.kind == "ReviewOpened"}
        times = [story.row.opened_at_ns, *(each.at_ns for each in (*story.moments, *story.interactions))]
        for clip in self.clips.near(min(times), max(times) + _S):
            at_ns = known.get(clip.interaction_id or "")
            if at_ns is not None and clip.from_ns <= at_ns <= clip.to_ns:
                found.setdefault(clip.interaction_id or "", []).append(clip)
            for review_id in reviews.intersection(clip.review_ids):
                found.setdefault(review_id, []).append(clip)
        return {key: tuple(sorted(clips, key=lambda each: each.camera_id)) for key, clips in found.items()}


def seen_row(row: VisitRow, *, sees_money: bool) -> VisitRow:
    """Return of a row what somebody may see: who paid, and how, are for those who may see payments."""
    if sees_money:
        return row
    state = VisitState.CLOSED if row.state in _PAYMENT_STATES else row.state
    return replace(row, shopper="", charge="", refunded=None, state=state)


def seen_states(states: tuple[VisitState, ...], *, sees_money: bool) -> tuple[VisitState, ...]:
    """Return what to look for where somebody asks for states as they see them."""
    if sees_money or VisitState.CLOSED not in states:
        return states if sees_money else tuple(each for each in states if each not in _PAYMENT_STATES)
    return tuple(dict.fromkeys((*states, *_PAYMENT_STATES)))


def seen_moments(moments: tuple[Moment, ...], *, sees_money: bool) -> tuple[Moment, ...]:
    """Return of what became known what somebody may see."""
    return tuple(each for each in moments if sees_money or each.kind not in _PAYMENT_MOMENTS)
