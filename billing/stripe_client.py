"""What talking to Stripe takes, shared by ``stripe_gateway`` and ``stripe_cards``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from billing.errors import BillingError, GatewayError, GatewayRefused, GatewayTimeout, KeyConflict

if TYPE_CHECKING:
    import stripe

INSTALL = 'pip install "tillfree[stripe]"'
API_BASE = "https://api.stripe.com"
LONGEST_KEY = 255  # https://docs.stripe.com/api/idempotent_requests
LONGEST_VALUE = 500  # https://docs.stripe.com/metadata
_API_VERSION = (
    "2026-10-28.endive"  # what the requests here are written for; `payment_method_types` is gone since endive
)


class StripeConnection:
    """A client of one account. ``timeout_s`` is per request; nothing is tried twice here, since billing asks again.

    Raises GatewayError where the library is not installed.
    """

    def __init__(self, api_key: str, api_base: str, timeout_s: float) -> None:
        self.vendor = vendor_library()
        self._http = self.vendor.RequestsClient(timeout=timeout_s)
        self.client: stripe.StripeClient = self.vendor.StripeClient(
            api_key,
            stripe_version=_API_VERSION,
            base_addresses={"api": api_base},
            max_network_retries=0,
            http_client=self._http,
        )

    def close(self) -> None:
        """Close this thread's connections."""
        self._http.close()


def vendor_library() -> ModuleType:
    """Return Stripe's library. Raises GatewayError where it is not installed."""
    try:
        import stripe
    except ImportError:
        raise GatewayError(f"the Stripe gateway needs the library stripe: {INSTALL}") from None
    return stripe


@contextmanager
def translated(vendor: ModuleType, key: str) -> Iterator[None]:
    """Say in billing's errors what Stripe's mean for ``key``.

    A wrong or expired API key tells nothing of the money, so it counts as no answer: once mended, billing asks again.
    """
    try:
        yield
    except BillingError:
        raise
    except vendor.IdempotencyError as conflict:
        raise KeyConflict(f"{key}: Stripe knows this key for another request") from conflict
    except vendor.InvalidRequestError as refused:
        raise GatewayRefused(f"{key}: {refused.user_message}") from refused
    except vendor.StripeError as trouble:
        raise GatewayTimeout(f"{key}: {type(trouble).__name__}: {trouble.user_message}") from trouble


def token_parts(token: str) -> tuple[str, str]:
    """Return the customer and the card that a token names. Raises GatewayRefused for one of another form."""
    customer, _, method = token.partition("/")
    if not (customer.startswith("cus_") and method.startswith("pm_")):
        raise GatewayRefused("the token is not of the form cus_X/pm_Y")
    return customer, method


def at(thing: Any, path: str) -> Any:
    """Return what lies at ``path``, None where something on the way is missing or was not expanded."""
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing
