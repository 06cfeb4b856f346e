"""Registering cards with Stripe: its hosted page (a Checkout Session in setup mode) takes the number.

Needs the extra ``tillfree[stripe]``. The token ``cus_X/pm_Y`` is what ``StripeGateway`` takes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from billing.cards import CardForm, CardOnFile, check_return_url
from billing.errors import CardDeclined, GatewayRefused
from billing.stripe_client import (
    API_BASE,
    LONGEST_KEY,
    LONGEST_VALUE,
    StripeConnection,
    at,
    token_parts,
    translated,
)

if TYPE_CHECKING:
    import stripe

_KEY = "tillfree-card:"
_SHOPPER_KEY = "tillfree-shopper:"
_SHOPPER = "tillfree_shopper"


class StripeCardDesk:
    """A ``CardDesk`` on a Stripe account. Safe to use from several threads. A form lapses after 24 hours.

    Stripe forgets keys after a day or more: ``begin`` with the same key is then another form, and the shopper another
    customer at Stripe. Neither moves money. ``timeout_s`` is per request.

    Raises GatewayError where the library is not installed.
    """

    def __init__(self, api_key: str, *, api_base: str = API_BASE, timeout_s: float = 10.0) -> None:
        self._connection = StripeConnection(api_key, api_base, timeout_s)
        self._stripe = self._connection.vendor
        client = self._connection.client.v1
        self._customers, self._sessions, self._methods = (
            client.customers,
            client.checkout.sessions,
            client.payment_methods,
        )

    def close(self) -> None:
        """Close this thread's connections."""
        self._connection.close()

    def begin(self, shopper_id: str, return_url: str, key: str) -> CardForm:
        """See ``CardDesk.begin``. Raises GatewayRefused also for a shopper or key that is too long for Stripe."""
        check_return_url(return_url)
        _check_lengths(shopper_id, key)
        with translated(self._stripe, key):
            params: stripe.params.checkout.SessionCreateParams = {
                "mode": "setup",
                "customer": self._customer(shopper_id),
                "allowed_payment_method_types": ["card"],
                "success_url": return_url,
                "cancel_url": return_url,
            }
            session = self._sessions.create(params, {"idempotency_key": _KEY + key})
        if session.url is None:
            raise GatewayRefused(f"{key}: Stripe gave the form no address")
        return CardForm(session.id, session.url)

    def finish(self, reference: str) -> CardOnFile | None:
        """See ``CardDesk.finish``."""
        if not reference.startswith("cs_"):
            raise GatewayRefused("the reference is no Checkout Session of Stripe's")
        with translated(self._stripe, reference):
            session = self._sessions.retrieve(reference, {"expand": ["setup_intent.payment_method"]})
        if session.mode != "setup":
            raise GatewayRefused(f"{reference}: is no form for a card")
        return None if session.status == "open" else _card_of(session)

    def forget(self, token: str) -> None:
        """See ``CardDesk.forget``. The customer stays at Stripe: refunds and disputes name them."""
        customer, method = token_parts(token)
        with translated(self._stripe, method):
            if not self._is_kept(customer, method):
                return
            try:
                self._methods.detach(method)
            except self._stripe.InvalidRequestError:
                if self._is_kept(customer, method):  # not detached by another meanwhile either
                    raise

    def _customer(self, shopper_id: str) -> str:
        key = _SHOPPER_KEY + hashlib.sha256(shopper_id.encode()).hexdigest()
        return self._customers.create({"metadata": {_SHOPPER: shopper_id}}, {"idempotency_key": key}).id

    def _is_kept(self, customer: str, method: str) -> bool:
        """Tell whether a card is still its customer's. Raises GatewayRefused where it is another's."""
        owner = self._methods.retrieve(method).customer
        if owner not in (None, customer):
            raise GatewayRefused(f"{method} is not a card of {customer}")
        return owner is not None


def _check_lengths(shopper_id: str, key: str) -> None:
    if not 0 < len(shopper_id) <= LONGEST_VALUE:
        raise GatewayRefused(f"shopper_id: has {len(shopper_id)} characters, Stripe takes 1 to {LONGEST_VALUE}")
    if len(_KEY + key) > LONGEST_KEY:
        raise GatewayRefused(
            f"{key}: longer than the {LONGEST_KEY - len(_KEY)} characters that Stripe leaves for a key"
        )


def _card_of(session: stripe.checkout.Session) -> CardOnFile | None:
    """Return the card of a form that is no longer open, None while Stripe is still at it."""
    status, error = at(session, "setup_intent.status"), at(session, "setup_intent.last_setup_error")
    if status == "succeeded":
        return _kept(session)
    if error is not None:
        raise CardDeclined(str(at(error, "decline_code") or at(error, "code") or "card_declined"))
    if session.status == "expired" or status in (None, "canceled", "requires_payment_method"):
        raise GatewayRefused(f"{session.id}: the form lapsed")
    return None


def _kept(session: stripe.checkout.Session) -> CardOnFile:
    method, card = at(session, "setup_intent.payment_method"), at(session, "setup_intent.payment_method.card")
    if card is None:
        raise GatewayRefused(f"{session.id}: what was registered is no card")
    if method.customer is None:
        raise GatewayRefused(f"{session.id}: the card was forgotten")
    expires = f"{card.exp_year:04}-{card.exp_month:02}"
    return CardOnFile(f"{method.customer}/{method.id}", card.brand.lower(), card.last4, expires)
