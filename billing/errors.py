"""What can go wrong with money.

BillingError
├── MoneyError        currencies mixed, or a currency nobody knows
├── PriceError        a product without price or tax class, prices that overlap, a promotion that cannot be
├── KeyConflict       one idempotency key, two receipts
├── LedgerError       entries that do not sum to zero
├── RefundError       units that cannot be given back
├── ChargeStateError  something asked of a charge that its state forbids
├── TextError         a language without texts, a message without one of its values, a font that is not there
└── GatewayError
    ├── GatewayTimeout   no answer: nobody knows whether money moved
    ├── GatewayRefused   the gateway would not take the request at all
    └── WebhookError     news that the gateway did not sign, or signed too long ago

InputError (store_layout.errors)
└── PriceFileError    a price file is missing, unreadable or wrong (exit code 2)
"""

from __future__ import annotations

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


class LedgerError(BillingError, ValueError):
    """A ledger posting that is not balanced."""


class RefundError(BillingError, ValueError):
    """A refund of what was not bought, was given back already, or was bought too long ago."""


class ChargeStateError(BillingError):
    """A step that a charge's state forbids."""


class TextError(BillingError, ValueError):
    """Words that cannot be written."""


class GatewayError(BillingError):
    """The payment gateway gave no usable answer."""


class GatewayTimeout(GatewayError):
    """No answer came; the money may have moved or not."""


class GatewayRefused(GatewayError):
    """The gateway does not take such a request."""


class WebhookError(GatewayError):
    """News that cannot be believed."""
