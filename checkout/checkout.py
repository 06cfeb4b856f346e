"""The checkout: inputs in, events out, the same events for the same inputs always."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Self, assert_never

from checkout.holds import Holds
from checkout.log import Due, Log, Timer
from checkout.settings import CheckoutPolicy, to_ns
from checkout.state import State, Visit
from checkout.types import (
    CheckoutCarried,
    CheckoutEvent,
    CheckoutInput,
    GateScanned,
    ReceiptDrafted,
    ReceiptFinalised,
    ReviewAnswered,
    ShelvesUnseen,
    Tick,
)
from checkout.units import UnitKeeper
from checkout.visits import VisitKeeper
from store_layout.model import Store
from vision.types import DeedsWaiting, GateCrossing, Interaction, PersonRejoined, PersonVanished

_RANK_FINAL = 9


class Checkout:
    """Pure and deterministic: no clock, no pixels, no files.

    ``store`` tells where the exits are and which slot is meant for which product; without it
    nobody is taken to have left by vanishing, and nothing counts as put to a wrong place.
    Time-outs are stamped with the time at which they fell due, so how often ``Tick`` comes
    changes nothing but when the caller hears of them.
    """

    def __init__(self, policy: CheckoutPolicy | None = None, store: Store | None = None) -> None:
        self._policy = policy or CheckoutPolicy()
        self._log = Log(State())
        self._holds = Holds(to_ns(self._policy.hold_s))
        self._drafted = -1
        self._next: tuple[int, Timer | None] | None = None
        self._units = UnitKeeper(self._log, self._policy, {} if store is None else planogram(store))
        gates = () if store is None else store.gates
        self._visits = VisitKeeper(self._log, self._policy, gates, self._units.move_units)

    @classmethod
    def restore(
        cls,
        events: Iterable[CheckoutEvent],
        policy: CheckoutPolicy | None,
        store: Store | None = None,
        carried: CheckoutCarried | None = None,
    ) -> Self:
        """Bring a checkout back from its log. Send it a ``Tick`` of the last instant before going on.

        ``carried`` is what the log begins with, where it follows another.
        """
        checkout = cls(policy, store)
        if carried is not None:
            checkout._log.state.begin_with(carried)
        for event in events:
            checkout._log.state.apply(event)
        return checkout

    @property
    def state(self) -> State:
        """The fold of all events so far, to look at."""
        return self._log.state

    def forget(self, before_ns: int) -> None:
        """Forget what was over before then; see ``State.forget``."""
        self._log.forget(before_ns)

    def handle(self, given: CheckoutInput) -> tuple[CheckoutEvent, ...]:
        """Take one input and return what came of it, and of the time that passed before it.

        Raises CheckoutError where a scan id comes twice.
        """
        at_ns = given.closed_at_ns if isinstance(given, Interaction) else given.at_ns
        self._advance(at_ns)
        now_ns = at_ns if self.state.now_ns is None else max(self.state.now_ns, at_ns)
        self.state.now_ns = now_ns
        self._dispatch(given, now_ns)
        self._draft(now_ns)
        return self._log.take()

    def finish(self, at_ns: int) -> tuple[CheckoutEvent, ...]:
        """End the input: close all visits, let every review and delay run out, make all receipts final."""
        at_ns = at_ns if self.state.now_ns is None else max(self.state.now_ns, at_ns)
        self._advance(at_ns)
        self._visits.end_of_input(at_ns)
        self._draft(at_ns)
        self._advance(None)
        return self._log.take()

    def _dispatch(self, given: CheckoutInput, now_ns: int) -> None:
        match given:
            case GateScanned():
                self._visits.scanned(given)
            case GateCrossing():
                self._visits.crossed(given)
            case PersonVanished():
                self._visits.vanished(given)
            case PersonRejoined():
                self._visits.rejoined(given)
            case Interaction():
                self._meet(given, now_ns)
                self._units.interaction(given, now_ns)
            case DeedsWaiting():
                visits = (self._visits.live_visit_id(person) for person in given.person_ids)
                self._holds.wait((visit for visit in visits if visit is not None), now_ns, self.state.visits)
                self._next = None
            case ReviewAnswered():
                self._units.answered(given)
            case ShelvesUnseen():
                self._units.unseen(given, now_ns)
            case Tick():
                pass
            case _:
                assert_never(given)

    def _meet(self, interaction: Interaction, now_ns: int) -> None:
        """Find visits for people whom no gate has shown but who clearly changed something."""
        if interaction.change == 0:
            return
        for candidate in interaction.person_candidates:
            if candidate.probability >= self._policy.gates.adopt_probability_min:
                self._visits.first_seen(candidate.person_id, interaction.opened_at_ns, now_ns)

    def _advance(self, until_ns: int | None) -> None:
        """Do what falls due up to ``until_ns`` (None: all of it), in order, each at its own time."""
        while True:
            timer = self._next_timer()
            if timer is None or (until_ns is not None and timer[0].at_ns > until_ns):
                return
            timer[1](timer[0].at_ns)
            self._draft(timer[0].at_ns)

    def _next_timer(self) -> Timer | None:
        """Return what falls due next; it is looked for anew only after an event."""
        if self._next is None or self._next[0] != self._log.version:
            self._next = (self._log.version, min(self._timers(), key=lambda item: item[0], default=None))
        return self._next[1]

    def _timers(self) -> Iterator[Timer]:
        yield from self._units.timers()
        yield from self._visits.timers()
        for visit in self.state.visits.values():
            if visit.closed_at_ns is not None and not self.state.open_reviews(visit.visit_id):
                due_ns = max(visit.closed_at_ns + self._delay_ns(visit), visit.settled_at_ns)
                due_ns = self._holds.due_ns(visit.visit_id, visit.closed_at_ns, due_ns)
                yield Due(due_ns, _RANK_FINAL, visit.visit_id), partial(self._finalise, visit)

    def _delay_ns(self, visit: Visit) -> int:
        vanished = visit.close_reason == "vanished"
        return to_ns(self._policy.vanished_delay_s if vanished else self._policy.final_delay_s)

    def _finalise(self, visit: Visit, at_ns: int) -> None:
        lines = self.state.lines(visit.visit_id)
        self._log.emit(ReceiptFinalised(visit.visit_id, at_ns, lines, visit.had_review))

    def _draft(self, at_ns: int) -> None:
        """Emit the draft of each closed visit whose cart or open reviews changed since its last one."""
        if self._drafted == self._log.version:
            return
        for visit in tuple(self.state.visits.values()):
            if visit.closed_at_ns is None:
                continue
            lines, reviews = self.state.lines(visit.visit_id), self.state.open_reviews(visit.visit_id)
            last = self.state.drafts.get(visit.visit_id)
            if last is None or (last.lines, last.open_review_ids) != (lines, reviews):
                self._log.emit(ReceiptDrafted(visit.visit_id, at_ns, lines, reviews))
        self._drafted = self._log.version


def planogram(store: Store) -> dict[str, str]:
    """Return the product that each slot is meant for, by ``gondola/shelf/slot``."""
    return {
        f"{gondola.id}/{shelf.id}/{slot.id}": slot.sku
        for gondola in store.gondolas
        for shelf in gondola.shelves
        for slot in shelf.slots
    }
