"""Embedded billing for a run whose scans may be passes: the visit is opened by the pass, with the shopper's card."""

from __future__ import annotations

from collections.abc import Callable

from billing.service import BillingService
from billing.shoppers import Shoppers
from billing.types import Admission, Charge, Draft, ItemCount, OpenVisit, Receipt, ReceiptInput
from tillfree.live.tokens import pass_of


class PassBilling:
    """The ``BillingPort`` on billing in this process, where a visit's token may be ``tokens.pass_token``."""

    def __init__(self, service: BillingService, shoppers: Shoppers, clock: Callable[[], int]) -> None:
        """``clock`` says how late a pass is told of: visits may be opened long after the gate saw it."""
        self._service, self._shoppers, self._clock = service, shoppers, clock

    def open_visit(self, given: OpenVisit) -> Admission:
        """See ``BillingPort.open_visit``. Raises PassError, too, for a pass that opens nothing (any more)."""
        text = pass_of(given.token)
        if text is None:
            return self._service.open_visit(given)
        opened = self._shoppers.admit(text, given.visit_id, given.party_size, given.at_ns, self._clock())
        return self._service.open_visit(opened)

    def put_draft(self, visit_id: str, items: tuple[ItemCount, ...], at_ns: int) -> tuple[Draft, Receipt]:
        """See ``BillingPort.put_draft``."""
        return self._service.put_draft(visit_id, items, at_ns)

    def finalise(self, given: ReceiptInput) -> Charge:
        """See ``BillingPort.finalise``. A visit by pass is charged to the card that it was opened with.

        Raises UnknownVisit where a visit by pass was not opened.
        """
        if pass_of(given.token) is None:
            return self._service.finalise(given)
        return self._service.finish(given.visit_id, given.items, given.final_at_ns)

    def resolve_unknown(self, at_ns: int) -> tuple[Charge, ...]:
        """See ``BillingPort.resolve_unknown``."""
        return self._service.resolve_unknown(at_ns)

    def receipt(self, visit_id: str) -> Receipt | None:
        """See ``BillingPort.receipt``."""
        return self._service.receipt(visit_id)

    def charges(self, visit_id: str) -> tuple[Charge, ...]:
        """See ``BillingPort.charges``."""
        return self._service.charges(visit_id)
