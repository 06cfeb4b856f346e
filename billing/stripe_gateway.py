"""Stripe as the payment gateway. Needs the extra ``tillfree[stripe]``.

Stripe's types are known here, in ``stripe_cards`` and in ``stripe_client``, which both share, and nowhere else. A
hold is a PaymentIntent with manual capture; captures and voids change that intent, refunds are objects of their own.
Every request leaves a *mark* in its intent's metadata: its key, action, amount and digest. Marks outlive Stripe's
idempotency keys, which are pruned after a day or more, so that asking again never pays again. See docs/adr/0013.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from billing.errors import GatewayRefused, GatewayTimeout, KeyConflict, WebhookError
from billing.gateway import EXPIRED, GIVEN_UP, GatewayAnswer, GatewayRequest
from billing.money import Money, decimals
from billing.stripe_client import (
    API_BASE,
    LONGEST_KEY,
    LONGEST_VALUE,
    StripeConnection,
    at,
    token_parts,
    translated,
    vendor_library,
)
from billing.types import PaymentAction, PaymentState

if TYPE_CHECKING:
    import stripe

_S = 10**9
_DAY_S = 86_400
_HOLD_S = 7 * _DAY_S
_MARK = "tillfree_"
_ABANDONED: Literal["abandoned"] = "abandoned"
"""Stripe's reason of a cancellation that ``cancel`` asked for; a void gives none. It is written with the deed."""
_WITH_CHARGE = ["latest_charge"]
_TAKING = (PaymentAction.HOLD, PaymentAction.CHARGE)
_IN_ORDER = (PaymentAction.HOLD, PaymentAction.CHARGE, PaymentAction.CAPTURE, PaymentAction.VOID)

_SMALLEST_MINOR = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD", "USD", "JPY"), 50),
    **dict.fromkeys(("AED", "MYR", "PLN", "RON"), 200),
    **dict.fromkeys(("NOK", "SEK"), 300),
    **dict.fromkeys(("MXN", "THB"), 1_000),
    "BGN": 100,
    "CZK": 1_500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
}
"""Smallest charge in minor units: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.

Stripe's table is by the currency that the account settles in; these hold for an account that settles in the currency
that it charges.
"""

_AS_HUNDREDTHS = ("ISK", "UGX")
"""Without decimals by ISO 4217, with two, always 00, at Stripe: https://docs.stripe.com/currencies#special-cases."""

_THOUSANDTHS = ("BHD", "JOD", "KWD", "OMR", "TND")
"""Three decimals, the last of them always 0: https://docs.stripe.com/currencies#three-decimal."""


@dataclass(frozen=True, slots=True)
class StripeNews:
    """What a webhook told: ``kind`` is Stripe's event type, ``key`` the request it is about, None for nothing of ours.

    News may come twice and in any order, so they say only that it is worth asking (``resolve_unknown``).
    """

    event_id: str
    kind: str
    key: str | None
    occurred_at_ns: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a request leaves behind in metadata."""

    key: str
    action: PaymentAction
    amount: Money
    digest: str

    @property
    def name(self) -> str:
        return _mark_name(self.key)

    @property
    def metadata(self) -> dict[str, str]:
        fields = {
            "key": self.key,
            "action": self.action.value,
            "minor": self.amount.minor,
            "currency": self.amount.currency,
            "digest": self.digest,
        }
        return {self.name: json.dumps(fields, separators=(",", ":"))}


@dataclass(frozen=True, slots=True)
class _Intent:
    """What is needed of a PaymentIntent.

    ``authorised``: its card was charged or held at some time. ``given_up``: it was cancelled as abandoned.
    """

    id: str
    status: str
    marks: tuple[_Mark, ...]
    created_s: int
    authorised: bool
    given_up: bool
    capture_before_s: int | None
    failure: str | None

    @property
    def expires_at_ns(self) -> int:
        return _S * (self.capture_before_s or self.created_s + _HOLD_S)

    def mark(self, key: str) -> _Mark | None:
        return next((mark for mark in self.marks if mark.key == key), None)

    def has(self, action: PaymentAction) -> bool:
        return any(mark.action is action for mark in self.marks)


class StripeGateway:
    """A ``Gateway`` on a Stripe account. Safe to use from several threads.

    Tokens have the form ``cus_X/pm_Y``: a customer and a card of theirs that was saved for use off session.
    ``look_back_days`` is how far back ``send`` looks for an earlier request of the same key; ``listing_since_ns`` is
    where ``listing`` begins. ``timeout_s`` is per request; nothing is tried twice here, since billing asks again.

    Raises GatewayError where the library is not installed.
    """

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str = API_BASE,
        timeout_s: float = 10.0,
        look_back_days: int = 60,
        listing_since_ns: int = 0,
    ) -> None:
        self._connection = StripeConnection(api_key, api_base, timeout_s)
        self._stripe = self._connection.vendor
        client = self._connection.client
        self._intents, self._refunds = client.v1.payment_intents, client.v1.refunds
        self._look_back_s, self._listing_since_s = look_back_days * _DAY_S, listing_since_ns // _S

    def close(self) -> None:
        """Close this thread's connections."""
        self._connection.close()

    def send(self, request: GatewayRequest) -> GatewayAnswer:
        """See ``Gateway.send``. Looks for an earlier request of this key first, in lists that are never behind.

        Raises GatewayRefused also for a token of another form and an amount that Stripe cannot take in its currency.
        """
        _check(request)
        mark = _Mark(request.key, request.action, request.amount, request.digest)
        if len(mark.metadata[mark.name]) > LONGEST_VALUE:
            raise GatewayRefused(f"{request.key}: key and digest are longer than Stripe's metadata take")
        with translated(self._stripe, request.key):
            match request.action:
                case PaymentAction.HOLD | PaymentAction.CHARGE:
                    return self._take(request, mark)
                case PaymentAction.CAPTURE:
                    return self._capture(request, mark)
                case PaymentAction.VOID:
                    return self._void(request, mark)
                case PaymentAction.REFUND:
                    return self._refund(request, mark)

    def find(self, key: str) -> GatewayAnswer | None:
        """See ``Gateway.find``. Search is behind by a minute, in outages an hour: None may mean "not yet".

        Sending again after such a None is safe, since ``send`` looks in lists, which are not behind.
        """
        try:
            with translated(self._stripe, key):
                intent = self._searched(key)
                mark = None if intent is None else intent.mark(key)
                return None if intent is None or mark is None else self._known(intent, mark)
        except (GatewayRefused, KeyConflict) as refusal:  # of the search: nothing is known of the key
            raise GatewayTimeout(f"{key}: {refusal}") from refusal

    def cancel(self, key: str) -> GatewayAnswer:
        """See ``Gateway.cancel``. Where search does not find ``key``, all intents of the account are gone through.

        A hold that was authenticated between our look and our cancellation is let go: DECLINED as well.
        """
        try:
            with translated(self._stripe, key):
                intent = self._searched(key) or self._with_mark(self._intents_since(0), key)
                mark = None if intent is None else intent.mark(key)
                answer = None if intent is None or mark is None else self._given_up(intent, mark)
        except (GatewayRefused, KeyConflict) as refusal:  # of search or cancellation: the request still stands
            raise GatewayTimeout(f"{key}: {refusal}") from refusal
        if answer is None:
            raise GatewayRefused(f"{key}: Stripe knows no such request")
        return answer

    def smallest(self, currency: str) -> Money:
        """See ``Gateway.smallest``. Raises GatewayRefused for a currency whose smallest charge is not known here."""
        if currency not in _SMALLEST_MINOR:
            raise GatewayRefused(f"Stripe's smallest charge in {currency} is not known: add it to stripe_gateway.py")
        return Money(_SMALLEST_MINOR[currency], currency)

    def listing(self) -> tuple[GatewayAnswer, ...]:
        """See ``Gateway.listing``. Intents by age, each with its capture and void; then refunds by age.

        What Stripe itself still processes is left out.
        """
        since: stripe.params.RefundListParams = {"created": {"gte": self._listing_since_s}, "limit": 100}
        with translated(self._stripe, "listing"):
            intents = list(self._intents_since(self._listing_since_s))
            refunds = list(self._refunds.list(since).auto_paging_iter())
        answers = [_answer(intent, mark) for intent in reversed(intents) for mark in _arrived(intent)]
        answers += [_refund_answer(refund, mark) for refund in reversed(refunds) for mark in _marks_in(refund.metadata)]
        return tuple(answer for answer in answers if answer is not None)

    def _take(self, request: GatewayRequest, mark: _Mark) -> GatewayAnswer:
        """Hold or charge, on the card and not in the shopper's presence."""
        customer, method = token_parts(request.token)
        amount = _stripe_amount(request.amount)
        known = self._earlier(customer, mark.key, request.at_ns)
        if known is not None:
            return _settled(known, _same(known.mark(mark.key), mark))
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": amount,
            "currency": request.amount.currency.lower(),
            "customer": customer,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "manual" if request.action is PaymentAction.HOLD else "automatic",
            "confirm": True,
            "off_session": True,
            "metadata": mark.metadata,
            "expand": _WITH_CHARGE,
        }
        try:
            intent = _intent_of(self._intents.create(params, {"idempotency_key": request.key}))
        except self._stripe.CardError as declined:
            made = self._earlier(customer, mark.key, request.at_ns)
            if made is None:  # declined before there was an intent
                return _declined(mark, "", _reason(declined))
            intent = made
        return _settled(intent, mark)

    def _earlier(self, customer: str, key: str, at_ns: int) -> _Intent | None:
        """Return the customer's intent that ``key`` made, newest first."""
        return self._with_mark(self._intents_since(max(0, at_ns // _S - self._look_back_s), customer), key)

    def _searched(self, key: str) -> _Intent | None:
        """Return the intent with a mark of ``key`` as it is now, None where search has none yet."""
        query = f'-metadata["{_mark_name(key)}"]:null'
        found = self._intents.search({"query": query, "limit": 1}).data
        # What search shows of it may be old, so the intent itself is asked for.
        return self._intent(found[0].id) if found else None

    @staticmethod
    def _with_mark(intents: Iterator[_Intent], key: str) -> _Intent | None:
        return next((intent for intent in intents if intent.mark(key) is not None), None)

    def _given_up(self, intent: _Intent, mark: _Mark) -> GatewayAnswer | None:
        """Cancel an intent that waits for the shopper; return how its request stands, None where it was never done."""
        known = self._known(intent, mark)
        if known is None or known.state is not PaymentState.NEEDS_SHOPPER:
            return known
        params: stripe.params.PaymentIntentCancelParams = {"cancellation_reason": _ABANDONED, "expand": _WITH_CHARGE}
        try:
            return _settled(_intent_of(self._intents.cancel(intent.id, params)), mark)
        except self._stripe.InvalidRequestError:
            settled = _settled(self._intent(intent.id), mark)
            if settled.state is PaymentState.NEEDS_SHOPPER:
                raise
            return settled

    def _intents_since(self, since_s: int, customer: str | None = None) -> Iterator[_Intent]:
        """Yield intents, of one customer or all, newest first."""
        params: stripe.params.PaymentIntentListParams = {
            "created": {"gte": since_s},
            "limit": 100,
            "expand": ["data.latest_charge"],
        }
        if customer is not None:
            params["customer"] = customer
        return (_intent_of(each) for each in self._intents.list(params).auto_paging_iter())

    def _capture(self, request: GatewayRequest, mark: _Mark) -> GatewayAnswer:
        intent = self._intent(request.of or "")
        known = intent.mark(mark.key)
        if known is not None:
            return _settled(intent, _same(known, mark))
        if intent.status == "canceled":
            return _declined_as_lapsed(intent, mark)
        if intent.status == "requires_capture" and request.at_ns >= intent.expires_at_ns:
            return _declined(mark, intent.id, EXPIRED)
        if intent.status != "requires_capture":
            raise GatewayRefused(f"{mark.key}: nothing is left of {intent.id}, which is {intent.status}")
        params: stripe.params.PaymentIntentCaptureParams = {
            "amount_to_capture": _stripe_amount(request.amount),
            "metadata": mark.metadata,  # with the capture, or not at all
            "expand": _WITH_CHARGE,
        }
        try:
            captured = self._intents.capture(intent.id, params, {"idempotency_key": mark.key})
        except self._stripe.CardError as declined:
            return _declined(mark, intent.id, _reason(declined))
        except self._stripe.InvalidRequestError as refused:
            if refused.code != "charge_expired_for_capture":
                raise
            return _declined(mark, intent.id, EXPIRED)
        return _settled(_intent_of(captured), mark)

    def _void(self, request: GatewayRequest, mark: _Mark) -> GatewayAnswer:
        intent = self._intent(request.of or "")
        known = intent.mark(mark.key)
        if known is not None:
            _same(known, mark)
        if known is None and intent.status == "canceled":
            return _declined_as_lapsed(intent, mark)
        if intent.status == "succeeded" or (known is None and intent.has(PaymentAction.VOID)):
            raise GatewayRefused(f"{mark.key}: {intent.id} is {intent.status}, or being let go by another request")
        if intent.status != "canceled":
            # A cancellation takes no metadata: the mark goes before it, and counts only on a cancelled intent.
            self._intents.update(intent.id, {"metadata": mark.metadata})
            params: stripe.params.PaymentIntentCancelParams = {"expand": _WITH_CHARGE}
            intent = _intent_of(self._intents.cancel(intent.id, params, {"idempotency_key": mark.key}))
        return _settled(intent, mark)

    def _refund(self, request: GatewayRequest, mark: _Mark) -> GatewayAnswer:
        intent = self._intent(request.of or "")
        known = intent.mark(mark.key)
        refund = None if known is None else self._refund_with(intent.id, _same(known, mark))
        if refund is None:
            # There is no search for refunds: the mark on the intent is what finds them.
            self._intents.update(intent.id, {"metadata": mark.metadata})
            params: stripe.params.RefundCreateParams = {
                "payment_intent": intent.id,
                "amount": _stripe_amount(request.amount),
                "metadata": mark.metadata,
            }
            refund = self._refunds.create(params, {"idempotency_key": mark.key})
        return _told(_refund_answer(refund, mark), mark)

    def _refund_with(self, intent_id: str, mark: _Mark) -> stripe.Refund | None:
        refunds = self._refunds.list({"payment_intent": intent_id, "limit": 100}).auto_paging_iter()
        return next((refund for refund in refunds if mark in _marks_in(refund.metadata)), None)

    def _known(self, intent: _Intent, mark: _Mark) -> GatewayAnswer | None:
        """Return how the request of ``mark`` stands, None where its mark was left and nothing else."""
        if mark.action is PaymentAction.REFUND:
            refund = self._refund_with(intent.id, mark)
            return None if refund is None else _told(_refund_answer(refund, mark), mark)
        return _settled(intent, mark) if mark in _arrived(intent) else None

    def _intent(self, intent_id: str) -> _Intent:
        if not intent_id.startswith("pi_"):
            raise GatewayRefused(f"{intent_id!r} is no PaymentIntent of Stripe's")
        return _intent_of(self._intents.retrieve(intent_id, {"expand": _WITH_CHARGE}))


def read_webhook(payload: bytes, signature: str, secret: str, now_ns: int, tolerance_s: int = 300) -> StripeNews:
    """Return what a webhook tells, signed with ``secret`` (``whsec_...``) in the header ``Stripe-Signature``.

    Raises WebhookError where the signature is not Stripe's, is further than ``tolerance_s`` from ``now_ns``, or signs
    something that is no event.
    """
    vendor = vendor_library()
    try:
        # Without a tolerance the library asks no clock; the comparison takes constant time.
        vendor.WebhookSignature.verify_header(payload, signature, secret, tolerance=None)
        signed_at_s = next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
        event = json.loads(payload)
        news = StripeNews(event["id"], event["type"], _key_of(event), int(event["created"]) * _S)
    except vendor.SignatureVerificationError as forged:
        raise WebhookError(f"a webhook's signature is not Stripe's: {forged.user_message}") from forged
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration) as odd:
        raise WebhookError("a webhook is no event of Stripe's") from odd
    if abs(now_ns - signed_at_s * _S) > tolerance_s * _S:
        raise WebhookError(f"a webhook was signed at {signed_at_s} s, further than {tolerance_s} s from now")
    return news


def _check(request: GatewayRequest) -> None:
    if request.amount.minor <= 0:
        raise GatewayRefused(f"{request.key}: {request.amount} cannot be moved")
    if len(request.key) > LONGEST_KEY:
        raise GatewayRefused(f"{request.key}: longer than the {LONGEST_KEY} characters that Stripe takes for a key")


def _stripe_amount(amount: Money) -> int:
    """Return ``amount`` in Stripe's units. Raises GatewayRefused for what has none."""
    if amount.currency in _AS_HUNDREDTHS:
        return amount.minor * 100
    if decimals(amount.currency) == 3 and amount.currency not in _THOUSANDTHS:
        raise GatewayRefused(f"Stripe takes no {amount.currency}")
    if amount.currency in _THOUSANDTHS and amount.minor % 10:
        raise GatewayRefused(f"Stripe takes {amount.currency} in whole hundredths, not {amount}")
    return amount.minor


def _mark_name(key: str) -> str:
    return _MARK + hashlib.sha256(key.encode()).hexdigest()[:24]


def _marks_in(metadata: object) -> tuple[_Mark, ...]:
    """Return the marks among an object's metadata; what somebody else wrote there is not read."""
    if metadata is None:
        return ()
    fields: Mapping[str, str] = metadata if isinstance(metadata, dict) else metadata.to_dict()  # type: ignore[attr-defined]
    marks = (_mark_of(text) for name, text in fields.items() if name.startswith(_MARK))
    return tuple(mark for mark in marks if mark is not None)


def _mark_of(text: str) -> _Mark | None:
    try:
        told = json.loads(text)
        amount = Money(int(told["minor"]), told["currency"])
        return _Mark(told["key"], PaymentAction(told["action"]), amount, told["digest"])
    except (ValueError, LookupError, TypeError):
        return None


def _intent_of(given: stripe.PaymentIntent) -> _Intent:
    return _Intent(
        id=given.id,
        status=given.status,
        marks=_marks_in(given.metadata),
        created_s=given.created,
        authorised=at(given, "latest_charge.status") == "succeeded",
        given_up=given.status == "canceled" and given.cancellation_reason == _ABANDONED,
        capture_before_s=at(given, "latest_charge.payment_method_details.card.capture_before"),
        failure=at(given, "last_payment_error.decline_code") or at(given, "last_payment_error.code"),
    )


def _same(known: _Mark | None, mark: _Mark) -> _Mark:
    if known != mark:
        raise KeyConflict(f"{mark.key}: Stripe knows this key for another request")
    return mark


def _arrived(intent: _Intent) -> list[_Mark]:
    """Return the marks of an intent whose requests were carried out or refused by a card, in order of time.

    Refunds are objects of their own; a void counts once the intent is cancelled.
    """
    marks = [mark for action in _IN_ORDER for mark in intent.marks if mark.action is action]
    return [mark for mark in marks if mark.action is not PaymentAction.VOID or intent.status == "canceled"]


def _answer(intent: _Intent, mark: _Mark) -> GatewayAnswer | None:
    """Return what became of a request that is no refund, None while Stripe itself does not know."""
    state, reason = _outcome(intent) if mark.action in _TAKING else (PaymentState.DONE, None)
    if state is PaymentState.UNKNOWN or intent.status == "processing":
        return None
    is_hold = mark.action is PaymentAction.HOLD and state is PaymentState.DONE
    expires_at_ns = intent.expires_at_ns if is_hold else None
    return GatewayAnswer(mark.key, mark.digest, mark.action, mark.amount, state, intent.id, reason, expires_at_ns)


def _outcome(intent: _Intent) -> tuple[PaymentState, str | None]:
    """Return what became of a hold or charge; what is captured or voided later was held all the same."""
    if intent.given_up:
        return PaymentState.DECLINED, GIVEN_UP
    if intent.authorised or intent.status in ("requires_capture", "succeeded"):
        return PaymentState.DONE, None
    if intent.status in ("processing", "requires_confirmation"):
        return PaymentState.UNKNOWN, None
    waits = intent.failure == "authentication_required" and intent.status != "canceled"
    if intent.status == "requires_action" or waits:
        return PaymentState.NEEDS_SHOPPER, "the card asks for authentication"
    return PaymentState.DECLINED, intent.failure or intent.status


def _settled(intent: _Intent, mark: _Mark) -> GatewayAnswer:
    return _told(_answer(intent, mark), mark)


def _told(answer: GatewayAnswer | None, mark: _Mark) -> GatewayAnswer:
    if answer is None:
        raise GatewayTimeout(f"{mark.key}: Stripe is still at it")
    return answer


def _refund_answer(refund: stripe.Refund, mark: _Mark) -> GatewayAnswer | None:
    """Return what became of a refund, None while it is pending."""
    if refund.status in ("pending", "requires_action"):
        return None
    if refund.status in ("failed", "canceled"):
        return _declined(mark, refund.id, at(refund, "failure_reason") or refund.status)
    return GatewayAnswer(mark.key, mark.digest, mark.action, mark.amount, PaymentState.DONE, refund.id)


def _declined(mark: _Mark, reference: str, reason: str) -> GatewayAnswer:
    return GatewayAnswer(mark.key, mark.digest, mark.action, mark.amount, PaymentState.DECLINED, reference, reason)


def _declined_as_lapsed(intent: _Intent, mark: _Mark) -> GatewayAnswer:
    """Answer a request for a cancelled hold. Raises GatewayRefused where we cancelled it, not Stripe."""
    if intent.has(PaymentAction.VOID) or not intent.authorised:
        raise GatewayRefused(f"{mark.key}: {intent.id} was let go, or never held")
    return _declined(mark, intent.id, EXPIRED)


def _reason(declined: Any) -> str:
    return str(at(declined, "error.decline_code") or declined.code or "card_declined")


def _key_of(event: Mapping[str, Any]) -> str | None:
    """Return the key of the request that an event is about: that of the last mark that its kind speaks of."""
    kind, about = event["type"], event["data"]["object"]
    marks = _marks_in(about.get("metadata"))
    if kind.startswith("refund."):
        wanted: tuple[PaymentAction, ...] = (PaymentAction.REFUND,)
    elif kind == "payment_intent.succeeded":
        wanted = (PaymentAction.CAPTURE, PaymentAction.CHARGE)
    elif kind == "payment_intent.canceled":
        wanted = (PaymentAction.VOID, *_TAKING)
    else:
        wanted = _TAKING
    return next((mark.key for action in wanted for mark in marks if mark.action is action), None)
