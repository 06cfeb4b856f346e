"""What HTTP carries in and out: the JSON of ``edge`` with times as text."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, create_model

from billing.edge import (
    ChargeModel,
    DisputeModel,
    EvidenceModel,
    ReceiptModel,
    RefundModel,
)
from billing.http.times import UtcIn, UtcOut
from billing.types import (
    Admission,
    DisputeKind,
    DisputeState,
    Draft,
    ItemCount,
    Payment,
    PaymentAction,
    PaymentState,
    Receipt,
    RefundReason,
    StoredVisit,
    VisitKind,
)
from store_layout.model import Strict

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,79}$", examples=["visit-20261122-000017"])]
RefundKey = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$", description="an id, or ``dispute:`` and a dispute's id")
]
Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["cola-05"])]
Token = Annotated[str, Field(pattern=r"^[!-~]{1,255}$", description="what stands for a card at the gateway")]
Text = Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f]+$")]
At = Annotated[UtcIn | None, Field(description="when it happened; without it, now")]


def _out(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return ``model`` with each time in nanoseconds as text: ``issued_at_ns`` becomes ``issued_at``."""
    fields: dict[str, Any] = {}
    for key, info in model.model_fields.items():
        if key.endswith("_ns"):
            is_optional = info.annotation is not int
            kind: Any = UtcOut | None if is_optional else UtcOut
            fields[key.removesuffix("_ns")] = (kind, Field(validation_alias=key))
        else:
            fields[key] = (info.annotation, info)
    made: type[BaseModel] = create_model(name, __base__=Strict, __doc__=model.__doc__, **fields)
    return made


ReceiptOut = _out(ReceiptModel, "Receipt")
ChargeOut = _out(ChargeModel, "Charge")
RefundOut = _out(RefundModel, "Refund")
DisputeOut = _out(DisputeModel, "Dispute")
EvidenceOut = _out(EvidenceModel, "Evidence")


PayoutOut: type[BaseModel] = create_model(
    "Payout",
    __base__=RefundOut,
    __doc__="A refund of which the till has paid something out.",
    paid_out_minor=(int, Field(ge=1, description="what to hand over, by this cash_id")),
)


def shown(model: BaseModel, out: type[BaseModel]) -> BaseModel:
    """Return a model of ``edge`` as HTTP shows it."""
    return out.model_validate(model.model_dump())


class CountIn(Strict):
    """So many of one product."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=10_000)]


Counts = Annotated[tuple[CountIn, ...], Field(max_length=500)]


def counts(items: tuple[CountIn, ...]) -> tuple[ItemCount, ...]:
    """Return items as billing knows them."""
    return tuple(ItemCount(item.sku, item.quantity) for item in items)


class VisitIn(Strict):
    """Somebody at the gate, with a token, or an entry pass in its place; cash shoppers and staff need neither."""

    visit_id: Id
    token: Token | None = None
    entry_pass: Annotated[str, Field(max_length=1_000)] | None = None
    kind: VisitKind = VisitKind.SHOPPER
    party_size: Annotated[int, Field(ge=1, le=50)] = 1
    at: At = None


class JoinIn(Strict):
    """One more of a group."""

    scan_id: Id
    token: Token
    at: At = None


class PaymentOut(Strict):
    """A request to the gateway; the token stays inside."""

    key: str
    action: PaymentAction
    currency: str
    amount_minor: int
    of: str | None
    state: PaymentState
    reference: str | None
    reason: str | None
    created_at: UtcOut
    settled_at: UtcOut | None
    expires_at: UtcOut | None

    @classmethod
    def of_payment(cls, payment: Payment) -> Self:
        """Take a payment apart."""
        return cls(
            key=payment.key,
            action=payment.action,
            currency=payment.amount.currency,
            amount_minor=payment.amount.minor,
            of=payment.of,
            state=payment.state,
            reference=payment.reference,
            reason=payment.reason,
            created_at=payment.created_at_ns,
            settled_at=payment.settled_at_ns,
            expires_at=payment.expires_at_ns,
        )


class AdmissionOut(Strict):
    """What the gate is told: ``refused`` says why not, and is null where all is well."""

    visit_id: str
    at: UtcOut
    refused: str | None
    hold: PaymentOut | None

    @classmethod
    def of(cls, admission: Admission) -> Self:
        """Take an admission apart."""
        hold = None if admission.hold is None else PaymentOut.of_payment(admission.hold)
        return cls(visit_id=admission.visit_id, at=admission.at_ns, refused=admission.refused, hold=hold)


class VisitOut(Strict):
    """A visit: as it was opened, and what is owed once its receipt is final."""

    visit_id: str
    opened_at: UtcOut
    kind: VisitKind
    party_size: int
    is_member: bool
    refused: str | None

    @classmethod
    def of(cls, visit: StoredVisit) -> Self:
        """Take a visit apart."""
        opened = visit.opened
        return cls(
            visit_id=opened.visit_id,
            opened_at=opened.at_ns,
            kind=opened.kind,
            party_size=opened.party_size,
            is_member=opened.is_member,
            refused=visit.refused,
        )


class DraftIn(Strict):
    """A cart as it is now: all of it, not what changed."""

    items: Counts
    at: At = None


class DraftOut(Strict):
    """A cart, priced as if it were final."""

    visit_id: str
    version: int
    at: UtcOut
    receipt: ReceiptOut  # type: ignore[valid-type]  # made from the model of ``edge``

    @classmethod
    def of(cls, draft: Draft, priced: Receipt) -> Self:
        """Take a draft apart."""
        receipt = shown(ReceiptModel.of(priced), ReceiptOut)
        return cls(visit_id=draft.visit_id, version=draft.version, at=draft.at_ns, receipt=receipt)


class FinalIn(Strict):
    """A final cart."""

    items: Counts
    at: At = None


class AgainIn(Strict):
    """A card that is to pay what is owed."""

    token: Token
    at: At = None


class CashIn(Strict):
    """Money at the till; ``cash_id`` is the till's own number for it."""

    cash_id: Id
    at: At = None


class CorrectionIn(Strict):
    """Units that a final receipt lacks."""

    correction_id: Id
    items: Annotated[Counts, Field(min_length=1)]
    at: At = None


class RefundIn(Strict):
    """Units to give back; none mean all that is left."""

    refund_id: Id
    visit_id: Id
    reason: RefundReason
    items: Counts = ()
    at: At = None


class DisputeIn(Strict):
    """Units that a shopper contests or brings back."""

    dispute_id: Id
    visit_id: Id
    kind: DisputeKind
    items: Annotated[Counts, Field(min_length=1)]
    text: Text = ""
    at: At = None


class DecisionIn(Strict):
    """What an operator found."""

    state: DisputeState
    note: Text
    at: At = None


class EvidenceIn(Strict):
    """A clip or picture, by its place and SHA-256."""

    evidence_id: Id
    name: Name
    media_type: Annotated[str, Field(pattern=r"^[a-z0-9.+-]+/[a-z0-9.+-]+$", max_length=80)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    location: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]+$")]


class SignInIn(Strict):
    """An operator's login and password."""

    login: Name
    password: Annotated[str, Field(max_length=200)]


class SessionOut(Strict):
    """A session: send its token as ``Authorization: Bearer``."""

    token: str
    expires_at: UtcOut


class BalanceOut(Strict):
    """An account of the ledger: debits positive."""

    account: str
    currency: str
    balance_minor: int


class DifferenceOut(Strict):
    """One request of which our books and the gateway say different things, and what to do."""

    key: str
    problem: str
    mend: str


class AuditOut(Strict):
    """Who did what."""

    audit_id: int
    at: UtcOut
    who: str
    action: str
    subject: str
    status: int
    detail: str | None


class EventOut(Strict):
    """Something that happened; ``data`` is the topic's body."""

    event_id: int
    topic: str
    visit_id: str
    at: UtcOut
    data: dict[str, Any]


class Page(Strict):
    """A page: ask for the next with ``cursor``, null on the last."""

    cursor: str | None


class VisitPage(Page):
    """Visits, latest first."""

    items: tuple[VisitOut, ...]


class DisputePage(Page):
    """Disputes, latest first."""

    items: tuple[DisputeOut, ...]  # type: ignore[valid-type]


class AuditPage(Page):
    """The audit log, latest first."""

    items: tuple[AuditOut, ...]


class EventPage(Page):
    """Events, earliest first: keep the last ``cursor`` to go on later."""

    items: tuple[EventOut, ...]


class Charges(Strict):
    """A visit's charges, in order."""

    items: tuple[ChargeOut, ...]  # type: ignore[valid-type]
    owed_minor: int
    currency: str


class Payments(Strict):
    """A visit's requests to the gateway, in order."""

    items: tuple[PaymentOut, ...]


class Refunds(Strict):
    """A visit's refunds, in order."""

    items: tuple[RefundOut, ...]  # type: ignore[valid-type]


class Disputes(Strict):
    """A visit's disputes, in order."""

    items: tuple[DisputeOut, ...]  # type: ignore[valid-type]


class DisputeDetail(Strict):
    """A dispute and what was laid before the operator."""

    dispute: DisputeOut  # type: ignore[valid-type]
    evidence: tuple[EvidenceOut, ...]  # type: ignore[valid-type]


class Balances(Strict):
    """The ledger's balances; they sum to zero in each currency."""

    items: tuple[BalanceOut, ...]


class Reconciled(Strict):
    """Where our books and the gateway's list differ; nothing when all is well."""

    compared: int
    differences: tuple[DifferenceOut, ...]


class Resolved(Strict):
    """Charges that were open, as they now stand."""

    items: tuple[ChargeOut, ...]  # type: ignore[valid-type]


class Health(Strict):
    """How the service is; ``checks`` says what of each part."""

    status: str
    checks: dict[str, str]
