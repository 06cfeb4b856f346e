"""What is typed into the search, as a search."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from billing.money import decimals
from dashboard.visits.desk import VisitDesk, seen_states
from dashboard.visits.types import Kind, Page, Place, Search, VisitState

_DAY_LENGTH = len("2026-11-23")
_MOST_MINOR = 10**12
_MOST_HELD = 2**63 - 1
_NS = 1_000_000_000
_Text = Annotated[str, Field(max_length=100)]


class VisitQuery(BaseModel):
    """A search as it stands in an address; what is empty is not asked. Times are the store's where they name no zone."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    since: _Text = Field(default="", alias="from", description="a day, or a time: 2026-11-23T09:00")
    until: _Text = Field(default="", alias="to", description="a day, which is then asked for too, or a time")
    shopper: _Text = Field(default="", description="what stands for a card or pass, or how that begins")
    kind: _Text = Field(default="", description="card, pass, cash or staff")
    product: _Text = Field(default="", description="a product's name or SKU, or a part of it")
    least: _Text = Field(default="", description="an amount in the store's currency, such as 3.98")
    most: _Text = ""
    state: _Text = ""
    before: _Text = Field(default="", description="a place that an answer gave as ``older``")
    after: _Text = Field(default="", description="a place that an answer gave as ``newer``")

    def typed(self) -> dict[str, str]:
        """Return what is asked, without the place."""
        return {
            name: value for name, value in self.model_dump(by_alias=True, exclude={"before", "after"}).items() if value
        }

    def link(self, **place: str) -> str:
        """Return the address of another page of the same search."""
        return "/visits?" + urlencode(self.typed() | place)


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, and the names of the fields that nobody could read."""

    search: Search
    wrong: tuple[str, ...]


_R = TypeVar("_R")


class _Reader:
    """Reads fields, and remembers which could not be read."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def read(self, name: str, text: str, reader: Callable[[str], _R]) -> _R | None:
        """Return what ``text`` says, None where it is empty or cannot be read."""
        try:
            return reader(text.strip()) if text.strip() else None
        except (ValueError, ArithmeticError):
            self.wrong.append(name)
            return None


def asked(query: VisitQuery, desk: VisitDesk, *, sees_money: bool, limit: int = 50) -> Asked:
    """Return what a query asks for. Whoever may not see payments cannot search by who paid, or how."""
    reader = _Reader()
    state = reader.read("state", query.state, VisitState)
    states = () if state is None else seen_states((state,), sees_money=sees_money)
    search = Search(
        from_ns=reader.read("from", query.since, lambda text: time_ns(text, desk.zone)),
        to_ns=reader.read("to", query.until, lambda text: time_ns(text, desk.zone, is_end=True)),
        kind=reader.read("kind", query.kind, Kind),
        shopper=query.shopper.strip().lower() if sees_money else "",
        skus=_skus(query.product, desk.names),
        least_minor=reader.read("least", query.least, lambda text: minor_of(text, desk.currency)),
        most_minor=reader.read("most", query.most, lambda text: minor_of(text, desk.currency)),
        states=states,
        before=reader.read("before", query.before, place_of),
        after=reader.read("after", query.after, place_of),
        limit=limit,
    )
    return Asked(search, tuple(reader.wrong))


def time_ns(text: str, zone: dt.tzinfo, *, is_end: bool = False) -> int:
    """Return a time that was typed, in Unix nanoseconds; of a day its beginning, or its end. Raises ValueError."""
    at = dt.datetime.fromisoformat(text)
    if is_end and len(text) <= _DAY_LENGTH:
        at += dt.timedelta(days=1)
    at = at.replace(tzinfo=zone) if at.tzinfo is None else at
    return _held(int(at.timestamp()) * _NS)


def minor_of(text: str, currency: str) -> int:
    """Return an amount that was typed, in minor units. Raises ValueError or ArithmeticError."""
    minor = Decimal(text.replace(",", ".")).scaleb(decimals(currency))
    if not minor.is_finite() or abs(minor) > _MOST_MINOR or minor != minor.to_integral_value():
        raise ValueError("no amount")
    return int(minor)


def place_of(text: str) -> Place:
    """Return a place that ``place_text`` wrote. Raises ValueError."""
    at_ns, dot, visit_id = text.partition(".")
    if not (dot and visit_id and at_ns.isdecimal()):
        raise ValueError("no place")
    return Place(_held(int(at_ns)), visit_id)


def place_text(place: Place) -> str:
    """Return a place as it stands in addresses."""
    return f"{place.opened_at_ns}.{place.visit_id}"


def places(page: Page) -> dict[str, str]:
    """Return where the pages on either side begin: ``after`` for the newer, ``before`` for the older; none for the last."""
    found = {}
    if page.rows and page.has_newer:
        found["after"] = place_text(page.rows[0].place)
    if page.rows and page.has_older:
        found["before"] = place_text(page.rows[-1].place)
    return found


def _held(number: int) -> int:
    """Return a number that the database can hold. Raises ValueError for a larger one."""
    if abs(number) > _MOST_HELD:
        raise ValueError("too large")
    return number


def _skus(text: str, names: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the products whose name or SKU holds what was typed, None where nothing was."""
    part = text.strip().casefold()
    if not part:
        return None
    exact = tuple(sku for sku, name in names.items() if part in (sku.casefold(), name.casefold()))
    return exact or tuple(sku for sku, name in names.items() if part in sku.casefold() or part in name.casefold())
