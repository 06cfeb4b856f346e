"""Answers that can still be taken back, in a file: a crash loses none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from dashboard.reviews.labelled import Example, write_whole
from store_layout.errors import InputError
from store_layout.model import Strict


class Pending(Strict):
    """An answer that waits until ``send_at_ns``, by the dashboard's clock; ``due_ns`` is the question's, by the store's."""

    example: Example
    send_at_ns: int
    due_ns: int

    @property
    def review_id(self) -> str:
        """Return the question's id."""
        return self.example.review_id

    @property
    def who(self) -> str:
        """Return who answered."""
        return self.example.answered_by


class _Book(Strict):
    version: Literal[1] = 1
    pending: tuple[Pending, ...] = ()


class AnswerBook:
    """The answers that wait, by question. Not safe for several threads: ``ReviewDesk`` guards it."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file is no such book, or cannot be read."""
        self._path = path
        self._pending = {each.review_id: each for each in _read(path)}

    def all(self) -> tuple[Pending, ...]:
        """Return what waits, in the order in which it was answered."""
        return tuple(self._pending.values())

    def get(self, review_id: str) -> Pending | None:
        """Return the answer to a question that waits."""
        return self._pending.get(review_id)

    def put(self, pending: Pending) -> None:
        """Keep an answer, in place of one to the same question; it is on the disk when this returns. Raises OSError."""
        others = {key: each for key, each in self._pending.items() if key != pending.review_id}
        self._keep(others | {pending.review_id: pending})

    def remove(self, review_id: str) -> None:
        """Forget an answer. Raises OSError; then it still waits."""
        self._keep({key: each for key, each in self._pending.items() if key != review_id})

    def drop(self, review_id: str) -> None:
        """Forget an answer for now; the file has it still."""
        self._pending.pop(review_id, None)

    def _keep(self, pending: dict[str, Pending]) -> None:
        write_whole(self._path, _Book(pending=tuple(pending.values())).model_dump_json() + "\n")
        self._pending = pending


def _read(path: Path) -> tuple[Pending, ...]:
    try:
        return _Book.model_validate_json(path.read_bytes()).pending
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path, mend="give this user the file") from error
    except ValidationError as error:
        mend = "move it away: the answers in it are lost then"
        raise InputError("is no book of answers", file=path, mend=mend) from error
