"""Decides at the gate, without the payment gateway: passes are checked here, money is held when the engine opens the visit.

What was decided is on the disk before the gate hears of it: first who was admitted, then the scan for the engine. A crash
in between lets nobody in; the reader sends the scan again by its key, and it goes on from there.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from billing.errors import PassError, PassExpired, PassForged, PassFromFuture, PassKeyUnknown, PassMalformed
from billing.passes import EntryPass, check
from billing.types import Refusal, VisitKind, kind_of
from checkout.types import GateScanned
from tillfree.live.decisions import GateDecision, Reason, ScanIn
from tillfree.live.errors import BooksAway, NodeFull, NodeStopped
from tillfree.live.memory import Admitted, GateMemory
from tillfree.live.node import NodePort, NodeView, VisitState
from tillfree.live.passkeys import PassKeys
from tillfree.live.settings import GateSettings, Shown
from tillfree.live.standing import RefusedList, Standing, who_of
from tillfree.live.tokens import pass_token

_S = 10**9

_OF_PASS: dict[type[PassError], Reason] = {
    PassMalformed: Reason.PASS_MALFORMED,
    PassKeyUnknown: Reason.PASS_KEY_UNKNOWN,
    PassForged: Reason.PASS_FORGED,
    PassExpired: Reason.PASS_EXPIRED,
    PassFromFuture: Reason.PASS_FROM_FUTURE,
}
"""What ``billing.passes.check`` finds."""

_OF_REFUSAL = {
    Refusal.DEBTOR: Reason.DEBTOR,
    Refusal.NO_CARD: Reason.NO_CARD,
    Refusal.NO_ACCOUNT: Reason.NO_ACCOUNT,
    Refusal.PASS_USED: Reason.PASS_USED,
}

_SHOWN: dict[VisitKind, Shown] = {VisitKind.SHOPPER: "card", VisitKind.CASH: "cash", VisitKind.STAFF: "staff"}

GateKind = Literal["entry", "exit", "both"]


class _Refused(Exception):
    """A check that was not passed; ends the checks, and never leaves ``Gatekeeper``."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason)


class Gatekeeper:
    """Says who comes in. Safe to use from several threads, one object a store."""

    def __init__(
        self,
        node: NodePort,
        gates: Mapping[str, GateKind],
        keys: PassKeys,
        standing: Standing,
        refused: RefusedList,
        memory: GateMemory,
        settings: GateSettings,
        tell: Callable[[str], None],
    ) -> None:
        """``gates`` are the layout's; ``tell`` hears of what went wrong.

        Wrap ``standing`` into ``TimedStanding``: nothing here bounds its time.
        """
        self._node, self.gates, self._keys = node, dict(gates), keys
        self._standing, self._listed = standing, refused
        self._memory, self.settings, self._tell = memory, settings, tell
        self._one_at_a_time = threading.Lock()

    def decide(self, scan: ScanIn, at_ns: int) -> GateDecision:
        """Say what the gate does about a scan that came at ``at_ns``, Unix time in nanoseconds.

        A scan with the key of one before, within ``repeat_s``, gets the decision of before, and opens nothing more.
        Raises ScanReused where the key came with something else before.
        """
        digest = _digest(scan)
        known = self._memory.known(scan.gate_id, scan.key, digest, at_ns)
        if known is not None:
            return self._again(known, at_ns)
        try:
            token, entry, reason = self._judged(scan, at_ns)
            with self._one_at_a_time:
                known = self._memory.known(scan.gate_id, scan.key, digest, at_ns)
                if known is not None:  # the same scan came twice at the same moment
                    return self._again(known, at_ns)
                return self._admit(scan, token, entry, reason, digest, at_ns)
        except _Refused as refused:
            known = self._memory.known(scan.gate_id, scan.key, digest, at_ns)
            if known is not None:  # the same scan was let in meanwhile, and its pass is used by now
                return self._again(known, at_ns)
            decision = GateDecision.of(refused.reason, at_ns)
            self._memory.refuse(scan.gate_id, scan.key, digest, decision)
            return decision

    def _again(self, known: GateDecision | Admitted, at_ns: int) -> GateDecision:
        """Return the decision of before. The engine may not have the scan, if this process died in between: it takes it once."""
        if isinstance(known, GateDecision):
            return replace(known, is_repeat=True)
        return replace(self._handed_on(known, at_ns), is_repeat=True)

    # -- checks that change nothing ---------------------------------------------

    def _judged(self, scan: ScanIn, at_ns: int) -> tuple[str, EntryPass | None, Reason]:
        """Return token, pass and reason of a scan that may come in as far as nothing else comes in. Raises _Refused."""
        self._check_gate(scan)
        seen_ns = self._seen_ns(scan, at_ns)
        self._check_store(scan.gate_id, self._node.view(), at_ns)
        if (scan.entry_pass is None) == (scan.token is None):
            raise _Refused(Reason.NOTHING_SHOWN)
        if scan.entry_pass is None:
            token, entry = scan.token or "", None
            self._check_accepts(_SHOWN[kind_of(token)])
            if pass_shaped(token):  # a pass among bare tokens would come past its checks
                raise _Refused(Reason.NOT_ACCEPTED)
        else:
            self._check_accepts("pass")
            token, entry = pass_token(scan.entry_pass), self._checked(scan.entry_pass, seen_ns, at_ns)
        return token, entry, self._stands(token, entry, seen_ns)

    def _check_gate(self, scan: ScanIn) -> None:
        kind = self.gates.get(scan.gate_id)
        if kind is None:
            raise _Refused(Reason.UNKNOWN_GATE)
        if kind == "exit":
            raise _Refused(Reason.EXIT_ONLY)
        if not 1 <= scan.party_size <= self.settings.party_max:
            raise _Refused(Reason.PARTY_SIZE)

    def _check_accepts(self, shown: Shown) -> None:
        if shown not in self.settings.accepts:
            raise _Refused(Reason.NOT_ACCEPTED)

    def _seen_ns(self, scan: ScanIn, at_ns: int) -> int:
        """Return when the reader saw what was shown."""
        seen_ns = at_ns if scan.at_ns is None else scan.at_ns
        is_late = at_ns - seen_ns > self.settings.scan_age_max_s * _S
        if is_late or seen_ns - at_ns > self.settings.clock_tolerance_s * _S:
            raise _Refused(Reason.SCAN_TIME)
        return min(seen_ns, at_ns)

    def _check_store(self, gate_id: str, view: NodeView, at_ns: int) -> None:
        if view.blocking:
            raise _Refused(Reason.FAULT)
        if not view.is_open:
            raise _Refused(Reason.CLOSED)
        if abs(at_ns - view.at_ns) > self.settings.view_age_max_s * _S:
            raise _Refused(Reason.BEHIND)
        if not view.sees(gate_id):
            raise _Refused(Reason.NOT_SEEN)

    def _checked(self, text: str, seen_ns: int, at_ns: int) -> EntryPass:
        """Return what a pass says. A key that is not known is asked for once more, where there is somebody to ask."""
        for is_last in (False, True):
            known, reason = self._keys.current(at_ns), Reason.PASS_KEY_UNKNOWN
            if at_ns - known.fetched_at_ns > self.settings.keys_age_max_s * _S:
                reason = Reason.KEYS_OLD
            elif known.policy is not None:
                try:
                    return check(text, known.keys, seen_ns, known.policy)
                except PassKeyUnknown:
                    pass  # the store may have a new one
                except PassError as error:
                    raise _Refused(_OF_PASS[type(error)]) from error
            if is_last or not self._keys.look_again(at_ns):
                raise _Refused(reason)
        raise AssertionError("the last round returns or raises")

    def _stands(self, token: str, entry: EntryPass | None, seen_ns: int) -> Reason:
        """Return why somebody may come in, for all that billing says. Raises _Refused."""
        who = who_of(token, None if entry is None else str(entry.shopper_id))
        try:
            refusal = self._standing.refused(token, seen_ns)
        except BooksAway as error:
            self._tell(f"gate: {error}")
            return self._offline(who, entry)
        self._note(who, refusal)
        if refusal is not None:
            raise _Refused(_OF_REFUSAL[refusal])
        return Reason.WELCOME

    def _offline(self, who: str, entry: EntryPass | None) -> Reason:
        if self._listed.has(who):
            raise _Refused(Reason.DEBTOR)
        if entry is None or self.settings.offline != "admit":
            raise _Refused(Reason.BOOKS_AWAY)
        return Reason.UNCHECKED

    def _note(self, who: str, refusal: Refusal | None) -> None:
        """Keep what billing said for when it says nothing; nobody is kept out because that cannot be written."""
        if refusal in (None, Refusal.DEBTOR):
            try:
                self._listed.note(who, refusal is Refusal.DEBTOR)
            except OSError as error:
                self._tell(f"gate: the list of refused shoppers cannot be written: {error}")

    # -- what changes something --------------------------------------------------

    def _admit(
        self, scan: ScanIn, token: str, entry: EntryPass | None, reason: Reason, digest: str, at_ns: int
    ) -> GateDecision:
        """Let somebody in, if there is room and the pass is new. Raises _Refused."""
        view, seen_ns = self._node.view(), self._seen_ns(scan, at_ns)
        if self._inside(view, at_ns) + scan.party_size > self.settings.capacity:
            raise _Refused(Reason.STORE_FULL)
        scanned = GateScanned(_scan_id(scan.gate_id, seen_ns), scan.gate_id, seen_ns, token, scan.party_size)
        given = Admitted(scanned, scan.key, digest, reason, entry, max(seen_ns, view.at_ns))
        try:
            if not self._memory.admit(given):
                raise _Refused(Reason.PASS_USED)
        except NodeStopped as error:
            self._tell(f"gate: {error}")
            return GateDecision.of(Reason.NOT_KEPT, at_ns)
        return self._handed_on(given, at_ns)

    def _handed_on(self, given: Admitted, at_ns: int) -> GateDecision:
        """Hand a scan to the engine, which takes it once; staff are called where it cannot be."""
        try:
            self._node.admit(given.scan)
        except (NodeFull, NodeStopped) as error:
            self._tell(f"gate: {error}")
            return GateDecision.of(Reason.NOT_KEPT, at_ns)
        return given.decision

    def _inside(self, view: NodeView, at_ns: int) -> int:
        """Return how many people are in the store or on their way in."""
        since_ns = at_ns - int(self.settings.entry_wait_s * _S)
        known = {visit.scan_id for visit in view.visits}
        coming = sum(
            max(0, visit.party_size - visit.entered)
            for visit in view.visits
            if visit.opened_at_ns >= since_ns and visit.state is not VisitState.LEFT
        )
        on_their_way = sum(
            each.scan.party_size
            for each in self._memory.since(since_ns)
            if each.scan.scan_id not in known and view.at_ns <= each.settled_ns
        )
        return view.people_inside + coming + on_their_way


def pass_shaped(token: str) -> bool:
    """Tell whether a bare token pretends to be a pass, or is the bare text of one."""
    return token.startswith("pass:") or (len(token) > 200 and token.isdigit())


def _scan_id(gate_id: str, at_ns: int) -> str:
    """Return a new id: unique in one billing database for ever, which counts visits of all days."""
    return f"{gate_id[:24]}-{at_ns // _S}-{secrets.token_hex(5)}"


def _digest(scan: ScanIn) -> str:
    """Return the SHA-256 of what was shown; the time is the reader's, and may be another when it sends again."""
    shown = f"{scan.entry_pass}\n{scan.token}\n{scan.party_size}"
    return hashlib.sha256(shown.encode(errors="replace")).hexdigest()
