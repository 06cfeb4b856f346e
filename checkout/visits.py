"""Who is in the shop on whose scan: gate scans, crossings, vanished and rejoined people, time-outs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from checkout.gates import Crossing, Seat, match, near_exit
from checkout.log import CheckoutError, Due, Log, Timer
from checkout.settings import CheckoutPolicy, to_ns
from checkout.state import Person, Visit
from checkout.types import (
    GateScanned,
    PersonBound,
    PersonEntered,
    PersonLeft,
    PersonMerged,
    VisitClosed,
    VisitOpened,
    VisitReopened,
)
from store_layout.model import Gate
from vision.types import GateCrossing, PersonRejoined, PersonVanished

_RANK_BIND, _RANK_NO_PERSON, _RANK_LOST, _RANK_MAX = 1, 2, 3, 4

CloseReason = Literal["exit", "vanished", "no_person", "timeout", "end_of_input"]
MoveUnits = Callable[[int, str | None, str, int], None]
"""Move what a person took from one owner to a visit: (person, from, to, time)."""


class VisitKeeper:
    """Opens, binds and closes visits."""

    def __init__(self, log: Log, policy: CheckoutPolicy, gates: Sequence[Gate], move_units: MoveUnits) -> None:
        self._log = log
        self._policy = policy
        self._gates = tuple(gates)
        self._move_units = move_units

    # -- inputs ---------------------------------------------------------------

    def scanned(self, event: GateScanned) -> None:
        """Open a visit. Raises CheckoutError if the scan was seen before."""
        state = self._log.state
        visit_id = f"visit-{event.scan_id}"
        if visit_id in state.visits or visit_id in state.final_visits:
            raise CheckoutError(f"scan_id {event.scan_id} came twice: give every gate scan its own id")
        self._log.emit(event)
        self._log.emit(VisitOpened(visit_id, event.at_ns, event.scan_id, event.token, event.party_size))

    def crossed(self, event: GateCrossing) -> None:
        """Take somebody in or out."""
        if event.direction == "in":
            self._came_in(event)
        else:
            self._went_out(event)

    def vanished(self, event: PersonVanished) -> None:
        """Near an exit a vanished person has left, elsewhere the visit waits for them.

        A visit that has taken nothing yet waits too: next to a gate, somebody who has just come in
        and was lost looks the same as somebody who goes.
        """
        person = self._log.state.persons.get(event.person_id)
        if person is None or not person.inside:
            return
        self._settle_waiting(event.person_id, event.at_ns)
        visit_id = self.live_visit_id(event.person_id)
        near = near_exit(self._gates, event.last_floor_m, self._policy.gates.exit_vanish_max_m)
        if near and (visit_id is None or self._log.state.lines(visit_id)):
            self._leave(event.person_id, event.at_ns, "vanished_at_exit", "vanished")
        else:
            self._log.emit(PersonLeft(event.person_id, visit_id, event.at_ns, "lost"))

    def rejoined(self, event: PersonRejoined) -> None:
        """Fold one person into another; what the former one took follows to the surviving visit."""
        state = self._log.state
        person, former = state.persons.get(event.person_id), state.persons.get(event.former_id)
        if former is None:
            return
        visit_id, former_visit_id = self.live_visit_id(event.person_id), self.live_visit_id(event.former_id)
        stays = _stays(person, former, self._is_lost(event.person_id))
        self._log.emit(PersonMerged(event.person_id, event.former_id, event.at_ns))
        target = visit_id or former_visit_id
        if target is None:
            return
        for source in (None, former_visit_id, visit_id):
            if source != target:
                self._move_units(event.person_id, source, target, event.at_ns)
        self._place(event.person_id, target, event.at_ns, stays)
        if former_visit_id not in (None, target):
            self._close_if_empty(former_visit_id or "", event.at_ns, "exit")

    def first_seen(self, person_id: int, at_ns: int, now_ns: int) -> None:
        """Give somebody who crossed no gate to the one visit that misses a person, else to none."""
        if person_id not in self._log.state.persons and not self._adopt(person_id, at_ns, now_ns):
            self._log.emit(PersonBound(person_id, None, now_ns))

    def end_of_input(self, at_ns: int) -> None:
        """Close every visit that is still open."""
        for _due, act in sorted(self._binding_timers(), key=lambda timer: timer[0]):
            act(at_ns)
        for visit in tuple(self._log.state.visits.values()):
            if visit.closed_at_ns is None:
                self._close(visit.visit_id, at_ns, "no_person" if visit.waits_for_person else "end_of_input")

    # -- timers ---------------------------------------------------------------

    def timers(self) -> Iterator[Timer]:
        """Yield what falls due by itself: bindings and the time-outs of visits."""
        yield from self._binding_timers()
        for visit in self._log.state.visits.values():
            if visit.closed_at_ns is not None:
                continue
            if visit.waits_for_person:
                due_ns = visit.opened_at_ns + to_ns(self._policy.gates.no_person_timeout_s)
                yield Due(due_ns, _RANK_NO_PERSON, visit.visit_id), self._closer(visit, "no_person")
            if visit.only_lost:
                due_ns = max(visit.lost.values()) + to_ns(self._policy.lost_timeout_s)
                yield Due(due_ns, _RANK_LOST, visit.visit_id), self._closer(visit, "vanished")
            due_ns = visit.opened_at_ns + to_ns(self._policy.visit_max_s)
            yield Due(due_ns, _RANK_MAX, visit.visit_id), self._closer(visit, "timeout")

    def _binding_timers(self) -> Iterator[Timer]:
        """Yield when each waiting person's binding settles, to whom as far as is known now."""
        settle_ns = to_ns(self._policy.gates.settle_s)
        before_ns = to_ns(self._policy.gates.crossing_before_scan_max_s)
        waiting = self._waiting()
        for gate_id in sorted({gate_id for gate_id, _crossing in waiting}):
            crossings = [crossing for where, crossing in waiting if where == gate_id]
            pairs = {crossing: seat for seat, crossing in match(self._seats(gate_id), crossings, self._policy.gates)}
            for crossing in crossings:
                seat = pairs.get(crossing)
                latest_ns = crossing.at_ns + before_ns if seat is None else max(crossing.at_ns, seat.scanned_at_ns)
                due = Due(latest_ns + settle_ns, _RANK_BIND, f"{crossing.person_id:012d}")
                yield due, self._binder(crossing.person_id, None if seat is None else seat.visit_id)

    def _binder(self, person_id: int, visit_id: str | None) -> Callable[[int], None]:
        return lambda at_ns: self._bind(person_id, visit_id, at_ns)

    def _closer(self, visit: Visit, reason: CloseReason) -> Callable[[int], None]:
        return lambda at_ns: self._close(visit.visit_id, at_ns, reason)

    # -- coming and going -----------------------------------------------------

    def _came_in(self, event: GateCrossing) -> None:
        person = self._log.state.persons.get(event.person_id)
        if person is not None and person.inside and (person.visit_id or person.waiting_since_ns is not None):
            return
        visit_id = self.live_visit_id(event.person_id)
        if visit_id is None or (not self._is_lost(event.person_id) and self._seat_fits(event)):
            self._log.emit(PersonEntered(event.person_id, event.gate_id, event.at_ns))
        else:
            self._place(event.person_id, visit_id, event.at_ns, stays=True)

    def _went_out(self, event: GateCrossing) -> None:
        state = self._log.state
        if event.person_id not in state.persons and not self._adopt(event.person_id, event.at_ns, event.at_ns):
            return
        person = state.persons[event.person_id]
        self._settle_waiting(event.person_id, event.at_ns)
        if person.inside or self._is_lost(event.person_id):
            self._leave(event.person_id, event.at_ns, "exit", "exit")

    def _leave(self, person_id: int, at_ns: int, how: Literal["exit", "vanished_at_exit"], reason: CloseReason) -> None:
        visit_id = self.live_visit_id(person_id)
        self._log.emit(PersonLeft(person_id, visit_id, at_ns, how))
        if visit_id is not None:
            self._close_if_empty(visit_id, at_ns, reason)

    def _settle_waiting(self, person_id: int, at_ns: int) -> None:
        """Bind a waiting person at once, by what is known, because they are about to go."""
        if self._log.state.persons[person_id].waiting_since_ns is None:
            return
        for due, act in tuple(self._binding_timers()):
            if due.key == f"{person_id:012d}":
                act(at_ns)

    def _bind(self, person_id: int, visit_id: str | None, at_ns: int) -> None:
        self._log.emit(PersonBound(person_id, visit_id, at_ns))
        if visit_id is not None:
            self._move_units(person_id, None, visit_id, at_ns)

    def _place(self, person_id: int, visit_id: str, at_ns: int, stays: bool) -> None:
        """Make ``person_id`` one of ``visit_id``'s people, there or gone."""
        visit = self._log.state.visits[visit_id]
        if stays and visit.closed_at_ns is not None:
            self._log.emit(VisitReopened(visit_id, at_ns))
        self._bind(person_id, visit_id, at_ns)
        if not stays:
            self._leave(person_id, at_ns, "exit", "exit")

    def _adopt(self, person_id: int, at_ns: int, now_ns: int) -> bool:
        """Bind a person from nowhere to the only visit that misses one. Say whether there was exactly one."""
        missing = [visit for visit in self._log.state.visits.values() if self._misses_someone(visit, at_ns)]
        if len(missing) != 1:
            return False
        visit = missing[0]
        if visit.only_lost:
            lost = max(visit.lost, key=lambda number: (visit.lost[number], number))
            self._log.emit(PersonMerged(person_id, lost, now_ns))
        self._place(person_id, visit.visit_id, now_ns, stays=True)
        return True

    def _misses_someone(self, visit: Visit, at_ns: int) -> bool:
        waited_ns = at_ns - visit.opened_at_ns
        waits = visit.waits_for_person and waited_ns >= to_ns(self._policy.gates.adopt_after_s)
        return waits or visit.only_lost or visit.close_reason == "vanished"

    def _close_if_empty(self, visit_id: str, at_ns: int, reason: CloseReason) -> None:
        visit = self._log.state.visits[visit_id]
        if visit.closed_at_ns is None and visit.bound and not visit.present and not visit.lost:
            self._close(visit_id, at_ns, reason)

    def _close(self, visit_id: str, at_ns: int, reason: CloseReason) -> None:
        self._log.emit(VisitClosed(visit_id, at_ns, reason))

    # -- what is known --------------------------------------------------------

    def _waiting(self) -> list[tuple[str, Crossing]]:
        """Return (gate, crossing) of everybody whose scan is being looked for, in order of time."""
        found = [
            (person.gate_id or "", Crossing(number, person.waiting_since_ns))
            for number, person in self._log.state.persons.items()
            if person.waiting_since_ns is not None
        ]
        return sorted(found, key=lambda item: (item[1].at_ns, item[1].person_id))

    def _seats(self, gate_id: str) -> list[Seat]:
        """Return the free seats at a gate, oldest scan first."""
        free = [
            Seat(visit.visit_id, visit.opened_at_ns)
            for visit in self._log.state.visits.values()
            if visit.gate_id == gate_id and visit.closed_at_ns is None
            for _ in range(visit.party_size - len(visit.bound))
        ]
        return sorted(free, key=lambda seat: (seat.scanned_at_ns, seat.visit_id))

    def _seat_fits(self, event: GateCrossing) -> bool:
        crossing = Crossing(event.person_id, event.at_ns)
        return bool(match(self._seats(event.gate_id), [crossing], self._policy.gates))

    def live_visit_id(self, person_id: int) -> str | None:
        """Return a person's visit unless its receipt is final."""
        visit_id = self._log.state.visit_of(person_id)
        return visit_id if visit_id in self._log.state.visits else None

    def _is_lost(self, person_id: int) -> bool:
        visit = self._log.state.visits.get(self._log.state.visit_of(person_id) or "")
        return visit is not None and person_id in visit.lost


def _stays(person: Person | None, former: Person, person_lost: bool) -> bool:
    """Say whether a rejoined person is in the shop: by the surviving id unless that one was lost or unknown."""
    if person is None or person_lost or (person.visit_id is None and not person.inside):
        return former.inside or person_lost
    return person.inside
