"""Which of billing's errors pass by themselves: the order is sent again. All others are refusals, or mistakes."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from billing.errors import DatabaseUnavailable, GatewayTimeout
from tillfree.errors import OutOfReach
from tillfree.remote_billing import ServiceRefused

PASSING: tuple[type[Exception], ...] = (
    OutOfReach,
    DatabaseUnavailable,
    GatewayTimeout,
    OperationalError,
    InterfaceError,
    PoolTimeout,
)
"""Nobody answered, or not now."""

_PASSING_STATUSES = (401, 403, 408, 425, 429)
"""A key that somebody has to mend is no fault of the visit, and a service that is busy is not either."""


def will_pass(error: Exception) -> bool:
    """Tell whether the same order may be taken later, with nothing about it changed."""
    if isinstance(error, ServiceRefused):
        return error.status in _PASSING_STATUSES
    return isinstance(error, PASSING)


def reason_of(error: Exception) -> str:
    """Return an error's name in kebab case, as billing's own service names it."""
    if isinstance(error, ServiceRefused):
        return error.kind
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in type(error).__name__).lstrip("-")
