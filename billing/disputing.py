"""Disputes: a shopper contests or returns units, an operator decides, money moves, the decision is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from billing.charging import is_in_flight
from billing.db import disputes as rows
from billing.db.books import Books
from billing.edge import DisputeModel, EvidenceModel, ExampleModel
from billing.errors import DisputeError, KeyConflict, RefundError, UnknownVisit
from billing.money import Money
from billing.news import dispute_news
from billing.policy import BillingPolicy
from billing.refunding import Refunding
from billing.refunds import refund_taxes, refunded_items
from billing.store import BillingStore
from billing.types import (
    Dispute,
    DisputeKind,
    DisputeRequest,
    DisputeState,
    Evidence,
    Receipt,
    RefundReason,
    RefundRequest,
    dispute_refund_key,
)

_MONTH_NS = 30 * 86_400 * 10**9

BY_POLICY = "policy"
"""Who decided where no operator did."""

_REASONS = {DisputeKind.CONTEST: RefundReason.NOT_TAKEN, DisputeKind.RETURN: RefundReason.RETURNED}


@dataclass(frozen=True, slots=True)
class Disputing:
    """Disputes on a database; what they give back goes through ``refunding``."""

    store: BillingStore
    refunding: Refunding
    policy: BillingPolicy

    def open(self, asked: DisputeRequest) -> Dispute:
        """See ``BillingService.contest``."""
        with self.store.transaction(asked.visit_id) as books:
            known = rows.dispute(books, asked.dispute_id)
            if known is not None and known[1] != _digest(asked):
                raise KeyConflict(f"{asked.dispute_id} was used for another dispute")
            if known is None:
                self._begin(books, asked)
        return self._with_refund(asked.dispute_id, asked.at_ns)

    def decide(self, dispute_id: str, state: DisputeState, by: str, note: str, at_ns: int) -> Dispute:
        """See ``BillingService.decide``."""
        found = self.get(dispute_id)
        with self.store.transaction(found.asked.visit_id) as books:
            decided = self._decided(books, dispute_id, state, by, note, at_ns)
            if decided is not None:
                self._write(books, decided)
        return self._with_refund(dispute_id, at_ns)

    def attach(self, evidence: Evidence) -> None:
        """See ``BillingService.attach``."""
        found = self.get(evidence.dispute_id)
        with self.store.transaction(found.asked.visit_id) as books:
            if evidence.evidence_id not in {each.evidence_id for each in rows.evidence_of(books, evidence.dispute_id)}:
                rows.add_evidence(books, evidence)

    def get(self, dispute_id: str) -> Dispute:
        """Return a dispute. Raises UnknownVisit where there is none."""
        with self.store.reading() as books:
            found = rows.dispute(books, dispute_id)
        if found is None:
            raise UnknownVisit(f"there is no dispute {dispute_id!r}")
        return found[0]

    def of_visit(self, visit_id: str) -> tuple[Dispute, ...]:
        """Return a visit's disputes, oldest first."""
        with self.store.reading() as books:
            return rows.disputes_of(books, visit_id)

    def evidence(self, dispute_id: str) -> tuple[Evidence, ...]:
        """Return what was laid before the operator."""
        with self.store.reading() as books:
            return rows.evidence_of(books, dispute_id)

    def examples(self) -> Iterator[str]:
        """Yield each dispute that an operator decided, with its evidence, as one line of JSON."""
        with self.store.reading() as books:
            for each in rows.all_disputes(books):
                if each.state is not DisputeState.OPEN and each.decided_by != BY_POLICY:
                    pieces = rows.evidence_of(books, each.asked.dispute_id)
                    evidence = tuple(EvidenceModel.of(piece) for piece in pieces)
                    yield ExampleModel(dispute=DisputeModel.of(each), evidence=evidence).model_dump_json()

    def _begin(self, books: Books, asked: DisputeRequest) -> None:
        """Write a dispute down; decide it at once where policy trusts the shopper."""
        amount = self._worth(books, asked)
        rows.add_dispute(books, asked, _digest(asked))
        opened = Dispute(asked, DisputeState.OPEN)
        if self._is_trusted(books, asked, amount):
            note = f"at most {self.policy.trust_up_to_minor} minor units"
            self._write(
                books,
                replace(opened, state=DisputeState.UPHELD, decided_by=BY_POLICY, note=note, decided_at_ns=asked.at_ns),
            )
        else:
            books.tell(*dispute_news(opened, asked.at_ns))

    def _worth(self, books: Books, asked: DisputeRequest) -> Money:
        """Return what upholding would give back. Raises DisputeError for units that the receipt does not hold."""
        receipt = books.receipt(asked.visit_id)
        if receipt is None:
            raise UnknownVisit(f"{asked.dispute_id}: visit {asked.visit_id!r} has no receipt")
        if not asked.items:
            raise DisputeError(f"{asked.dispute_id}: say which products are contested")
        if asked.at_ns - receipt.issued_at_ns > self.policy.refund_window_days * 86_400 * 10**9:
            days = f"{self.policy.refund_window_days:g}"
            raise DisputeError(f"{asked.dispute_id}: the receipt of {asked.visit_id} is older than {days} days")
        return self._refund_of(books, asked, receipt)

    def _refund_of(self, books: Books, asked: DisputeRequest, receipt: Receipt) -> Money:
        earlier = books.refunds(asked.visit_id)
        try:
            items = refunded_items(_refund_request(asked), receipt, earlier)
        except RefundError as error:
            raise DisputeError(str(error)) from error
        taxes, untaxed = refund_taxes(receipt, earlier, items, self.refunding.rounding)
        return sum((tax.gross for tax in taxes), untaxed)

    def _is_trusted(self, books: Books, asked: DisputeRequest, amount: Money) -> bool:
        if asked.shopper_id is None or not 0 < amount.minor <= self.policy.trust_up_to_minor:
            return False
        if any(is_in_flight(charge) for charge in books.charges(asked.visit_id)):
            return False  # nothing can be given back yet
        since_ns = asked.at_ns - _MONTH_NS
        return rows.trusted_count(books, asked.shopper_id, BY_POLICY, since_ns) < self.policy.trusted_per_month

    def _decided(
        self, books: Books, dispute_id: str, state: DisputeState, by: str, note: str, at_ns: int
    ) -> Dispute | None:
        """Return the dispute as decided, None where it was decided so before. Raises DisputeError where otherwise."""
        found = rows.dispute(books, dispute_id)
        assert found is not None  # disputes are never deleted
        known = found[0]
        if state is DisputeState.OPEN:
            raise DisputeError(f"{dispute_id}: a decision upholds or rejects")
        if known.state is DisputeState.OPEN:
            return replace(known, state=state, decided_by=by, note=note, decided_at_ns=at_ns)
        if known.state is not state:
            raise DisputeError(f"{dispute_id} was {known.state} by {known.decided_by}: a decision stands")
        return None

    def _write(self, books: Books, decided: Dispute) -> None:
        """Keep the decision, and agree to the refund with it."""
        rows.decide_dispute(books, decided)
        if decided.state is DisputeState.UPHELD:
            self.refunding.begin(books, _refund_request(decided.asked))
        books.tell(*dispute_news(decided, decided.decided_at_ns or decided.asked.at_ns))

    def _with_refund(self, dispute_id: str, at_ns: int) -> Dispute:
        """Send the refund of an upheld dispute on its way."""
        found = self.get(dispute_id)
        if found.state is DisputeState.UPHELD:
            with self.store.reading() as books:
                refund = books.refund(dispute_refund_key(dispute_id))
            assert refund is not None  # written with the decision
            self.refunding.advance(refund, at_ns)
        return found


def _refund_request(asked: DisputeRequest) -> RefundRequest:
    """Return the refund that upholding makes: as of the day on which the shopper asked."""
    key = dispute_refund_key(asked.dispute_id)
    return RefundRequest(key, asked.visit_id, _REASONS[asked.kind], asked.at_ns, asked.items)


def _digest(asked: DisputeRequest) -> str:
    """Return the SHA-256 of what is asked, but for the time, which a retry has its own of."""
    items = sorted((item.sku, item.quantity) for item in asked.items)
    body = json.dumps([asked.visit_id, asked.kind.value, items, asked.text, asked.shopper_id])
    return hashlib.sha256(body.encode()).hexdigest()
