"""Writes what events say to the projection's tables, inside whatever transaction there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from sqlite3 import Connection
from typing import Any

from billing.types import Admission, BillingRefused, Charge
from checkout.types import (
    CartEvent,
    Dismissed,
    GateScanned,
    PersonBound,
    PersonMerged,
    ReceiptFinalised,
    ReviewClosed,
    ReviewOpened,
    VisitClosed,
    VisitOpened,
    VisitReopened,
)
from dashboard.visits.schema import SETTLE
from dashboard.visits.types import Kind, News
from vision.types import GateCrossing, Interaction, PersonRejoined, PersonVanished

_LEFT = ("exit", "vanished")


class Writer:
    """Takes events in order. ``name_of`` gives what may be seen of a token: ``card-…``, ``pass-…``, ``cash`` or ``staff``."""

    def __init__(self, db: Connection, name_of: Callable[[str], str]) -> None:
        self._db, self._name_of = db, name_of

    # -- the event log ------------------------------------------------------------

    def take(self, position: int, event: object) -> None:
        """Write what an event says of visits; kinds that say nothing pass by."""
        match event:
            case GateScanned():
                self._scan(event)
            case VisitOpened():
                self._open(position, event)
            case CartEvent():
                self._change(position, event)
            case Interaction():
                self._interaction(position, event)
            case ReviewOpened() | ReviewClosed():
                self._review(position, event)
            case Dismissed(what="interaction"):
                self._do(
                    "UPDATE interactions SET dismissed = ? WHERE interaction_id = ?", event.reason, event.reference
                )
            case PersonBound() | PersonMerged() | PersonRejoined() | GateCrossing() | PersonVanished():
                self._person(position, event)
            case VisitClosed() | VisitReopened() | ReceiptFinalised():
                self._end(position, event)
            case Charge() | Admission() | BillingRefused():
                self._billing(position, event)
            case _:
                self._carried(event)

    def _scan(self, event: GateScanned) -> None:
        self._set(f"scan:{event.scan_id}", event.gate_id)

    def _open(self, position: int, event: VisitOpened) -> None:
        shopper = self._name_of(event.token)
        number = int(self._get("opened") or 0) + 1
        gate_id = self._get(f"scan:{event.scan_id}") or ""
        self._do("DELETE FROM meta WHERE name = ?", f"scan:{event.scan_id}")
        self._set("opened", str(number))
        self._do(
            "INSERT OR REPLACE INTO visits (visit_id, position, number, kind, shopper, opened_at_ns, party_size, gate_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            event.visit_id, position, number, _kind(shopper).value, shopper, event.at_ns, event.party_size, gate_id,
        )  # fmt: skip
        body = {"visit_id": event.visit_id, "party_size": event.party_size, "gate_id": gate_id}
        self._moment(event.visit_id, position, event.at_ns, "VisitOpened", body)
        self._settle(event.visit_id)

    def _change(self, position: int, event: CartEvent) -> None:
        if event.visit_id is None:
            return
        self._add(event.visit_id, event.sku, event.quantity_delta)
        if event.interaction_id is not None:
            self._see(event.visit_id, event.interaction_id)
        self._moment(event.visit_id, position, event.at_ns, "CartEvent", asdict(event))

    def _interaction(self, position: int, event: Interaction) -> None:
        body = asdict(event)
        body["cameras"] = sorted({frame.camera_id for frame in event.evidence})
        del body["evidence"]
        self._do(
            "INSERT OR REPLACE INTO interactions (interaction_id, position, at_ns, body) VALUES (?, ?, ?, ?)",
            event.interaction_id, position, event.opened_at_ns, _json(body),
        )  # fmt: skip
        if event.person_candidates:
            visit_id = self._visit_of(event.person_candidates[0].person_id)
            if visit_id is not None:
                self._see(visit_id, event.interaction_id)

    def _review(self, position: int, event: ReviewOpened | ReviewClosed) -> None:
        if isinstance(event, ReviewOpened):
            visits = event.visit_ids
            for visit_id in visits:
                self._do("INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, 1)", event.review_id, visit_id, position)
                if event.interaction_id is not None:
                    self._see(visit_id, event.interaction_id)
        else:
            found = self._db.execute("SELECT visit_id FROM reviews WHERE review_id = ?", (event.review_id,))
            visits = tuple(row[0] for row in found)
            self._do("UPDATE reviews SET is_open = 0 WHERE review_id = ?", event.review_id)
        for visit_id in visits:
            self._moment(visit_id, position, event.at_ns, type(event).__name__, asdict(event))
            self._settle(visit_id)

    def _person(
        self, position: int, event: PersonBound | PersonMerged | PersonRejoined | GateCrossing | PersonVanished
    ) -> None:
        match event:
            case GateCrossing() | PersonVanished():
                body = {"kind": type(event).__name__, **asdict(event)}
                values = (position, event.person_id, event.at_ns, _json(body))
                self._do("INSERT OR REPLACE INTO crossings VALUES (?, ?, ?, ?)", *values)
            case PersonBound():
                self._bind(position, event.person_id, event.visit_id)
            case _:
                self._bind(position, event.person_id, self._visit_of(event.former_id))

    def _end(self, position: int, event: VisitClosed | VisitReopened | ReceiptFinalised) -> None:
        visit_id = event.visit_id
        match event:
            case VisitClosed():
                left_ns = event.at_ns if event.reason in _LEFT else None
                self._do("UPDATE visits SET left_at_ns = ? WHERE visit_id = ?", left_ns, visit_id)
            case VisitReopened():
                self._do("UPDATE visits SET left_at_ns = NULL WHERE visit_id = ?", visit_id)
            case ReceiptFinalised():
                self._do("UPDATE visits SET final_at_ns = ? WHERE visit_id = ?", event.at_ns, visit_id)
                self._do("DELETE FROM lines WHERE visit_id = ?", visit_id)
                for line in event.lines:
                    self._add(visit_id, line.sku, line.quantity)
        self._moment(visit_id, position, event.at_ns, type(event).__name__, asdict(event))

    def _billing(self, position: int, event: Charge | Admission | BillingRefused) -> None:
        """Keep how a charge stands without the card that it is to."""
        match event:
            case Charge():
                self._charge(
                    event.visit_id, event.number, event.amount.minor, event.amount.currency, "logged", event.state
                )
                body = {
                    "state": event.state.value, "amount_minor": event.amount.minor, "paid_minor": event.paid.minor,
                    "currency": event.amount.currency, "number": event.number,
                }  # fmt: skip
                self._moment(event.visit_id, position, event.settled_at_ns or event.created_at_ns, "Charge", body)
            case Admission():
                if event.refused is not None:
                    self._moment(event.visit_id, position, event.at_ns, "Admission", {"refused": event.refused})
            case BillingRefused():
                self._moment(event.visit_id, position, event.at_ns, "BillingRefused", asdict(event))
        self._settle(event.visit_id)

    def _carried(self, event: object) -> None:
        """Go on counting where a log begins in the middle of a store's life (``LogCarried``)."""
        opened = getattr(event, "visits_opened", None)
        if isinstance(opened, int):
            self._set("opened", str(max(opened, int(self._get("opened") or 0))))

    # -- billing's events ---------------------------------------------------------

    def hear(self, news: News) -> None:
        """Write what billing tells of a visit's money."""
        body = news.body
        group = news.topic.partition(".")[0]
        if group == "receipt":
            receipt: Mapping[str, Any] = body.get("receipt", body)
            amounts = (receipt["total_minor"], receipt["currency"])
            self._do("INSERT OR REPLACE INTO receipts VALUES (?, ?, ?)", news.visit_id, *amounts)
        elif group == "charge":
            self._charge(news.visit_id, body["number"], body["amount_minor"], body["currency"], "told", body["state"])
        elif group == "refund":
            values = (body["key"], news.visit_id, body["amount_minor"], body["state"])
            self._do("INSERT OR REPLACE INTO refunds VALUES (?, ?, ?, ?)", *values)
        elif group == "review":
            self._do(
                "INSERT OR REPLACE INTO disputes VALUES (?, ?, ?)", body["dispute_id"], news.visit_id, body["state"]
            )
        else:
            return
        self._settle(news.visit_id)

    # -- forgetting ---------------------------------------------------------------

    def forget(self, before: int) -> None:
        """Forget visits that were opened before a position of the log, with all that belongs to them."""
        gone = "visit_id IN (SELECT visit_id FROM visits WHERE position < ?)"
        for table in ("lines", "moments", "seen_in", "reviews", "charges", "receipts", "refunds", "disputes", "people"):
            self._do(f"DELETE FROM {table} WHERE {gone}", before)  # noqa: S608 - our own names
        for table in ("interactions", "crossings", "visits"):
            self._do(f"DELETE FROM {table} WHERE position < ?", before)  # noqa: S608 - our own names

    # -- pieces -------------------------------------------------------------------

    def _do(self, statement: str, *values: object) -> None:
        self._db.execute(statement, values)

    def _get(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set(self, name: str, value: str) -> None:
        self._do("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def _add(self, visit_id: str, sku: str, quantity: int) -> None:
        self._do(
            "INSERT INTO lines VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET quantity = quantity + excluded.quantity",
            visit_id, sku, quantity,
        )  # fmt: skip

    def _see(self, visit_id: str, interaction_id: str) -> None:
        self._do("INSERT OR IGNORE INTO seen_in VALUES (?, ?)", visit_id, interaction_id)

    def _bind(self, position: int, person_id: int, visit_id: str | None) -> None:
        if visit_id is not None:
            self._do("INSERT OR REPLACE INTO people VALUES (?, ?, ?)", person_id, visit_id, position)

    def _visit_of(self, person_id: int) -> str | None:
        query = "SELECT visit_id FROM people WHERE person_id = ? ORDER BY position DESC LIMIT 1"
        row = self._db.execute(query, (person_id,)).fetchone()
        return None if row is None else str(row[0])

    def _charge(self, visit_id: str, number: int, minor: int, currency: str, by: str, state: str) -> None:
        statement = (
            f"INSERT INTO charges (visit_id, number, amount_minor, currency, {by}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - one of two columns
            f" ON CONFLICT DO UPDATE SET {by} = excluded.{by}"
        )
        self._do(statement, visit_id, number, minor, currency, str(state))

    def _moment(self, visit_id: str, position: int, at_ns: int, kind: str, body: Mapping[str, Any]) -> None:
        self._do("INSERT OR REPLACE INTO moments VALUES (?, ?, ?, ?, ?)", visit_id, position, at_ns, kind, _json(body))

    def _settle(self, visit_id: str) -> None:
        self._do(SETTLE, visit_id)


def _kind(shopper: str) -> Kind:
    return next((kind for kind in Kind if kind.value == shopper.partition("-")[0]), Kind.CARD)


def _json(body: Mapping[str, Any] | Iterable[Any]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
