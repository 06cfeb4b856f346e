"""What a store's machine says and is told over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from billing.http.models import At, Id, Token
from billing.http.times import UtcOut
from checkout.types import ReviewOpened
from store_layout.model import Identifier, Strict
from tillfree.live.decisions import GateDecision, Outcome, Reason, ScanIn
from tillfree.live.ladder import Level
from tillfree.live.node import AlertRow, NodeView, ReportKind, VisitRow, VisitState
from tillfree.live.reviews import candidates
from tillfree.live.tokens import token_name

_S = 10**9


class ScanRequest(Strict):
    """Something that was shown: an entry pass, or the token of a card, ``cash`` or ``staff``."""

    entry_pass: Annotated[str, Field(max_length=1_000)] | None = None
    token: Token | None = None
    party_size: Annotated[int, Field(ge=1, le=50)] = 1
    at: At = None
    scan_id: Annotated[Id | None, Field(description="the reader's own name for this scan, to send it again by")] = None

    def scan(self, gate_id: str, key: str | None) -> ScanIn:
        """Return the scan; ``key`` is what it may be sent again by, where it has no id of its own."""
        return ScanIn(gate_id, self.entry_pass, self.token, self.party_size, self.at, self.scan_id or key)


class DecisionOut(Strict):
    """What the gate does, why, and the words for its display. ``visit_id`` is there where somebody was admitted."""

    outcome: Outcome
    reason: Reason
    sentence: str
    at: UtcOut
    visit_id: str | None

    @classmethod
    def of(cls, decision: GateDecision) -> Self:
        """Take a decision apart."""
        return cls(
            outcome=decision.outcome,
            reason=decision.reason,
            sentence=decision.sentence,
            at=decision.at_ns,
            visit_id=decision.visit_id,
        )


class ReportRequest(Strict):
    """What a gate tells of its door. The same report with the same ``at`` is one report."""

    kind: ReportKind
    at: At = None


class Taken(Strict):
    """It was taken in, and would outlive a crash; the engine sees to it within moments."""

    at: UtcOut


class CandidateOut(Strict):
    """An answer to choose by its number; without a product nothing happened."""

    number: int
    visit_id: str | None
    sku: str | None
    quantity: int
    probability: float | None


class ReviewOut(Strict):
    """A question to an operator. Unanswered at ``due`` it comes to ``timeout``."""

    review_id: str
    reason: str
    at: UtcOut
    due: UtcOut
    age_s: float
    visit_ids: tuple[str, ...]
    slot_id: str | None
    interaction_id: str | None
    change: int | None
    probability: float
    candidates: tuple[CandidateOut, ...]
    timeout_visit_id: str | None
    timeout_sku: str | None
    timeout_quantity: int

    @classmethod
    def of(cls, review: ReviewOpened, at_ns: int) -> Self:
        """Take a review apart, as of ``at_ns``."""
        found = candidates(review)
        return cls(
            review_id=review.review_id,
            reason=review.reason,
            at=review.at_ns,
            due=review.due_ns,
            age_s=round(max(0, at_ns - review.at_ns) / _S, 1),
            visit_ids=review.visit_ids,
            slot_id=review.slot_id,
            interaction_id=review.interaction_id,
            change=review.change,
            probability=review.probability,
            candidates=tuple(
                CandidateOut(
                    number=c.number, visit_id=c.visit_id, sku=c.sku, quantity=c.quantity, probability=c.probability
                )
                for c in found
            ),
            timeout_visit_id=review.timeout_visit_id,
            timeout_sku=review.timeout_sku,
            timeout_quantity=review.timeout_quantity_delta,
        )


class AlertOut(Strict):
    """Something that an operator should look into, such as a visit that billing will not charge."""

    at: UtcOut
    what: str
    detail: str
    visit_id: str | None

    @classmethod
    def of(cls, row: AlertRow) -> Self:
        """Take an alert apart."""
        return cls(at=row.at_ns, what=row.what, detail=row.detail, visit_id=row.visit_id)


class Reviews(Strict):
    """Open reviews, those that fall due first at the top, and the latest alerts, oldest first."""

    items: tuple[ReviewOut, ...]
    alerts: tuple[AlertOut, ...] = ()


class AnswerRequest(Strict):
    """The number of a candidate, or visit, product and quantity (positive: taken); none of them: nothing happened."""

    candidate: Annotated[int, Field(ge=1, le=1_000)] | None = None
    visit_id: Id | None = None
    sku: Identifier | None = None
    quantity: Annotated[int, Field(ge=-100, le=100)] = 0


class LineOut(Strict):
    """So many of one product in a cart."""

    sku: str
    quantity: int


class NodeVisitOut(Strict):
    """A visit without a final receipt. ``who`` tells one token from another, and opens nothing."""

    visit_id: str
    who: str
    state: VisitState
    opened_at: UtcOut
    party_size: int
    entered: int
    lines: tuple[LineOut, ...]
    open_review_ids: tuple[str, ...]
    refused: Annotated[str, Field(description="why billing would not open it; empty where it did")] = ""

    @classmethod
    def of(cls, row: VisitRow) -> Self:
        """Take a visit apart; the token stays inside."""
        return cls(
            visit_id=row.visit_id,
            who=token_name(row.token),
            state=row.state,
            opened_at=row.opened_at_ns,
            party_size=row.party_size,
            entered=row.entered,
            lines=tuple(LineOut(sku=line.sku, quantity=line.quantity) for line in row.lines),
            open_review_ids=row.open_review_ids,
            refused=row.refused,
        )


class NodeVisits(Strict):
    """Visits without a final receipt, oldest first, and how many people are inside."""

    people_inside: int
    items: tuple[NodeVisitOut, ...]


class Probe(Strict):
    """Whether the process lives, and whether gates let people in."""

    is_live: Literal[True] = True
    is_ready: bool


class HealthRow(Strict):
    """A part of the store and how it is."""

    part: Literal["store", "engine", "billing", "evidence", "alerts", "load", "camera", "gate"]
    name: str
    is_up: bool
    detail: str


class NodeHealth(Strict):
    """How all parts are."""

    is_ready: bool
    at: UtcOut
    rows: tuple[HealthRow, ...]


def is_ready(view: NodeView, at_ns: int, view_age_max_s: float) -> bool:
    """Tell whether gates can let people in."""
    return view.is_open and not view.blocking and abs(at_ns - view.at_ns) <= view_age_max_s * _S


def health_of(view: NodeView, at_ns: int, view_age_max_s: float) -> NodeHealth:
    """Return how all parts of the store are."""
    faults = "; ".join(view.faults)
    age_s = (at_ns - view.at_ns) / _S
    is_fresh = abs(age_s) <= view_age_max_s
    behind = f"{age_s:.1f} s behind" if view.at_ns else "has not started"
    rows = [
        HealthRow(part="store", name="store", is_up=view.is_open and not view.blocking, detail=faults or _closed(view)),
        HealthRow(part="engine", name="engine", is_up=is_fresh, detail="" if is_fresh else behind),
        HealthRow(part="billing", name="billing", is_up=not view.billing, detail=view.billing),
        HealthRow(part="evidence", name="evidence", is_up=not view.evidence, detail=view.evidence),
        HealthRow(part="load", name="load", is_up=view.load_level < Level.DROPPING, detail=view.load),
    ]
    if view.alerting:
        rows.append(HealthRow(part="alerts", name="alerts", is_up=False, detail=view.alerting))
    rows += [
        HealthRow(
            part="camera", name=row.camera_id, is_up=row.is_up, detail=row.detail or f"{row.frames_per_s:.1f} frames/s"
        )
        for row in view.cameras
    ]
    rows += [
        HealthRow(part="gate", name=row.gate_id, is_up=row.is_seen, detail="" if row.is_seen else "no camera sees it")
        for row in view.gates
    ]
    return NodeHealth(is_ready=is_ready(view, at_ns, view_age_max_s), at=at_ns, rows=tuple(rows))


def _closed(view: NodeView) -> str:
    return "" if view.is_open else "closed"
