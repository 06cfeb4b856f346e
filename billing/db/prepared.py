"""Statements that SQLAlchemy writes once, and the driver runs from then on.

A visit is some sixty statements. Around each, SQLAlchemy looks up the compiled text, converts values and describes the
result, and none of it differs from one call to the next: it was the largest part of a visit's time. Connections,
pools, transactions and errors stay SQLAlchemy's, and what is asked rarely goes through it as a whole
(docs/adr/0020-prepared-statements.md).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect, Select, TextualSelect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Found = Any
"""A row: a named tuple of the statement's columns."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as one kind of database takes it: its values in the driver's form, its rows in ours."""

    sql: str
    given: Callable[[Mapping[str, object]], Any]
    row: Callable[[Iterable[object]], Found]


class Prepared:
    """A statement for SQLite and PostgreSQL, compiled when it first runs on each with values of these names.

    They and its columns are numbers and texts, which SQLAlchemy hands over as they are; it has no lists (``in_``), whose
    length is part of the text.

    All methods raise what SQLAlchemy raises, and TypeError for a statement that is not such a one.
    """

    def __init__(self, statement: ClauseElement | Mapping[str, ClauseElement]) -> None:
        """``statement`` is one for both kinds of database, or one for each by SQLAlchemy's name of it."""
        self._statement = statement
        self._texts: dict[tuple[str, ...], _Text] = {}

    def rows(self, connection: Connection, **values: object) -> list[Found]:
        """Return all rows."""
        text, cursor = self._run(connection, values)
        return [text.row(row) for row in cursor.fetchall()]

    def first(self, connection: Connection, **values: object) -> Found | None:
        """Return the row of a statement that has one at most, or None."""
        text, cursor = self._run(connection, values)
        rows = cursor.fetchall()  # also ends the statement, which SQLite counts as running until then
        return text.row(rows[0]) if rows else None

    def do(self, connection: Connection, **values: object) -> int:
        """Run a statement that has no rows; return how many it wrote."""
        _, cursor = self._run(connection, values)
        return int(cursor.rowcount)

    def _run(self, connection: Connection, values: Mapping[str, object]) -> tuple[_Text, Any]:
        dialect = connection.dialect
        made_for = (dialect.name, *values)
        text = self._texts.get(made_for)
        if text is None:
            statement = self._statement[dialect.name] if isinstance(self._statement, Mapping) else self._statement
            text = self._texts[made_for] = _compiled(statement, dialect, tuple(values))
        driver: Any = connection.connection.driver_connection
        try:
            return text, driver.execute(text.sql, text.given(values))
        except dialect.loaded_dbapi.Error as error:
            raise _of_sqlalchemy(connection, text.sql, error) from error


def _compiled(statement: ClauseElement, dialect: Dialect, names: Sequence[str]) -> _Text:
    """Return the text of a statement that gets values by these names."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)
    returned = (
        statement.selected_columns
        if isinstance(statement, Select | TextualSelect)
        else compiled.effective_returning or ()
    )
    columns = list(returned)
    _is_plain(compiled, dialect, columns)
    own = {name: bind.effective_value for name, bind in compiled.binds.items() if name not in names}
    row: Any = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]  # known when it runs
    return _Text(str(compiled), _giver(compiled.positiontup, own), row._make)


def _is_plain(compiled: SQLCompiler, dialect: Dialect, columns: Sequence[Any]) -> None:
    """Raise TypeError unless SQLAlchemy does nothing to a statement's values and columns."""
    is_converted = any(
        bind.type.dialect_impl(dialect).bind_processor(dialect) is not None for bind in compiled.binds.values()
    ) or any(column.type.dialect_impl(dialect).result_processor(dialect, None) is not None for column in columns)
    if is_converted or compiled.post_compile_params:
        raise TypeError(f"not to be prepared, run it through SQLAlchemy: {compiled}")


def _giver(order: Sequence[str] | None, own: Mapping[str, object]) -> Callable[[Mapping[str, object]], Any]:
    """Return what brings values by name into the driver's form: in the order of the text, or by name where it is None.

    ``own`` are those that are part of the statement.
    """
    if order is not None:
        return lambda values: [values[name] if name in values else own[name] for name in order]
    return (lambda values: {**own, **values}) if own else (lambda values: values)


def _of_sqlalchemy(connection: Connection, sql: str, error: Exception) -> Exception:
    """Return the driver's error as SQLAlchemy raises it, and give a connection up that was lost."""
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    is_lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]  # the driver's own classes
    if is_lost:
        connection.invalidate(error)
    made: Exception = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return made
