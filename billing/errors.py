"""What can go wrong with money.

BillingError
├── MoneyError        currencies mixed, or a currency nobody knows
├── PriceError        a product without price or tax class
├── KeyConflict       one idempotency key, two receipts
├── LedgerError       entries that do not sum to zero
├── RefundError       units that cannot be given back
├── ChargeStateError  something asked of a charge that its state forbids
└── GatewayError
    ├── GatewayTimeout   no answer: nobody knows whether money moved
    ├── GatewayRefused   the gateway would not take the request at all
    └── WebhookError     news that the gateway did not sign, or signed too long ago
"""

from __future__ import annotations


class BillingError(Exception):
    """Anything billing refuses to do."""


class MoneyError(BillingError, ValueError):
    """Amounts that cannot be counted together."""


class PriceError(BillingError, ValueError):
    """A product that cannot be priced."""


class KeyConflict(BillingError):
    """An idempotency key that was used for another receipt."""


class LedgerError(BillingError, ValueError):
    """A ledger posting that is not balanced."""


class RefundError(BillingError, ValueError):
    """A refund of what was not bought, was given back already, or was bought too long ago."""


class ChargeStateError(BillingError):
    """A step that a charge's state forbids."""


class GatewayError(BillingError):
    """The payment gateway gave no usable answer."""


class GatewayTimeout(GatewayError):
    """No answer came; the money may have moved or not."""


class GatewayRefused(GatewayError):
    """The gateway does not take such a request."""


class WebhookError(GatewayError):
    """News that cannot be believed."""
