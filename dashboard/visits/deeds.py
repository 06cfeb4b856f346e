"""What is done to a visit: given back, charged, decided, noted. Money moves by billing's own commands, once per key.

What somebody does to money is written to the audit log before billing is asked, and once more where it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from billing.errors import BillingError, KeyConflict, UnknownVisit
from billing.types import Charge, Dispute, DisputeState, Refund
from dashboard.audit import Deed
from dashboard.desk import Desk
from dashboard.errors import InConflict, NotFound, Refused, Unavailable
from dashboard.visits import words
from dashboard.visits.desk import VisitDesk
from dashboard.visits.types import Books, CorrectionAsked, RefundAsked

MOST_NOTE = 2_000
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
_PREFIX = re.compile(r"^desk-[A-Za-z0-9_-]+:\s*")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Deeds:
    """What ``who`` does at ``at_ns``."""

    desk: Desk
    visits: VisitDesk
    who: str
    at_ns: int

    def refund(self, asked: RefundAsked) -> Refund:
        """Give units back."""
        books, told = self._books(), f"{words.items_words(asked.items, {})}, {asked.reason.value}"
        return self._do("visit.refund", asked.visit_id, asked.key, told, lambda: books.refund(asked))

    def correct(self, asked: CorrectionAsked) -> Charge:
        """Charge units that the receipt lacks."""
        books, told = self._books(), words.items_words(asked.items, {})
        return self._do("visit.correct", asked.visit_id, asked.key, told, lambda: books.correct(asked))

    def decide(self, visit_id: str, dispute_id: str, state: DisputeState, note: str) -> Dispute:
        """Uphold a dispute, or reject it."""
        books, key = self._books(), f"{dispute_id}:{state.value}"
        told = f"{state.value}: {note}"
        return self._do("visit.dispute", visit_id, key, told, lambda: books.decide(dispute_id, state, self.who, note))

    def note(self, visit_id: str, text: str, key: str) -> bool:
        """Keep a note, once per key; tell whether this was the time."""
        text = text.strip()
        if not text or len(text) > MOST_NOTE:
            raise Refused(words.NO_NOTE)
        is_new = self.visits.notes.add(visit_id, self.at_ns, self.who, text, checked_key(key))
        if is_new:
            self.desk.did(Deed(self.at_ns, self.who, "visit.note", visit_id))
        return is_new

    def _books(self) -> Books:
        if self.visits.books is None:
            raise Unavailable(words.ELSEWHERE)
        return self.visits.books

    def _do(self, what: str, visit_id: str, key: str, told: str, work: Callable[[], _T]) -> _T:
        if self.visits.keys.is_new(f"{what}:{key}"):
            self.desk.did(Deed(self.at_ns, self.who, what, visit_id, f"{told} (key {key})"))
        try:
            return work()
        except BillingError as error:
            self.desk.did(Deed(self.at_ns, self.who, f"{what}.refused", visit_id, f"{error} (key {key})"))
            raise refusal_of(error) from error


def checked_key(key: str) -> str:
    """Return a key as billing gets it. Raises Refused for one that is none."""
    if _KEY.fullmatch(key) is None:
        raise Refused("a key has 8 to 64 letters, digits, - and _")
    return f"desk-{key}"


def refusal_of(error: BillingError) -> InConflict | NotFound | Refused:
    """Return what billing's refusal is here, in its words without the key."""
    told = _PREFIX.sub("", str(error))
    kind = InConflict if isinstance(error, KeyConflict) else NotFound if isinstance(error, UnknownVisit) else Refused
    return kind(told)
