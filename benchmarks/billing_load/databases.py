"""Databases to measure on: fresh ones, and ones with many stored visits, which a cache folder keeps for the next time."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import psycopg

import billing.schema
from benchmarks.billing_load.bulk import load_in_bulk
from benchmarks.billing_load.processes import running_postgres
from benchmarks.billing_load.rows import S, trace, trace_debt
from billing.store import BillingStore
from tillfree.system import system_clock

KEPT_FROM = 100_000
"""Databases with fewer visits are made anew each time: it takes seconds, and each run adds visits of its own."""

Tell = Callable[[int], None]
_VERSIONS = sorted((Path(billing.schema.__path__[0]) / "versions").glob("*.py"))
SCHEMA = hashlib.sha256(b"".join(file.read_bytes() for file in _VERSIONS)).hexdigest()[:12]
"""Part of the names of what is kept: another schema is loaded anew."""
traced = cache(trace)
traced_debt = cache(trace_debt)


class Databases(Protocol):
    """Makes databases of one kind."""

    kind: str
    lines: int

    def fresh(self, name: str) -> Path | str:
        """Return a database that is set up and holds nothing."""
        ...

    def stored(self, count: int, tell: Tell) -> Path | str:
        """Return a database with ``count`` visits, loaded in bulk unless it is kept from an earlier run."""
        ...


@dataclass(frozen=True, slots=True)
class SqliteDatabases:
    """Files in a folder."""

    place: Path
    kept: Path
    kind: str = "sqlite"
    lines: int = 1  # there is one writer at a time

    def fresh(self, name: str) -> Path:
        """See ``Databases.fresh``."""
        for file in self.place.glob(f"{name}.sqlite*"):
            file.unlink()
        file = self.place / f"{name}.sqlite"
        BillingStore(file).close()
        return file

    def stored(self, count: int, tell: Tell) -> Path:
        """See ``Databases.stored``."""
        file = (self.kept if count >= KEPT_FROM else self.place) / f"stored-{count}-{SCHEMA}.sqlite"
        if not file.exists():
            part = file.with_suffix(".part")
            part.unlink(missing_ok=True)
            load_in_bulk(part, traced(), traced_debt(), count, _recently_ns(), tell)
            part.rename(file)
        return file


@dataclass(frozen=True, slots=True)
class PostgresDatabases:
    """Databases on a server of our own, whose socket is in a folder."""

    socket: Path
    kind: str = "postgresql"
    lines: int = 8  # as many as the load has clients: commits that come together reach the disk together

    def fresh(self, name: str) -> str:
        """See ``Databases.fresh``."""
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        BillingStore(self._url(name)).close()
        return self._url(name)

    def stored(self, count: int, tell: Tell) -> str:
        """See ``Databases.stored``."""
        name = f"stored_{count}_{SCHEMA}"
        if count < KEPT_FROM or not self._run(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", "DROP DATABASE IF EXISTS part WITH (FORCE)")
            self._run("CREATE DATABASE part")
            load_in_bulk(self._url("part"), traced(), traced_debt(), count, _recently_ns(), tell)
            self._run(f"ALTER DATABASE part RENAME TO {name}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://till@/{name}?host={self.socket}"

    def _run(self, *commands: str) -> bool:
        """Run commands, and say whether the last gave rows."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            done = [connection.execute(command.encode()) for command in commands]
            return done[-1].description is not None and done[-1].fetchone() is not None


@contextlib.contextmanager
def opened(kind: str, place: Path, kept: Path) -> Iterator[Databases]:
    """Yield what makes databases of a kind. Raises NotInstalled where PostgreSQL is not."""
    if kind == "sqlite":
        yield SqliteDatabases(place, kept)
        return
    folder = kept / f"postgresql-{SCHEMA}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    durable = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=1GB", "max_wal_size=4GB")
    with running_postgres(folder, *durable) as socket:
        yield PostgresDatabases(socket)


def _recently_ns() -> int:
    return system_clock() - 60 * S
