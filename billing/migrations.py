"""The database's schema, step by step, through Alembic (the steps are in schema/): ``upgrade`` brings any earlier one up to date."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

HEAD = "0002"
"""The revision that this code reads and writes."""


def revision(engine: Engine) -> str | None:
    """Return the revision of a database, None for one without Tillfree's tables."""
    with engine.begin() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def upgrade(engine: Engine) -> None:
    """Bring a database to ``HEAD``, all of it or nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "schema"))
    lock = "SELECT pg_advisory_xact_lock(7155)" if engine.dialect.name == "postgresql" else "BEGIN IMMEDIATE"
    with engine.begin() as connection:
        connection.execute(text(lock))  # another process may be at it: the second finds nothing left to do
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
