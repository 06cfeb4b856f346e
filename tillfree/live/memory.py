"""What a store's gates have decided, kept on the disk: no pass opens twice, and a scan sent again is one scan."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from billing.passes import EntryPass, Replays
from checkout.types import GateScanned
from store_layout.errors import InputError
from tillfree.live.decisions import GateDecision, Outcome, Reason
from tillfree.live.errors import ScanReused
from tillfree.live.journal import Journal

_MOST_REFUSED = 1_000
"""Decisions that let nobody in are kept in memory alone: after a restart the same scan is judged anew."""

_KEEP_NS = 3_600 * 10**9
"""Admissions of the last hour: as long as a scan may be repeated at most, and longer than any pass is valid."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A scan that let somebody in. ``settled_ns``: an engine that is past it has taken the scan."""

    scan: GateScanned
    key: str | None
    digest: str
    reason: Reason
    entry: EntryPass | None
    settled_ns: int

    @property
    def decision(self) -> GateDecision:
        """Return what the gate was told."""
        return GateDecision.of(self.reason, self.scan.at_ns, self.scan.scan_id)


class GateMemory:
    """Decisions by gate and key, and the passes that were taken. Safe to use from several threads."""

    def __init__(self, path: Path, repeat_ns: int, compact_after: int = 1_000) -> None:
        """A scan that comes again within ``repeat_ns`` is the same; the file is written anew after so many admissions.

        Raises InputError where the file is in use, damaged, or cannot be opened.
        """
        self._repeat_ns, self._compact_after = repeat_ns, compact_after
        self._mutex = threading.Lock()
        self._admitted: list[Admitted] = []
        self._by_key: dict[tuple[str, str], Admitted] = {}
        self._refused: OrderedDict[tuple[str, str], tuple[str, GateDecision]] = OrderedDict()
        self._replays = Replays()
        self._journal = Journal(path)
        try:
            for line in self._journal.lines:
                self._apply(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            self._journal.close()
            raise InputError(f"is no memory of gates: {error}", file=path, mend="move it away") from error

    def close(self) -> None:
        """Let the file go."""
        self._journal.close()

    def known(self, gate_id: str, key: str | None, digest: str, at_ns: int) -> GateDecision | Admitted | None:
        """Return what was decided for this key at this gate within ``repeat_ns``; None for a new one.

        Raises ScanReused where the key came with another scan.
        """
        if key is None:
            return None
        with self._mutex:
            admitted, refused = self._by_key.get((gate_id, key)), self._refused.get((gate_id, key))
        decided: list[tuple[str, int, GateDecision | Admitted]] = []
        if admitted is not None:
            decided.append((admitted.digest, admitted.scan.at_ns, admitted))
        if refused is not None:
            decided.append((refused[0], refused[1].at_ns, refused[1]))
        found = next((each for each in decided if abs(at_ns - each[1]) <= self._repeat_ns), None)
        if found is None:
            return None
        if found[0] != digest:
            raise ScanReused(f"{key!r} came with another scan at {gate_id} before: give each scan its own id")
        return found[2]

    def refuse(self, gate_id: str, key: str | None, digest: str, decision: GateDecision) -> None:
        """Keep a decision that let nobody in."""
        if key is None:
            return
        with self._mutex:
            self._refused[gate_id, key] = (digest, decision)
            if len(self._refused) > _MOST_REFUSED:
                self._refused.popitem(last=False)

    def admit(self, given: Admitted) -> bool:
        """Keep an admission; when this returns it would outlive a crash. False where its pass was taken before.

        Raises NodeStopped where it cannot be kept; its pass counts as taken then.
        """
        with self._mutex:
            if given.entry is not None and not self._replays.first(given.entry, given.scan.at_ns):
                return False
            self._journal.append(_written(given))
            self._keep(given)
            if len(self._admitted) >= self._compact_after:
                self._compact(given.scan.at_ns)
            return True

    def since(self, at_ns: int) -> tuple[Admitted, ...]:
        """Return who was admitted from then on."""
        with self._mutex:
            return tuple(each for each in self._admitted if each.scan.at_ns >= at_ns)

    def _keep(self, given: Admitted) -> None:
        self._admitted.append(given)
        if given.key is not None:
            self._by_key[given.scan.gate_id, given.key] = given
            self._refused.pop((given.scan.gate_id, given.key), None)

    def _apply(self, said: dict[str, Any]) -> None:
        if "forgotten_ns" in said:
            self._replays = Replays(forgotten_ns=said["forgotten_ns"])
            return
        given = _read(said)
        if given.entry is not None:
            self._replays.first(given.entry, given.scan.at_ns)
        self._keep(given)

    def _compact(self, now_ns: int) -> None:
        """Write the file anew without what is old; no pass that it forgets is taken again."""
        old = [each for each in self._admitted if now_ns - each.scan.at_ns > _KEEP_NS]
        if 2 * len(old) < len(self._admitted):
            self._compact_after = 2 * len(self._admitted)  # a busy day: it has to hold more
            return
        kept = [each for each in self._admitted if now_ns - each.scan.at_ns <= _KEEP_NS]
        issued = (each.entry.issued_at_ns for each in old if each.entry is not None)
        forgotten_ns = max((self._replays.forgotten_ns, *issued))
        head = json.dumps({"forgotten_ns": forgotten_ns})
        self._journal.rewrite([head, *(_written(each) for each in kept)])
        self._admitted = kept
        self._by_key = {(each.scan.gate_id, each.key): each for each in kept if each.key is not None}


def _written(given: Admitted) -> str:
    scan, entry = given.scan, given.entry
    body: dict[str, object] = {
        "scan": [scan.scan_id, scan.gate_id, scan.at_ns, scan.token, scan.party_size],
        "key": given.key,
        "digest": given.digest,
        "reason": given.reason,
        "settled_ns": given.settled_ns,
        "pass": entry and [str(entry.shopper_id), entry.nonce.hex(), entry.issued_at_ns, entry.expires_at_ns],
    }
    return json.dumps(body)


def _read(said: dict[str, Any]) -> Admitted:
    entry: EntryPass | None = None
    if said["pass"] is not None:
        shopper_id, nonce, issued_at_ns, expires_at_ns = said["pass"]
        entry = EntryPass(UUID(shopper_id), bytes.fromhex(nonce), issued_at_ns, expires_at_ns)
    scan, reason = GateScanned(*said["scan"]), Reason(said["reason"])
    if GateDecision.of(reason, 0).outcome is not Outcome.ADMIT:
        raise ValueError(f"{reason} lets nobody in")
    return Admitted(scan, said["key"], said["digest"], reason, entry, said["settled_ns"])
