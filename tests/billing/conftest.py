from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from benchmarks.billing_load.processes import NotInstalled, running_postgres
from billing.db.tables import METADATA
from billing.gateway import Behaviour
from billing.migrations import HEAD
from billing.money import Money
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import NForM
from billing.store import BillingStore
from tests.billing.till import Till, make_till


@pytest.fixture(scope="session")
def book() -> PriceBook:
    """Return prices with and without tax in them, a deposit, and three juices for two."""
    rows = [
        ("cola", 149, "standard", "19", True),
        ("bread", 289, "reduced", "7", True),
        ("leaflet", 0, "standard", "19", True),
        ("sweet", 3, "standard", "19", True),
        ("paper", 333, "exclusive", "8.875", False),
    ]
    prices = [
        Price(sku, sku.title(), Money(minor, "EUR"), tax, Decimal(rate), inclusive)
        for sku, minor, tax, rate, inclusive in rows
    ]
    water = Price(
        "water", "Water", Money(99, "EUR"), "standard", Decimal("19"), True, deposit=Deposit(Money(25, "EUR"))
    )
    three_for_two = NForM(promotion_id="juice", name="3 for 2", skus=("juice",), take=3, pay=2)
    juice = Price("juice", "Juice", Money(101, "EUR"), "reduced", Decimal("7"), True)
    return PriceBook.of("EUR", [*prices, water, juice], [three_for_two])


UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
"""Settings of a server that nobody cuts the power of, and whose databases are gone before a vacuum would pay."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """Run a PostgreSQL that waits for no disk, and return the folder of its socket."""
    with TemporaryDirectory(prefix="tillfree-pg-") as place:
        try:
            with running_postgres(Path(place), *UNSAFE) as socket:
                yield socket
        except NotInstalled as error:
            pytest.skip(str(error))


@dataclass(frozen=True, slots=True)
class PostgresDatabases:
    """Makes and drops databases on one server."""

    socket: Path
    server: Engine

    def url(self, name: str) -> str:
        return f"postgresql://till@/{name}?host={self.socket}"

    def run(self, command: str) -> None:
        with self.server.connect() as connection:
            connection.execute(text(command))

    @contextlib.contextmanager
    def one(self, template: str) -> Iterator[str]:
        """Yield the URL of a copy of ``template``, which is dropped afterwards."""
        name = f"t{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres(postgres_server: Path) -> Iterator[PostgresDatabases]:
    """Return what makes databases on the server."""
    url = f"postgresql+psycopg://till@/postgres?host={postgres_server}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    yield PostgresDatabases(postgres_server, engine)
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresDatabases) -> str:
    """Return the name of a database that is set up, to be copied."""
    postgres.run("CREATE DATABASE migrated")
    BillingStore(postgres.url("migrated")).close()
    return "migrated"


@pytest.fixture(scope="session")
def used_again(postgres: PostgresDatabases, migrated_postgres: str) -> Iterator[tuple[str, Engine]]:
    """Return the URL of a database that is set up, and a way past Tillfree to it."""
    with postgres.one(migrated_postgres) as url:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        yield url, engine
        engine.dispose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that is set up, to be copied; closing it left nothing in its write-ahead log."""
    file = tmp_path_factory.mktemp("migrated") / "billing.sqlite"
    BillingStore(file).close()
    return file


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the kind of database; every test of a database runs on each."""
    kind: str = request.param
    return kind


@pytest.fixture
def database(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Return a database that is set up and holds nothing: SQLite's file, or PostgreSQL's URL.

    SQLite's is a copy of one that the migrations made; PostgreSQL's is emptied after each test, which is faster than a copy.
    """
    if backend == "sqlite":
        yield shutil.copyfile(request.getfixturevalue("migrated_sqlite"), tmp_path / "billing.sqlite")
        return
    url, past = request.getfixturevalue("used_again")
    yield url
    with past.connect() as connection:
        connection.execute(text("SET lock_timeout = '5s'"))  # a test that left a transaction open fails, not hangs
        connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY"))
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})


@pytest.fixture
def empty_database(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Return a database without a single table, for tests of how it is set up."""
    if backend == "sqlite":
        yield tmp_path / "empty.sqlite"
        return
    postgres: PostgresDatabases = request.getfixturevalue("postgres")
    with postgres.one("template0") as url:
        yield url


@pytest.fixture
def store(database: Path | str) -> Iterator[BillingStore]:
    with contextlib.closing(BillingStore(database)) as store:
        yield store


@pytest.fixture
def raw(database: Path | str) -> Iterator[Engine]:
    """Return a way past Tillfree to the same database."""
    url = (
        f"sqlite:///{database}"
        if isinstance(database, Path)
        else database.replace("postgresql:", "postgresql+psycopg:")
    )
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def till(book: PriceBook, store: BillingStore) -> Iterator[Callable[..., Till]]:
    """Return what makes tills on the database; every visit of theirs is checked at the end of the test."""
    made: list[Till] = []

    def make(*script: Behaviour, **settings: Any) -> Till:
        made.append(make_till(book, store, script, **settings))
        return made[-1]

    yield make
    with store.reading() as books:
        visits = [receipt.visit_id for receipt in books.all_receipts()]
    for visit in visits:
        made[-1].check(visit)
