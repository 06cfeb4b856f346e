"""What the dashboard is made with, and who is at it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from billing.access import Access, RateLimiter
from billing.people import People
from dashboard.audit import AuditLog, Deed
from dashboard.health.types import Machine
from dashboard.live.hub import Hub
from dashboard.recordings_desk.desk import RecordingsDesk
from dashboard.reviews.desk import ReviewDesk
from dashboard.roles import Right
from dashboard.settings.types import Configuration
from dashboard.stock.desk import StockDesk
from dashboard.stock.sending import Supplier
from dashboard.visits.desk import VisitDesk
from store_layout.geometry import StoreGeometry

_HOME_HOSTS = ("localhost", "127.0.0.1", "::1")


class SetUp:
    """The link by which the first manager makes their account: it is shown where the store is started, and works once."""

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(24)

    @property
    def path(self) -> str:
        """Where the link leads, empty once it was used."""
        return f"/setup?token={self._token}" if self._token else ""

    def is_token(self, token: str) -> bool:
        """Tell whether ``token`` is the link's."""
        return bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())

    def end(self) -> None:
        """Let the link be worth nothing from now on."""
        self._token = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with. ``url`` is where browsers reach them, ``clock`` gives Unix time in nanoseconds."""

    store_name: str
    url: str
    access: Access
    geometry: StoreGeometry
    hub: Hub
    clock: Callable[[], int]
    setup: SetUp | None = None
    machine: Machine | None = None
    audit: AuditLog | None = None
    stock: StockDesk | None = None
    supplier: Supplier | None = None
    reviews: ReviewDesk | None = None
    configuration: Configuration | None = None
    visits: VisitDesk | None = None
    recordings: RecordingsDesk | None = None
    strangers: RateLimiter = field(default_factory=lambda: RateLimiter(1 / 6, 10))
    form_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def is_secure(self) -> bool:
        """Tell whether cookies go over TLS alone: everywhere but on the machine that serves."""
        return urlsplit(self.url).hostname not in _HOME_HOSTS

    @property
    def people(self) -> People:
        """Return who may sign in."""
        return People(self.access)

    def did(self, deed: Deed) -> None:
        """Write down what somebody did. Raises OSError where it cannot be kept."""
        if self.audit is not None:
            self.audit.write(deed)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    name: str
    rights: frozenset[Right]

    def may(self, right: Right) -> bool:
        """Tell whether they may see or do what asks for ``right``."""
        return right in self.rights


def form_token(key: bytes, session: str, guest: str) -> str:
    """Return what our own forms carry in this browser, and no other page can know."""
    return hmac.new(key, f"form|{guest}|{session}".encode(), hashlib.sha256).hexdigest()
