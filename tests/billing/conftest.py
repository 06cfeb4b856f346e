from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, create_engine, text

from billing.money import Money
from billing.pricebook import Deposit, Price, PriceBook
from billing.promotions import NForM
from billing.store import BillingStore


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


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run a PostgreSQL of its own, and return the folder of its socket."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs and shutil.which("initdb") is None:
        pytest.skip("needs PostgreSQL: the Debian package postgresql")
    programs = programs or [Path(shutil.which("initdb") or "").parent]
    with TemporaryDirectory(prefix="tillfree-pg-") as place:
        folder = Path(place)
        as_user: list[str] = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]
        run = functools.partial(subprocess.run, check=True, capture_output=True, cwd="/")
        run([*as_user, str(programs[-1] / "initdb"), "-D", f"{place}/data", "-U", "till", "-A", "trust", "-E", "UTF8"])
        control = [*as_user, str(programs[-1] / "pg_ctl"), "-D", f"{place}/data", "-w", "-l", f"{place}/log"]
        options = f"-c listen_addresses='' -c unix_socket_directories={place} -c max_connections=200"
        run([*control, "-o", options, "start"])
        yield folder
        run([*control, "-m", "immediate", "stop"])


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Return an empty database: SQLite's file, or PostgreSQL's URL."""
    if request.param == "sqlite":
        yield tmp_path / "billing.sqlite"
        return
    socket = request.getfixturevalue("postgres_server")
    name = f"t{uuid.uuid4().hex}"
    server = create_engine(f"postgresql+psycopg://till@/postgres?host={socket}", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"postgresql://till@/{name}?host={socket}"
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


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
