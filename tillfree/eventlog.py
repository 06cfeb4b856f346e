"""The append-only event log of a run: one JSON object a line, in the order in which things became known.

Carts, receipts and every picture of the run are folds of this log. A line is
``{"seq": 7, "event": "CartEvent", ...fields}`` with the fields of the frozen dataclass of
that name. The same input gives the same bytes: keys keep the dataclass's order, and
probabilities are rounded to six decimals where they are made.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from billing import types as billing_types
from checkout import types as checkout_types
from store_layout.errors import InputError
from tillfree import carried
from vision import types as vision_types

LOG_VERSION = 1


class EventLogError(InputError):
    """A log that cannot be read. The message names file and line."""


def event_types() -> dict[str, type]:
    """Return the kinds of events by name, for ``decode``."""
    found: dict[str, type] = {}
    for module in (vision_types, checkout_types, billing_types, carried):
        for name, value in vars(module).items():
            if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__:
                found[name] = value
    return found


def encode(seq: int, event: object) -> str:
    """Return the log's line for ``event``, without the line break."""
    fields = dataclasses.asdict(typing.cast("Any", event))
    return json.dumps({"seq": seq, "event": type(event).__name__, **fields}, separators=(",", ":"), ensure_ascii=False)


def decode(line: str, known: dict[str, type]) -> object:
    """Return the event that a line holds.

    Raises:
        ValueError: the line is no JSON object, or its kind or fields are unknown.
    """
    fields = json.loads(line)
    kind = known.get(fields.pop("event", ""))
    fields.pop("seq", None)
    if kind is None:
        raise ValueError("unknown kind of event")
    return _build(kind, fields)


def _build(kind: type, fields: dict[str, Any]) -> object:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(fields) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}")
    return kind(**{name: _convert(hints[name], value) for name, value in fields.items()})


def _convert(hint: Any, value: Any) -> Any:
    """Bring a JSON value back to what ``hint`` says: lists to tuples, objects to dataclasses."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [each for each in typing.get_args(hint) if each is not type(None)]
        return None if value is None else _convert(inner[0], value)
    if origin is tuple:
        arguments = typing.get_args(hint)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_convert(arguments[0], each) for each in value)
        return tuple(_convert(one, each) for one, each in zip(arguments, value, strict=True))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _build(hint, value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    return value


class EventLog(Protocol):
    """Where a run writes down what becomes known."""

    def write(self, events: Iterable[object]) -> None:
        """Append events that became known together."""
        ...


class HeardLog:
    """A log of whose events somebody hears, in order, once they are written."""

    def __init__(self, log: EventLog, hear: Callable[[object], None]) -> None:
        self._log, self._hear = log, hear

    def write(self, events: Iterable[object]) -> None:
        """See ``EventLog.write``."""
        written = tuple(events)
        self._log.write(written)
        for event in written:
            self._hear(event)


class EventLogWriter:
    """Appends events to a file; each line is complete on disk or absent after a crash."""

    def __init__(self, stream: IO[str], first_seq: int = 0) -> None:
        """``first_seq`` is the number of the next line, where a log goes on."""
        self._stream = stream
        self._seq = first_seq

    def write(self, events: Iterable[object]) -> None:
        """Append ``events`` in order and hand them to the operating system together."""
        lines = []
        for event in events:
            lines.append(encode(self._seq, event) + "\n")
            self._seq += 1
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()


def read_events(path: Path) -> Iterator[object]:
    """Yield the events of a log. A last line that a crash cut short is left out.

    Raises:
        EventLogError: a line other than the last cannot be read.
    """
    known = event_types()
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            yield decode(line, known)
        except (ValueError, TypeError) as error:
            if number == len(lines):
                return
            raise EventLogError(f"{path}: line {number}: {error}; restore the log from a copy") from error
