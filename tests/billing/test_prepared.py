"""Statements that the driver runs: the same rows and errors as through SQLAlchemy, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, Engine, Enum, bindparam, func, insert, select, text, type_coerce, update
from sqlalchemy.exc import IntegrityError, OperationalError

from billing.db.prepared import Prepared
from billing.db.tables import DRAFTS, EVENTS
from billing.store import BillingStore
from billing.types import ChargeState, OpenVisit

_DRAFT = select(DRAFTS).where(DRAFTS.c.visit_id == bindparam("id"))
_ADD = Prepared(insert(DRAFTS).inline())


def add_draft(store: BillingStore, visit_id: str, version: int = 1) -> None:
    """Keep a cart."""
    with store.transaction(visit_id) as books:
        _ADD.do(books.connection, visit_id=visit_id, version=version, at_ns=7, body="[]")


@pytest.fixture
def store(database: Path | str) -> Iterator[BillingStore]:
    """Return a database with two visits, of which one has a cart."""
    store = BillingStore(database)
    with store.transaction() as books:
        for name in ("ann", "bob"):
            books.add_visit(OpenVisit(name, "card", 5), None)
    add_draft(store, "ann")
    yield store
    store.close()


def test_rows_are_those_of_sqlalchemy(store: BillingStore) -> None:
    with store.reading() as books:
        found = Prepared(_DRAFT).first(books.connection, id="ann")
        expected = books.connection.execute(_DRAFT, {"id": "ann"}).one()
    assert found is not None
    assert found._asdict() == expected._asdict()
    assert found.body == "[]"


def test_nothing_is_found_as_none_and_no_rows(store: BillingStore) -> None:
    with store.reading() as books:
        assert Prepared(_DRAFT).first(books.connection, id="bob") is None
        assert Prepared(_DRAFT).rows(books.connection, id="bob") == []


def test_values_of_the_statement_itself_are_kept(store: BillingStore) -> None:
    limited = Prepared(_DRAFT.where(DRAFTS.c.version < 9).limit(1))
    with store.reading() as books:
        assert len(limited.rows(books.connection, id="ann")) == 1


def test_a_call_with_other_names_is_another_statement(store: BillingStore) -> None:
    change = Prepared(update(DRAFTS).where(DRAFTS.c.visit_id == bindparam("id")))
    with store.transaction("ann") as books:
        assert change.do(books.connection, id="ann", version=2) == 1
        assert change.do(books.connection, id="ann", at_ns=8) == 1
        assert change.do(books.connection, id="nobody", at_ns=9) == 0
        found = Prepared(_DRAFT).first(books.connection, id="ann")
    assert found is not None
    assert (found.version, found.at_ns) == (2, 8)


def test_a_broken_rule_is_raised_as_sqlalchemy_raises_it_and_nothing_is_kept(store: BillingStore) -> None:
    def twice() -> None:
        with store.transaction("bob") as books:
            _ADD.do(books.connection, visit_id="bob", version=1, at_ns=7, body="[1]")
            _ADD.do(books.connection, visit_id="bob", version=1, at_ns=7, body="[2]")

    with pytest.raises(IntegrityError) as caught:
        twice()
    assert "[2]" not in str(caught.value)  # what is in a row has no place in a log
    add_draft(store, "bob")  # the connection is as good as before


def test_columns_without_a_name_do_not_stop_a_row(store: BillingStore) -> None:
    with store.reading() as books:
        found = Prepared(select(func.max(DRAFTS.c.version))).first(books.connection)
    assert found is not None
    assert found[0] == 1


@pytest.mark.parametrize(
    "column",
    [DRAFTS.c.version, type_coerce(DRAFTS.c.body, Enum(ChargeState)).label("body")],
    ids=["a list", "a column that is converted"],
)
def test_what_sqlalchemy_would_convert_is_refused(store: BillingStore, column: ColumnElement[object]) -> None:
    statement = select(column)
    if column is DRAFTS.c.version:
        statement = statement.where(DRAFTS.c.visit_id.in_(["ann", "bob"]))
    with store.reading() as books, pytest.raises(TypeError, match="run it through SQLAlchemy"):
        Prepared(statement).rows(books.connection)


@pytest.mark.postgres
def test_a_lost_connection_is_given_up(used_again: tuple[str, Engine]) -> None:
    url, past = used_again
    store = BillingStore(url)
    count = Prepared(select(func.count().label("n")).select_from(EVENTS))

    def cut_off() -> None:
        with store.transaction() as books:
            mine = books.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with past.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
            count.first(books.connection)

    with pytest.raises(OperationalError) as caught:
        cut_off()
    assert caught.value.connection_invalidated
    with store.transaction() as books:
        found = count.first(books.connection)
    assert found is not None
    store.close()
