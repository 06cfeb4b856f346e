"""What can go wrong with money.

BillingError
├── MoneyError        currencies mixed, or a currency nobody knows
├── PriceError        a product without price or tax class, prices that overlap, a promotion that cannot be
├── KeyConflict       one idempotency key, two receipts
├── VersionConflict   a change to something that was changed meanwhile
├── AccessDenied      a password that is too short, a name that is taken, a scope that is lacking
│   ├── NotKnown        a key, session or password that is nobody's
│   └── LastManager     a change after which nobody could add people any more
├── RequestReused     one idempotency key, two requests
├── DatabaseUnavailable a database that cannot be opened
├── LedgerError       entries that do not sum to zero
├── RefundError       units that cannot be given back
├── CorrectionError   units that cannot be charged after the receipt
├── DisputeError      a dispute that cannot be opened or decided
├── UnknownVisit      a visit, refund or dispute that nobody opened
├── ChargeStateError  something asked of a charge that its state forbids
├── PassInputError    a key, nonce, time or bound that entry passes cannot work with
├── PassError         an entry pass that opens no gate
│   ├── PassMalformed   not a pass, or of another format
│   ├── PassKeyUnknown  signed with a key that the gate does not have
│   ├── PassForged      the signature is not over what the pass says
│   ├── PassExpired     shown too late
│   ├── PassUsed        shown for another visit before
│   ├── PassRefused     of a shopper who has no card, or no account any more
│   └── PassFromFuture  issued later than the gate's clock allows
├── ShopperError      something that an account cannot be, by field, or cannot do now
│   ├── NoCard          an account that has no card yet
│   └── AccountBusy     a visit is under way, or something is not paid
├── QrError           a text or size that no QR code can have
├── CardError         details that no card on file can have
│   ├── CardDeclined    the card was refused when it was to be registered
│   └── CardFormError   fields of a card form that are wrong, by name
├── TextError         a language without texts, a message without one of its values, a font that is not there
├── EndpointError     an endpoint that cannot be
│   └── UnknownEndpoint an endpoint or delivery that is not there
├── DeliveryError     an endpoint gave no answer: what was sent may have arrived or not
│   └── DeliveryRefused  it will never take this
├── SignatureError    a webhook that was not signed with this secret, or too long ago
└── GatewayError
    ├── GatewayTimeout   no answer: nobody knows whether money moved
    ├── GatewayRefused   the gateway would not take the request at all
    └── WebhookError     news that the gateway did not sign, or signed too long ago

InputError (store_layout.errors)
└── PriceFileError    a price file is missing, unreadable or wrong (exit code 2)
"""

from __future__ import annotations

from collections.abc import Mapping

from store_layout.errors import InputError


class BillingError(Exception):
    """Anything billing refuses to do."""


class MoneyError(BillingError, ValueError):
    """Amounts that cannot be counted together."""


class PriceError(BillingError, ValueError):
    """A product that cannot be priced, or a promotion that cannot be.

    ``field`` is where a price file says it, ``mend`` what to do about it; both stand beside ``reason`` so that a file's
    reader can put its name before them.
    """

    def __init__(self, reason: str, *, mend: str | None = None, field: str | None = None) -> None:
        self.reason = reason
        self.mend = mend
        self.field = field
        super().__init__(f"{reason}: {mend}" if mend else reason)


class PriceFileError(InputError):
    """A price file that is missing, unreadable or says something that cannot be."""


class KeyConflict(BillingError):
    """An idempotency key that was used for another receipt."""


class VersionConflict(BillingError):
    """A change that was made to an earlier version than the present one."""


class AccessDenied(BillingError):
    """Somebody who is not known, or may not do this."""


class NotKnown(AccessDenied):
    """A key, a session or a password that is nobody's."""


class LastManager(AccessDenied):
    """A change after which nobody could add people any more."""


class RequestReused(BillingError):
    """An idempotency key that came with another request before."""


class DatabaseUnavailable(BillingError):
    """A database that cannot be opened: no such folder, no answer, no access."""


class LedgerError(BillingError, ValueError):
    """A ledger posting that is not balanced."""


class RefundError(BillingError, ValueError):
    """A refund of what was not bought, was given back already, or was bought too long ago."""


class CorrectionError(BillingError, ValueError):
    """A correction that charges nothing, or comes too late."""


class DisputeError(BillingError, ValueError):
    """A dispute about what is not on the receipt, or that was decided before."""


class UnknownVisit(BillingError, LookupError):
    """Something asked of a visit, refund or dispute that is not there."""


class ChargeStateError(BillingError):
    """A step that a charge's state forbids."""


class PassInputError(BillingError, ValueError):
    """A key, nonce, time or bound that entry passes cannot work with."""


class PassError(BillingError):
    """An entry pass that opens no gate."""


class PassMalformed(PassError):
    """Not an entry pass, or one of another format."""


class PassKeyUnknown(PassError):
    """An entry pass signed with a key that the gate does not have."""


class PassForged(PassError):
    """An entry pass whose signature is not over what it says."""


class PassExpired(PassError):
    """An entry pass that is shown too late."""


class PassFromFuture(PassError):
    """An entry pass issued later than the gate's clock allows."""


class PassUsed(PassError):
    """An entry pass that opened another visit."""


class PassRefused(PassError):
    """An entry pass of a shopper who cannot be charged: without a card, or without an account."""


class ShopperError(BillingError, ValueError):
    """An account that cannot be so. ``flaws`` says by field what is wrong, never what was typed."""

    def __init__(self, flaws: Mapping[str, str]) -> None:
        self.flaws = dict(flaws)
        super().__init__("; ".join(f"{field}: {flaw}" for field, flaw in self.flaws.items()))


class NoCard(ShopperError):
    """An account that has no card yet."""


class AccountBusy(ShopperError):
    """An account that has to stay as it is until a visit has ended and is paid; ``flaws`` has the reason as ``account``."""


class QrError(BillingError, ValueError):
    """A text or size that no QR code can have."""


class CardError(BillingError, ValueError):
    """A card that cannot be kept."""


class CardDeclined(CardError):
    """A card that its bank, or the gateway, would not have registered."""


class CardFormError(CardError):
    """A card form that was filled in wrongly. ``fields`` says by field what is wrong, never what was typed."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        super().__init__("; ".join(f"{field}: {flaw}" for field, flaw in self.fields.items()))


class TextError(BillingError, ValueError):
    """Words that cannot be written."""


class EndpointError(BillingError, ValueError):
    """An endpoint with an address or topic that cannot be."""


class UnknownEndpoint(EndpointError, LookupError):
    """Something asked of an endpoint or delivery that is not there."""


class DeliveryError(BillingError):
    """An endpoint gave no answer."""


class DeliveryRefused(DeliveryError):
    """An endpoint that will never take what was sent: trying again is of no use."""


class SignatureError(BillingError):
    """A webhook that cannot be believed."""


class GatewayError(BillingError):
    """The payment gateway gave no usable answer."""


class GatewayTimeout(GatewayError):
    """No answer came; the money may have moved or not."""


class GatewayRefused(GatewayError):
    """The gateway does not take such a request."""


class WebhookError(GatewayError):
    """News that cannot be believed."""
