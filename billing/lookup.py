"""Find my receipt: by a card's last four digits, its expiry and the day, for whoever has no account to look into.

A visit keeps a card's mark, an HMAC that nobody can work back without the store's secret. Last digits and expiry are known
to few, but are few enough to be tried one by one: so what is found names nobody, the day is asked for too, and whoever
serves this limits tries (``http.page.finding``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from billing.db.shoppers import marked_visits
from billing.store import BillingStore
from billing.types import Receipt

_NS = 10**9
_DAY_NS = 86_400 * _NS
_MOST = 20
"""Visits of one card in two days that are looked at."""
_EXPIRY = re.compile(r"(0?[1-9]|1[0-2])\s*[/.-]\s*(\d{4}|\d{2})", re.ASCII)


def card_mark(secret: bytes, last4: str, expires: str) -> str:
    """Return what a visit keeps of a card: HMAC-SHA256 of its last four digits and its last month, YYYY-MM."""
    return hmac.new(secret, f"card|{last4}|{expires}".encode(), hashlib.sha256).hexdigest()


def month_of(typed: str) -> str | None:
    """Return a card's last month as YYYY-MM, of what stands on it, such as 04/30; None where it is no month."""
    found = _EXPIRY.fullmatch(typed.strip())
    if found is None:
        return None
    year = int(found[2])
    return f"{year + 2000 if year < 100 else year:04}-{int(found[1]):02}"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Receipts by card and day in a database; days are the store's."""

    store: BillingStore
    secret: bytes
    zone: ZoneInfo

    def find(self, last4: str, expires: str, day: dt.date) -> tuple[Receipt, ...]:
        """Return the receipts of that day, earliest first; none tells neither that the card nor that the visit is unknown."""
        begin_ns, end_ns = (self._midnight_ns(each) for each in (day, day + dt.timedelta(days=1)))
        mark = card_mark(self.secret, last4, expires)
        with self.store.reading() as books:
            # a visit may have begun the evening before
            visits = marked_visits(books, mark, begin_ns - _DAY_NS, end_ns, _MOST)
            found = [books.receipt(visit.opened.visit_id) for visit in visits]
        return tuple(each for each in found if each is not None and begin_ns <= each.issued_at_ns < end_ns)

    def _midnight_ns(self, day: dt.date) -> int:
        return int(dt.datetime.combine(day, dt.time(), self.zone).timestamp()) * _NS
