"""The schema that the migrations make is the one that the code describes, on every database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from billing.db.tables import METADATA
from billing.errors import BillingError
from billing.migrations import HEAD, revision
from billing.store import BillingStore


def test_migrations_and_models_agree(store: BillingStore, raw: Engine) -> None:
    with raw.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    assert revision(raw) == HEAD


def test_a_database_of_another_version_is_left_alone(database: Path | str, raw: Engine) -> None:
    BillingStore(database).close()
    with raw.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BillingError, match=r"schema 9999, this is .*: migrate it"):
        BillingStore(database)


def test_an_empty_database_is_set_up_once_by_whoever_comes_first(empty_database: Path | str) -> None:
    barrier = threading.Barrier(4)
    failed: list[Exception] = []

    def begin() -> None:
        barrier.wait()
        try:
            BillingStore(empty_database).close()
        except Exception as error:  # noqa: BLE001 - any failure of a thread must fail the test
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    store = BillingStore(empty_database)
    with store.transaction() as books:
        assert books.all_payments() == ()
    store.close()
