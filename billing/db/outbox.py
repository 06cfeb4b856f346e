"""The outbox inside one transaction: events, who listens, and what is on its way to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from billing.db.books import Books
from billing.db.locks import ALL_EVENTS
from billing.db.tables import DELIVERIES, ENDPOINT_TOPICS, ENDPOINTS, EVENTS, SHOPPERS, VISITS
from billing.types import Delivery, DeliveryState, Endpoint, Event, VisitKind

_DUE: ColumnElement[str] = literal_column(f"'{DeliveryState.DUE.value}'")
_DELIVERY = (
    DELIVERIES.c.delivery_id,
    DELIVERIES.c.event_id,
    DELIVERIES.c.endpoint_id,
    EVENTS.c.topic,
    EVENTS.c.visit_id,
    DELIVERIES.c.state,
    DELIVERIES.c.tries,
    DELIVERIES.c.next_at_ns,
    DELIVERIES.c.delivered_at_ns,
    DELIVERIES.c.problem,
)
_DELIVERY_COUNT = len(_DELIVERY)

# Statements of the delivery loop are made once, as in ``books``.
_IS_DUE = and_(
    DELIVERIES.c.endpoint_id == bindparam("endpoint"),
    DELIVERIES.c.state == _DUE,
    DELIVERIES.c.next_at_ns <= bindparam("at"),
)
_ENABLED = select(ENDPOINTS.c.endpoint_id).where(ENDPOINTS.c.disabled_at_ns.is_(None)).order_by(ENDPOINTS.c.endpoint_id)
_ANY_DUE = select(exists().where(_IS_DUE))
_DUE_OF = (
    select(*_DELIVERY)
    .join(EVENTS, EVENTS.c.event_id == DELIVERIES.c.event_id)
    .where(_IS_DUE)
    .order_by(DELIVERIES.c.next_at_ns, DELIVERIES.c.delivery_id)
    .limit(bindparam("limit"))
)
_NEXT = (
    select(*_DELIVERY, EVENTS.c.at_ns, EVENTS.c.body, ENDPOINTS.c.url, ENDPOINTS.c.secret)
    .join(EVENTS, EVENTS.c.event_id == DELIVERIES.c.event_id)
    .join(ENDPOINTS, ENDPOINTS.c.endpoint_id == DELIVERIES.c.endpoint_id)
    .where(_IS_DUE, ENDPOINTS.c.disabled_at_ns.is_(None))
    .order_by(DELIVERIES.c.next_at_ns, DELIVERIES.c.delivery_id)
    .limit(1)
    # Two workers take different ones at once on PostgreSQL; SQLite has one writer and leaves this out.
    .with_for_update(skip_locked=True, of=DELIVERIES)
)
_CLAIM = update(DELIVERIES).where(DELIVERIES.c.delivery_id == bindparam("id"))
_MARK = update(DELIVERIES).where(
    DELIVERIES.c.delivery_id == bindparam("id"),
    DELIVERIES.c.state == _DUE,
    DELIVERIES.c.next_at_ns == bindparam("until"),
)
_PAGE = (
    select(EVENTS).where(EVENTS.c.event_id > bindparam("after")).order_by(EVENTS.c.event_id).limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send until ``until_ns``, with all that it takes."""

    delivery: Delivery
    event: Event
    url: str
    secret: str = field(repr=False)
    until_ns: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a visit's receipt goes."""

    email: str
    name: str | None
    locale: str


def add_endpoint(books: Books, endpoint: Endpoint, secret: str) -> None:
    """Keep a new endpoint."""
    books.connection.execute(
        insert(ENDPOINTS).values(
            endpoint_id=endpoint.endpoint_id,
            url=endpoint.url,
            secret=secret,
            created_at_ns=endpoint.created_at_ns,
            disabled_at_ns=endpoint.disabled_at_ns,
        )
    )
    books.connection.execute(
        insert(ENDPOINT_TOPICS), [{"endpoint_id": endpoint.endpoint_id, "topic": topic} for topic in endpoint.topics]
    )


def endpoint(books: Books, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint without its secret."""
    return next(iter(_endpoints(books, ENDPOINTS.c.endpoint_id == endpoint_id)), None)


def endpoints(books: Books) -> tuple[Endpoint, ...]:
    """Return all endpoints, those that are disabled too, oldest first."""
    return _endpoints(books)


def disable_endpoint(books: Books, endpoint_id: str, at_ns: int) -> bool:
    """Send nothing more to an endpoint, and put nothing more by for it. Say whether this call was the one that did."""
    change = update(ENDPOINTS).where(ENDPOINTS.c.endpoint_id == endpoint_id, ENDPOINTS.c.disabled_at_ns.is_(None))
    return books.connection.execute(change.values(disabled_at_ns=at_ns)).rowcount == 1


def enable_endpoint(books: Books, endpoint_id: str) -> bool:
    """Send to an endpoint again. Say whether it was disabled."""
    change = update(ENDPOINTS).where(ENDPOINTS.c.endpoint_id == endpoint_id, ENDPOINTS.c.disabled_at_ns.is_not(None))
    return books.connection.execute(change.values(disabled_at_ns=None)).rowcount == 1


def endpoints_due(books: Books, at_ns: int) -> tuple[str, ...]:
    """Return the ids of the endpoints that something is due for, in order; not those that are disabled."""
    listening = books.connection.execute(_ENABLED).scalars().all()
    return tuple(
        each for each in listening if books.connection.execute(_ANY_DUE, {"endpoint": each, "at": at_ns}).scalar_one()
    )


def due(books: Books, endpoint_id: str, at_ns: int, limit: int) -> tuple[Delivery, ...]:
    """Return what is due for an endpoint, at most ``limit``, what waits longest first."""
    rows = books.connection.execute(_DUE_OF, {"endpoint": endpoint_id, "at": at_ns, "limit": limit})
    return tuple(_delivery(row) for row in rows)


def claim(books: Books, endpoint_id: str, at_ns: int, until_ns: int) -> Claimed | None:
    """Take what waits longest for an endpoint, None where nothing is due; nobody else gets it before ``until_ns``.

    The try is counted at once, so that a delivery that kills its worker is not tried for ever.
    """
    row = books.connection.execute(_NEXT, {"endpoint": endpoint_id, "at": at_ns}).one_or_none()
    if row is None:
        return None
    tries = row.tries + 1
    books.connection.execute(_CLAIM, {"id": row.delivery_id, "tries": tries, "next_at_ns": until_ns})
    known = _delivery(row)
    mine = Delivery(
        delivery_id=known.delivery_id,
        event_id=known.event_id,
        endpoint_id=known.endpoint_id,
        topic=known.topic,
        visit_id=known.visit_id,
        state=known.state,
        tries=tries,
        next_at_ns=until_ns,
        delivered_at_ns=None,
        problem=known.problem,
    )
    event = Event(row.event_id, row.topic, row.visit_id, row.at_ns, row.body)
    return Claimed(mine, event, row.url, row.secret, until_ns)


def mark_delivered(books: Books, claimed: Claimed, at_ns: int) -> bool:
    """Write that a claimed delivery arrived. False where it is no longer ours: then it is sent again."""
    return _mark(books, claimed, state=DeliveryState.DELIVERED.value, delivered_at_ns=at_ns, problem=None)


def mark_later(books: Books, claimed: Claimed, next_at_ns: int, problem: str) -> bool:
    """Write that a claimed delivery is to be tried again. False where it is no longer ours."""
    return _mark(books, claimed, next_at_ns=next_at_ns, problem=problem)


def mark_failed(books: Books, claimed: Claimed, problem: str) -> bool:
    """Write that a claimed delivery is given up. False where it is no longer ours."""
    return _mark(books, claimed, state=DeliveryState.FAILED.value, problem=problem)


def deliveries(
    books: Books, endpoint_id: str, limit: int, before: int | None = None, state: DeliveryState | None = None
) -> tuple[Delivery, ...]:
    """Return an endpoint's deliveries, newest first, at most ``limit``, below the delivery id ``before``."""
    query = select(*_DELIVERY).join(EVENTS, EVENTS.c.event_id == DELIVERIES.c.event_id)
    query = query.where(DELIVERIES.c.endpoint_id == endpoint_id).order_by(DELIVERIES.c.delivery_id.desc()).limit(limit)
    if before is not None:
        query = query.where(DELIVERIES.c.delivery_id < before)
    if state is not None:
        query = query.where(DELIVERIES.c.state == state.value)
    return tuple(_delivery(row) for row in books.connection.execute(query))


def replay(books: Books, delivery_id: int, at_ns: int) -> bool:
    """Make a delivery due again, however it stands, as if it had never been tried. False where there is none."""
    return _make_due(books, at_ns, DELIVERIES.c.delivery_id == delivery_id) == 1


def replay_since(books: Books, endpoint_id: str, at_ns: int, *, event_id: int = 0, since_ns: int = 0) -> int:
    """Make all events of an endpoint's topics from an event id and a time on due to it; return how many.

    So are those that happened before it was there, or while it was disabled.
    """
    wanted = and_(EVENTS.c.event_id >= event_id, EVENTS.c.at_ns >= since_ns)
    known = select(EVENTS.c.event_id).where(wanted)
    again = _make_due(books, at_ns, DELIVERIES.c.endpoint_id == endpoint_id, DELIVERIES.c.event_id.in_(known))
    has_one = exists().where(DELIVERIES.c.event_id == EVENTS.c.event_id, DELIVERIES.c.endpoint_id == endpoint_id)
    missed = (
        select(EVENTS.c.event_id, ENDPOINT_TOPICS.c.endpoint_id, literal("due"), literal(0), literal(at_ns))
        .join(ENDPOINT_TOPICS, ENDPOINT_TOPICS.c.topic == EVENTS.c.topic)
        .where(ENDPOINT_TOPICS.c.endpoint_id == endpoint_id, wanted, ~has_one)
        .order_by(EVENTS.c.event_id)
    )
    fresh = insert(DELIVERIES).from_select(["event_id", "endpoint_id", "state", "tries", "next_at_ns"], missed)
    counted = {"preserve_rowcount": True}  # else SQLAlchemy has none for an INSERT
    return again + books.connection.execute(fresh, execution_options=counted).rowcount


def events_page(books: Books, after: int, limit: int) -> tuple[Event, ...]:
    """Return the events after an event id, at most ``limit``, in order.

    Whoever asks on from the last id that they got misses none. On PostgreSQL this waits for those who are writing events.
    """
    if books.connection.dialect.name == "postgresql":
        ALL_EVENTS.first(books.connection)
    rows = books.connection.execute(_PAGE, {"after": after, "limit": limit})
    return tuple(Event(row.event_id, row.topic, row.visit_id, row.at_ns, row.body) for row in rows)


def prune(books: Books, before_ns: int, after: int, limit: int) -> tuple[int, int | None]:
    """Look at ``limit`` events after an event id, and forget those from before ``before_ns`` that nobody waits for.

    Return how many were forgotten, and the last id that was looked at: None where none of these was old enough, so that
    later ones are not either. The newest event and delivery always stay: SQLite counts on from the highest that is there.
    """
    page = select(EVENTS.c.event_id, EVENTS.c.at_ns).where(EVENTS.c.event_id > after)
    seen = books.connection.execute(page.order_by(EVENTS.c.event_id).limit(limit)).all()
    old = [row.event_id for row in seen if row.at_ns < before_ns]
    if not old:
        return 0, None
    gone = select(ENDPOINTS.c.endpoint_id).where(ENDPOINTS.c.disabled_at_ns < before_ns)
    is_over = (DELIVERIES.c.state != _DUE) | DELIVERIES.c.endpoint_id.in_(gone)
    newest = select(func.max(DELIVERIES.c.delivery_id)).scalar_subquery()
    books.connection.execute(
        delete(DELIVERIES).where(DELIVERIES.c.event_id.in_(old), is_over, DELIVERIES.c.delivery_id < newest)
    )
    is_wanted = exists().where(DELIVERIES.c.event_id == EVENTS.c.event_id)
    last = select(func.max(EVENTS.c.event_id)).scalar_subquery()
    done = books.connection.execute(
        delete(EVENTS).where(EVENTS.c.event_id.in_(old), ~is_wanted, EVENTS.c.event_id < last)
    )
    return done.rowcount, seen[-1].event_id


def recipient(books: Books, visit_id: str) -> Recipient | None:
    """Return where a visit's receipt goes: None without a shopper or an address, and for staff."""
    query = (
        select(SHOPPERS.c.email, SHOPPERS.c.name, SHOPPERS.c.locale)
        .join(VISITS, VISITS.c.shopper_id == SHOPPERS.c.shopper_id)
        .where(
            VISITS.c.visit_id == visit_id,
            VISITS.c.kind != VisitKind.STAFF.value,
            SHOPPERS.c.email.is_not(None),
            SHOPPERS.c.deleted_at_ns.is_(None),
        )
    )
    row = books.connection.execute(query).one_or_none()
    return None if row is None else Recipient(row.email, row.name, row.locale)


def _endpoints(books: Books, *where: ColumnElement[bool]) -> tuple[Endpoint, ...]:
    found = books.connection.execute(
        select(ENDPOINTS).where(*where).order_by(ENDPOINTS.c.created_at_ns, ENDPOINTS.c.endpoint_id)
    ).all()
    topics: dict[str, list[str]] = {row.endpoint_id: [] for row in found}
    wanted = select(ENDPOINT_TOPICS).where(ENDPOINT_TOPICS.c.endpoint_id.in_(topics))
    for row in books.connection.execute(wanted.order_by(ENDPOINT_TOPICS.c.topic)):
        topics[row.endpoint_id].append(row.topic)
    return tuple(
        Endpoint(row.endpoint_id, row.url, tuple(topics[row.endpoint_id]), row.created_at_ns, row.disabled_at_ns)
        for row in found
    )


def _make_due(books: Books, at_ns: int, *which: ColumnElement[bool]) -> int:
    values = {"state": DeliveryState.DUE.value, "tries": 0, "next_at_ns": at_ns}
    change = update(DELIVERIES).where(*which).values(**values, delivered_at_ns=None, problem=None)
    return books.connection.execute(change).rowcount


def _mark(books: Books, claimed: Claimed, **values: object) -> bool:
    """Change a delivery that is still ours: nobody claimed it after us or made it due anew."""
    key = {"id": claimed.delivery.delivery_id, "until": claimed.until_ns}
    return books.connection.execute(_MARK, {**key, **values}).rowcount == 1


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    values: Sequence[Any] = row[:_DELIVERY_COUNT]
    fields = dict(zip((column.name for column in _DELIVERY), values, strict=True))
    return Delivery(**{**fields, "state": DeliveryState(row.state)})
