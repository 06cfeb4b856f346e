"""What a gate is told: admit, deny or call staff, why, and the words for its display."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a gate does."""

    ADMIT = "admit"
    DENY = "deny"
    CALL_STAFF = "call_staff"


class Reason(StrEnum):
    """Why; the same words for ever, for displays in other languages."""

    WELCOME = "welcome"
    UNCHECKED = "unchecked"
    UNKNOWN_GATE = "unknown_gate"
    EXIT_ONLY = "exit_only"
    PARTY_SIZE = "party_size"
    SCAN_TIME = "scan_time"
    CLOSED = "closed"
    FAULT = "fault"
    BEHIND = "behind"
    NOT_SEEN = "not_seen"
    NOT_ACCEPTED = "not_accepted"
    NOTHING_SHOWN = "nothing_shown"
    PASS_MALFORMED = "pass_malformed"  # noqa: S105 - no password
    PASS_KEY_UNKNOWN = "pass_key_unknown"  # noqa: S105
    PASS_FORGED = "pass_forged"  # noqa: S105
    PASS_EXPIRED = "pass_expired"  # noqa: S105
    PASS_FROM_FUTURE = "pass_from_future"  # noqa: S105
    PASS_USED = "pass_used"  # noqa: S105
    KEYS_OLD = "keys_old"
    DEBTOR = "debtor"
    NO_CARD = "no_card"
    NO_ACCOUNT = "no_account"
    BOOKS_AWAY = "books_away"
    STORE_FULL = "store_full"
    NOT_KEPT = "not_kept"


_ADMIT, _DENY, _STAFF = Outcome

SAID: dict[Reason, tuple[Outcome, str]] = {
    Reason.WELCOME: (_ADMIT, "Welcome."),
    Reason.UNCHECKED: (_ADMIT, "Welcome."),
    Reason.UNKNOWN_GATE: (_STAFF, "This gate is not set up. Staff will help you."),
    Reason.EXIT_ONLY: (_DENY, "This is the way out. Please enter on the other side."),
    Reason.PARTY_SIZE: (_DENY, "So many people cannot enter together. Please scan in smaller groups."),
    Reason.SCAN_TIME: (_STAFF, "The scan arrived too late. Staff will help you."),
    Reason.CLOSED: (_DENY, "The store is closed."),
    Reason.FAULT: (_STAFF, "The store is not ready. Staff will help you."),
    Reason.BEHIND: (_STAFF, "The store is not ready. Staff will help you."),
    Reason.NOT_SEEN: (_STAFF, "This gate is out of order. Staff will help you."),
    Reason.NOT_ACCEPTED: (_DENY, "This is not accepted here. Please show the entry pass from the store's page."),
    Reason.NOTHING_SHOWN: (_DENY, "Please show the entry pass or the card, one of them."),
    Reason.PASS_MALFORMED: (_DENY, "This is no entry pass. Please show the code from the store's page."),
    Reason.PASS_KEY_UNKNOWN: (_DENY, "This pass is not of this store. Please open the store's page again."),
    Reason.PASS_FORGED: (_DENY, "This pass is not valid. Please open the store's page again."),
    Reason.PASS_EXPIRED: (_DENY, "This pass has expired. Please open the store's page again."),
    Reason.PASS_FROM_FUTURE: (_STAFF, "This gate's clock is wrong. Staff will help you."),
    Reason.PASS_USED: (_DENY, "This pass was used already. Please wait for the next one on your phone."),
    Reason.KEYS_OLD: (_STAFF, "Passes cannot be checked now. Staff will help you."),
    Reason.DEBTOR: (_DENY, "A former visit is not paid yet. Please pay it on the store's page."),
    Reason.NO_CARD: (_DENY, "There is no card on file. Please add one on the store's page."),
    Reason.NO_ACCOUNT: (_DENY, "There is no such account any more. Please register on the store's page."),
    Reason.BOOKS_AWAY: (_STAFF, "Your pass cannot be checked now. Staff will help you."),
    Reason.STORE_FULL: (_DENY, "The store is full. Please wait a moment and scan again."),
    Reason.NOT_KEPT: (_STAFF, "The store is not ready. Staff will help you."),
}
"""Outcome and words of each reason."""


@dataclass(frozen=True, slots=True)
class ScanIn:
    """Something that was shown at a gate: an entry pass or a token.

    ``at_ns`` is the reader's time, None where it has no clock. ``key`` is the reader's own name for this scan, by which it
    may send it again; None where each scan is a new one.
    """

    gate_id: str
    entry_pass: str | None = None
    token: str | None = None
    party_size: int = 1
    at_ns: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the gate does. ``scan_id`` and ``visit_id`` are there where somebody was admitted."""

    outcome: Outcome
    reason: Reason
    sentence: str
    at_ns: int
    scan_id: str | None = None
    visit_id: str | None = None
    is_repeat: bool = False

    @classmethod
    def of(cls, reason: Reason, at_ns: int, scan_id: str | None = None) -> GateDecision:
        """Return the decision for a reason; checkout names visits after their scans."""
        outcome, sentence = SAID[reason]
        return cls(outcome, reason, sentence, at_ns, scan_id, None if scan_id is None else f"visit-{scan_id}")
