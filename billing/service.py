"""From a final cart to a charge: once, whatever breaks in between.

The order of writes is the whole trick. The receipt and a charge in state UNKNOWN are written
before the gateway is asked; its answer and the ledger posting are written together afterwards.
Whatever dies in between leaves UNKNOWN, and asking the gateway again by the same key tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from billing.errors import ChargeStateError, GatewayRefused, GatewayTimeout, KeyConflict
from billing.gateway import CaptureRequest, Gateway
from billing.ledger import capture_posting
from billing.pricebook import PriceBook
from billing.receipt import make_receipt
from billing.store import BillingStore, Books
from billing.types import Charge, ChargeState, Receipt, ReceiptInput, charge_key


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of a charge."""

    status: Literal["captured", "declined"]
    reference: str | None
    reason: str | None


class BillingService:
    """The ``BillingPort`` on a local database and a gateway."""

    def __init__(self, book: PriceBook, store: BillingStore, gateway: Gateway) -> None:
        self._book = book
        self._store = store
        self._gateway = gateway

    def finalise(self, given: ReceiptInput) -> Charge:
        """See ``BillingPort.finalise``."""
        receipt = make_receipt(given, self._book)
        with self._store.transaction() as books:
            charge = _known_charge(books, receipt) or _first_charge(books, receipt, given)
        return self._send(charge, given.final_at_ns) if charge.state is ChargeState.UNKNOWN else charge

    def charge_again(self, visit_id: str, token: str, at_ns: int) -> Charge:
        """Try another card after a decline, as the visit's next charge.

        Raises ChargeStateError unless the visit's last charge was declined.
        """
        with self._store.transaction() as books:
            receipt, known = books.receipt(visit_id), books.charges(visit_id)
            if receipt is None or not known or known[-1].state is not ChargeState.DECLINED:
                raise ChargeStateError(f"{visit_id}: only a declined charge can be tried again")
            charge = _new_charge(receipt, len(known) + 1, token, at_ns)
            books.add_charge(charge)
        return self._send(charge, at_ns)

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """See ``BillingPort.resolve_unknown``. A request that never arrived is sent again by the same key."""
        with self._store.transaction() as books:
            unknown = books.unknown()
        return tuple(self._resolve(charge, at_ns) for charge in unknown)

    def receipt(self, visit_id: str) -> Receipt | None:
        """See ``BillingPort.receipt``."""
        with self._store.transaction() as books:
            return books.receipt(visit_id)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """See ``BillingPort.charges``."""
        with self._store.transaction() as books:
            return books.charges(visit_id)

    def balances(self) -> dict[tuple[str, str], int]:
        """Return the ledger's balances in minor units by (account, currency)."""
        with self._store.transaction() as books:
            return books.balances()

    def _resolve(self, charge: Charge, at_ns: int) -> Charge:
        try:
            answer = self._gateway.find(charge.key)
        except GatewayTimeout:
            return charge
        if answer is None:
            return self._send(charge, at_ns)
        if answer.receipt_digest != charge.receipt_digest:
            return self._settle(
                charge, _Outcome("declined", None, "the gateway knows this key for another receipt"), at_ns
            )
        return self._settle(charge, _Outcome(answer.status, answer.reference, answer.reason), at_ns)

    def _send(self, charge: Charge, at_ns: int) -> Charge:
        """Ask the gateway. A request that it does not take moved no money: the charge is declined."""
        request = CaptureRequest(charge.key, charge.receipt_digest, charge.token, charge.amount)
        try:
            answer = self._gateway.capture(request)
        except GatewayTimeout:
            return charge
        except (GatewayRefused, KeyConflict) as refusal:
            return self._settle(charge, _Outcome("declined", None, str(refusal)), at_ns)
        return self._settle(charge, _Outcome(answer.status, answer.reference, answer.reason), at_ns)

    def _settle(self, charge: Charge, outcome: _Outcome, at_ns: int) -> Charge:
        """Write the gateway's answer and what it moves in the ledger, together and once."""
        settled = replace(
            charge,
            state=ChargeState(outcome.status),
            settled_at_ns=at_ns,
            gateway_reference=outcome.reference,
            decline_reason=outcome.reason,
        )
        with self._store.transaction() as books:
            if books.settle(settled) and settled.state is ChargeState.CAPTURED:
                receipt = books.receipt(charge.visit_id)
                assert receipt is not None  # the database's foreign key holds it
                books.post(capture_posting(settled, receipt, at_ns))
            written = books.charge(charge.key)
        assert written is not None  # charges are never deleted
        return written


def _known_charge(books: Books, receipt: Receipt) -> Charge | None:
    """Return the visit's last charge if it has one for this very receipt. Raises KeyConflict for another."""
    known = books.charges(receipt.visit_id)
    if known and known[-1].receipt_digest != receipt.digest:
        raise KeyConflict(
            f"{known[-1].key} was made for receipt {known[-1].receipt_digest[:12]}, not {receipt.digest[:12]}: "
            "a final receipt changes only by a refund or a further charge"
        )
    return known[-1] if known else None


def _first_charge(books: Books, receipt: Receipt, given: ReceiptInput) -> Charge:
    charge = _new_charge(receipt, 1, given.token, given.final_at_ns)
    books.add_receipt(receipt)
    books.add_charge(charge)
    return charge


def _new_charge(receipt: Receipt, number: int, token: str, at_ns: int) -> Charge:
    """Make a charge that is not sent yet; nothing to pay is void at once."""
    void = receipt.total.minor == 0
    return Charge(
        key=charge_key(receipt.visit_id, number),
        visit_id=receipt.visit_id,
        number=number,
        receipt_digest=receipt.digest,
        token=token,
        amount=receipt.total,
        state=ChargeState.VOID if void else ChargeState.UNKNOWN,
        created_at_ns=at_ns,
        settled_at_ns=at_ns if void else None,
    )
