"""Receipts, charges and all else as JSON: the models that files, events and HTTP carry."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field

from billing.money import Money
from billing.types import (
    AppliedPromotion,
    Charge,
    ChargeState,
    Dispute,
    DisputeKind,
    DisputeState,
    Draft,
    Evidence,
    ItemCount,
    LineKind,
    OpenVisit,
    Receipt,
    ReceiptLine,
    Refund,
    RefundReason,
    RefundState,
    TaxLine,
    VisitKind,
)
from store_layout.model import Strict


class LineModel(Strict):
    """One product of a receipt or its deposit; amounts in minor units of the receipt's currency."""

    sku: str
    name: str
    quantity: Annotated[int, Field(ge=1)]
    unit_price_minor: int
    amount_minor: int
    tax_class: str | None
    discount_minor: Annotated[int, Field(ge=0)] = 0
    kind: LineKind = LineKind.PRODUCT
    age_restricted: bool = False

    @classmethod
    def of(cls, line: ReceiptLine) -> Self:
        """Take a line apart for JSON."""
        return cls(
            sku=line.sku,
            name=line.name,
            quantity=line.quantity,
            unit_price_minor=line.unit_price.minor,
            amount_minor=line.amount.minor,
            tax_class=line.tax_class,
            discount_minor=line.discount.minor,
            kind=line.kind,
            age_restricted=line.age_restricted,
        )

    def line(self, currency: str) -> ReceiptLine:
        """Put the line together again."""
        return ReceiptLine(
            sku=self.sku,
            name=self.name,
            quantity=self.quantity,
            unit_price=Money(self.unit_price_minor, currency),
            amount=Money(self.amount_minor, currency),
            tax_class=self.tax_class,
            discount=Money(self.discount_minor, currency),
            kind=self.kind,
            age_restricted=self.age_restricted,
        )


class AppliedPromotionModel(Strict):
    """What a promotion took off a receipt."""

    promotion_id: str
    name: str
    discount_minor: Annotated[int, Field(ge=0)]
    members_only: bool

    @classmethod
    def of(cls, applied: AppliedPromotion) -> Self:
        """Take an applied promotion apart for JSON."""
        return cls(
            promotion_id=applied.promotion_id,
            name=applied.name,
            discount_minor=applied.discount.minor,
            members_only=applied.members_only,
        )

    def applied(self, currency: str) -> AppliedPromotion:
        """Put it together again."""
        return AppliedPromotion(self.promotion_id, self.name, Money(self.discount_minor, currency), self.members_only)


class TaxModel(Strict):
    """One tax class of a receipt."""

    tax_class: str
    rate_percent: Decimal
    inclusive: bool
    net_minor: int
    tax_minor: int
    gross_minor: int

    @classmethod
    def of(cls, tax: TaxLine) -> Self:
        """Take a tax line apart for JSON."""
        return cls(
            tax_class=tax.tax_class,
            rate_percent=tax.rate_percent,
            inclusive=tax.inclusive,
            net_minor=tax.net.minor,
            tax_minor=tax.tax.minor,
            gross_minor=tax.gross.minor,
        )

    def tax_line(self, currency: str) -> TaxLine:
        """Put the tax line together again."""
        net, tax, gross = (Money(minor, currency) for minor in (self.net_minor, self.tax_minor, self.gross_minor))
        return TaxLine(self.tax_class, self.rate_percent, self.inclusive, net, tax, gross)


class ReceiptModel(Strict):
    """receipt.json. Version 2 brought discounts, promotions and deposits; files of version 1 are read as without any."""

    version: Literal[1, 2] = 2
    visit_id: str
    issued_at_ns: int
    currency: str
    lines: tuple[LineModel, ...]
    taxes: tuple[TaxModel, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    digest: str
    promotions: tuple[AppliedPromotionModel, ...] = ()

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Take a receipt apart for JSON."""
        return cls(
            visit_id=receipt.visit_id,
            issued_at_ns=receipt.issued_at_ns,
            currency=receipt.currency,
            lines=tuple(LineModel.of(line) for line in receipt.lines),
            taxes=tuple(TaxModel.of(tax) for tax in receipt.taxes),
            net_minor=receipt.net.minor,
            tax_minor=receipt.tax.minor,
            total_minor=receipt.total.minor,
            digest=receipt.digest,
            promotions=tuple(AppliedPromotionModel.of(applied) for applied in receipt.promotions),
        )

    def receipt(self) -> Receipt:
        """Put the receipt together again."""

        def money(minor: int) -> Money:
            return Money(minor, self.currency)

        taxes = tuple(each.tax_line(self.currency) for each in self.taxes)
        return Receipt(
            visit_id=self.visit_id,
            issued_at_ns=self.issued_at_ns,
            currency=self.currency,
            lines=tuple(line.line(self.currency) for line in self.lines),
            taxes=taxes,
            net=money(self.net_minor),
            tax=money(self.tax_minor),
            total=money(self.total_minor),
            digest=self.digest,
            promotions=tuple(applied.applied(self.currency) for applied in self.promotions),
        )


class ChargeModel(Strict):
    """A charge beside its receipt."""

    key: str
    visit_id: str
    number: Annotated[int, Field(ge=1)]
    receipt_digest: str
    currency: str
    amount_minor: int
    paid_minor: int
    state: ChargeState
    created_at_ns: int
    settled_at_ns: int | None
    gateway_reference: str | None
    decline_reason: str | None

    @classmethod
    def of(cls, charge: Charge) -> Self:
        """Take a charge apart for JSON. The token stays inside."""
        return cls(
            key=charge.key,
            visit_id=charge.visit_id,
            number=charge.number,
            receipt_digest=charge.receipt_digest,
            currency=charge.amount.currency,
            amount_minor=charge.amount.minor,
            paid_minor=charge.paid.minor,
            state=charge.state,
            created_at_ns=charge.created_at_ns,
            settled_at_ns=charge.settled_at_ns,
            gateway_reference=charge.gateway_reference,
            decline_reason=charge.decline_reason,
        )


class CountModel(Strict):
    """So many of one product."""

    sku: str
    quantity: Annotated[int, Field(ge=1)]


class RefundModel(Strict):
    """A refund; amounts in minor units of its currency."""

    key: str
    visit_id: str
    digest: str
    reason: RefundReason
    items: tuple[CountModel, ...]
    taxes: tuple[TaxModel, ...]
    currency: str
    untaxed_minor: int
    amount_minor: int
    state: RefundState
    created_at_ns: int

    @classmethod
    def of(cls, refund: Refund) -> Self:
        """Take a refund apart for JSON."""
        return cls(
            key=refund.key,
            visit_id=refund.visit_id,
            digest=refund.digest,
            reason=refund.reason,
            items=tuple(CountModel(sku=item.sku, quantity=item.quantity) for item in refund.items),
            taxes=tuple(TaxModel.of(tax) for tax in refund.taxes),
            currency=refund.amount.currency,
            untaxed_minor=refund.untaxed.minor,
            amount_minor=refund.amount.minor,
            state=refund.state,
            created_at_ns=refund.created_at_ns,
        )

    def refund(self) -> Refund:
        """Put the refund together again."""
        return Refund(
            key=self.key,
            visit_id=self.visit_id,
            digest=self.digest,
            reason=self.reason,
            items=tuple(ItemCount(item.sku, item.quantity) for item in self.items),
            taxes=tuple(tax.tax_line(self.currency) for tax in self.taxes),
            untaxed=Money(self.untaxed_minor, self.currency),
            amount=Money(self.amount_minor, self.currency),
            state=self.state,
            created_at_ns=self.created_at_ns,
        )


class VisitModel(Strict):
    """A visit as it was opened. The token stays inside."""

    visit_id: str
    opened_at_ns: int
    kind: VisitKind
    party_size: Annotated[int, Field(ge=1)]
    is_member: bool
    refused: str | None

    @classmethod
    def of(cls, visit: OpenVisit, refused: str | None) -> Self:
        """Take a visit apart for JSON."""
        return cls(
            visit_id=visit.visit_id,
            opened_at_ns=visit.at_ns,
            kind=visit.kind,
            party_size=visit.party_size,
            is_member=visit.is_member,
            refused=refused,
        )


class DraftModel(Strict):
    """A cart as it is now, priced as if it were final; ``version`` counts its changes."""

    visit_id: str
    version: Annotated[int, Field(ge=1)]
    at_ns: int
    receipt: ReceiptModel

    @classmethod
    def of(cls, draft: Draft, priced: Receipt) -> Self:
        """Take a draft apart for JSON."""
        return cls(visit_id=draft.visit_id, version=draft.version, at_ns=draft.at_ns, receipt=ReceiptModel.of(priced))


class CorrectedModel(Strict):
    """A receipt after a correction, in place of the one before."""

    correction_id: str
    receipt: ReceiptModel


class DisputeBody(Strict):
    """What a shopper contests or returns, as it is stored."""

    kind: DisputeKind
    items: Annotated[tuple[CountModel, ...], Field(min_length=1)]
    text: str


class EvidenceModel(Strict):
    """A clip or picture that was laid before the operator, by its place and SHA-256."""

    evidence_id: str
    name: str
    media_type: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    location: str
    added_by: str
    added_at_ns: int

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """Take a piece of evidence apart for JSON."""
        return cls(
            evidence_id=evidence.evidence_id,
            name=evidence.name,
            media_type=evidence.media_type,
            sha256=evidence.sha256,
            location=evidence.location,
            added_by=evidence.added_by,
            added_at_ns=evidence.added_at_ns,
        )


class DisputeModel(Strict):
    """What a shopper contests or returns, and what came of it."""

    dispute_id: str
    visit_id: str
    kind: DisputeKind
    items: Annotated[tuple[CountModel, ...], Field(min_length=1)]
    text: str
    state: DisputeState
    opened_at_ns: int
    decided_at_ns: int | None
    decided_by: str | None
    note: str | None
    refund_key: str | None

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        """Take a dispute apart for JSON."""
        asked = dispute.asked
        return cls(
            dispute_id=asked.dispute_id,
            visit_id=asked.visit_id,
            kind=asked.kind,
            items=tuple(CountModel(sku=item.sku, quantity=item.quantity) for item in asked.items),
            text=asked.text,
            state=dispute.state,
            opened_at_ns=asked.at_ns,
            decided_at_ns=dispute.decided_at_ns,
            decided_by=dispute.decided_by,
            note=dispute.note,
            refund_key=dispute.refund_key,
        )


class ExampleModel(Strict):
    """A decided dispute as a labelled example: what was billed and contested, what was seen, what an operator found."""

    dispute: DisputeModel
    evidence: tuple[EvidenceModel, ...]
