"""Readers at gates that do not speak HTTP themselves: one file each behind ``ScanReader``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from store_layout.errors import InputError
from tillfree.errors import OutOfReach


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader saw: the text of an entry pass, or a token that the reader itself made of a card or a badge."""

    text: str
    is_pass: bool = True


class ScanReader(Protocol):
    """A reader at a gate."""

    def scans(self) -> Iterator[Read]:
        """Yield what is shown, until the reader is gone."""
        ...


class ScanClient(Protocol):
    """Where scans are posted: ``tillfree.live.client.NodeClient``."""

    def scan(
        self,
        gate_id: str,
        *,
        entry_pass: str | None = None,
        token: str | None = None,
        party_size: int = 1,
        scan_id: str | None = None,
    ) -> dict[str, Any]:
        """Return what the gate is to do."""
        ...


_TRIES = 3
"""Times that one scan is posted: a shopper waits for seconds, not longer."""


def post_scans(reader: ScanReader, gate_id: str, client: ScanClient, show: Callable[[str, str], None]) -> None:
    """Post what a reader sees and show each outcome and its words, until the reader is gone.

    A scan without an answer is posted again by the same id, so that it opens one visit; then staff are called.
    """
    for seen in reader.scans():
        outcome, sentence = _posted(seen, gate_id, client)
        show(outcome, sentence)


def _posted(seen: Read, gate_id: str, client: ScanClient) -> tuple[str, str]:
    scan_id = f"r-{secrets.token_hex(10)}"
    entry_pass, token = (seen.text, None) if seen.is_pass else (None, seen.text)
    for _ in range(_TRIES):
        try:
            said = client.scan(gate_id, entry_pass=entry_pass, token=token, scan_id=scan_id)
        except OutOfReach as error:
            problem = str(error)
        except InputError as error:
            return "call_staff", str(error)
        else:
            return said["outcome"], said["sentence"]
    return "call_staff", problem
