"""What happens in billing, as events for others: a topic, the visit, the time and a JSON body.

``Books.tell`` takes them apart. Bodies are models of ``edge``: they hold no token and nothing about the person.
"""

from __future__ import annotations

from billing.edge import ChargeModel, CorrectedModel, DisputeModel, DraftModel, ReceiptModel, RefundModel, VisitModel
from billing.types import Charge, ChargeState, Dispute, DisputeState, Draft, OpenVisit, Receipt, Refund, RefundState

News = tuple[str, str, int, str]
"""Topic, visit id, time in Unix nanoseconds, body."""

TOPICS = (
    "visit.opened",
    "visit.draft",
    "receipt.final",
    "receipt.corrected",
    "charge.paid",
    "charge.failed",
    "charge.waiting",
    "charge.written_off",
    "refund.agreed",
    "refund.done",
    "refund.owed",
    "review.needed",
    "review.decided",
)
"""All there are; an endpoint names those that it wants."""

_CHARGES = {
    ChargeState.CAPTURED: "charge.paid",
    ChargeState.VOID: "charge.paid",
    ChargeState.WAIVED: "charge.paid",
    ChargeState.DECLINED: "charge.failed",
    ChargeState.NEEDS_SHOPPER: "charge.waiting",
}
_REFUNDS = {
    RefundState.UNKNOWN: "refund.agreed",
    RefundState.DONE: "refund.done",
    RefundState.OWED: "refund.owed",
}


def visit_news(visit: OpenVisit, refused: str | None) -> News:
    """Return that a shopper came to the gate."""
    return "visit.opened", visit.visit_id, visit.at_ns, VisitModel.of(visit, refused).model_dump_json()


def draft_news(draft: Draft, priced: Receipt) -> News:
    """Return that a cart changed."""
    return "visit.draft", draft.visit_id, draft.at_ns, DraftModel.of(draft, priced).model_dump_json()


def receipt_news(receipt: Receipt) -> News:
    """Return that a receipt is final."""
    return "receipt.final", receipt.visit_id, receipt.issued_at_ns, ReceiptModel.of(receipt).model_dump_json()


def correction_news(correction_id: str, receipt: Receipt, at_ns: int) -> News:
    """Return that a receipt was corrected."""
    body = CorrectedModel(correction_id=correction_id, receipt=ReceiptModel.of(receipt))
    return "receipt.corrected", receipt.visit_id, at_ns, body.model_dump_json()


def charge_news(charge: Charge, at_ns: int) -> News:
    """Return how a charge came out, or that it waits for the shopper."""
    return _CHARGES[charge.state], charge.visit_id, at_ns, ChargeModel.of(charge).model_dump_json()


def write_off_news(charge: Charge, at_ns: int) -> News:
    """Return that what is owed for a charge is no longer asked for."""
    return "charge.written_off", charge.visit_id, at_ns, ChargeModel.of(charge).model_dump_json()


def refund_news(refund: Refund, at_ns: int) -> News:
    """Return how a refund stands."""
    return _REFUNDS[refund.state], refund.visit_id, at_ns, RefundModel.of(refund).model_dump_json()


def dispute_news(dispute: Dispute, at_ns: int) -> News:
    """Return that an operator is needed, or what they decided."""
    topic = "review.needed" if dispute.state is DisputeState.OPEN else "review.decided"
    return topic, dispute.asked.visit_id, at_ns, DisputeModel.of(dispute).model_dump_json()
