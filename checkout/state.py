"""Checkout's state as a fold of its own events: nothing else ever changes it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from checkout.carts import to_lines
from checkout.types import (
    CarriedPerson,
    CarriedUnits,
    CarriedVisit,
    CartEvent,
    CartLine,
    CheckoutCarried,
    CheckoutEvent,
    Dismissed,
    GateScanned,
    PersonBound,
    PersonEntered,
    PersonLeft,
    PersonMerged,
    ReceiptDrafted,
    ReceiptFinalised,
    ReviewClosed,
    ReviewOpened,
    VisitClosed,
    VisitOpened,
    VisitReopened,
)

_REMEMBERED_INTERACTIONS = 4096
"""How many interaction ids are kept to refuse a second telling; a second one comes at once or never."""

_REMEMBERED_PERSONS = 1024
"""How many people are kept before those are forgotten who left and whose receipts are final."""


@dataclass(slots=True)
class Visit:
    """One visit that has no final receipt yet."""

    visit_id: str
    gate_id: str
    opened_at_ns: int
    party_size: int
    bound: dict[int, None] = field(default_factory=dict)
    present: dict[int, None] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    closed_at_ns: int | None = None
    close_reason: str = ""
    settled_at_ns: int = 0
    had_review: bool = False

    @property
    def waits_for_person(self) -> bool:
        """Whether nobody has ever been bound to it."""
        return self.closed_at_ns is None and not self.bound

    @property
    def only_lost(self) -> bool:
        """Whether those of its people who have not left are all lost."""
        return self.closed_at_ns is None and not self.present and bool(self.lost)


@dataclass(slots=True)
class Person:
    """What is known of one person. ``waiting_since_ns`` is set while a scan may still be found."""

    visit_id: str | None = None
    gate_id: str | None = None
    waiting_since_ns: int | None = None
    inside: bool = True
    left_at_ns: int | None = None


EntryKey = tuple[str | None, int | None, str, str | None]
"""(visit, person, SKU, interaction): what a cart's units came from."""


class State:
    """All that checkout knows. ``apply`` is the only thing that changes it."""

    def __init__(self) -> None:
        self.now_ns: int | None = None
        self.visits: dict[str, Visit] = {}
        self.final_visits: dict[str, int] = {}
        self.persons: dict[int, Person] = {}
        self.entries: dict[EntryKey, int] = {}
        self.unowned_ns: dict[EntryKey, int] = {}
        self.reviews: dict[str, ReviewOpened] = {}
        self.interactions: OrderedDict[str, None] = OrderedDict()
        self.scans: dict[str, GateScanned] = {}
        self.drafts: dict[str, ReceiptDrafted] = {}
        self.cart_events = 0
        self.reviews_opened = 0

    def apply(self, event: CheckoutEvent) -> None:
        """Take one event in. Time never runs backwards."""
        self.now_ns = event.at_ns if self.now_ns is None else max(self.now_ns, event.at_ns)
        match event:
            case GateScanned():
                self.scans[event.scan_id] = event
            case VisitOpened():
                gate_id = self.scans.pop(event.scan_id).gate_id
                self.visits[event.visit_id] = Visit(event.visit_id, gate_id, event.at_ns, event.party_size)
            case CartEvent():
                self._cart(event)
            case ReviewOpened() | ReviewClosed():
                self._review(event)
            case VisitClosed() | VisitReopened() | ReceiptDrafted() | ReceiptFinalised():
                self._visit(event)
            case Dismissed():
                self._remember(event.reference if event.what == "interaction" else None)
            case _:
                self._person(event)

    def _person(self, event: PersonEntered | PersonBound | PersonLeft | PersonMerged) -> None:
        match event:
            case PersonEntered():
                former = self.persons.get(event.person_id)
                if former is not None:
                    self._unbind(event.person_id, former)
                self.persons[event.person_id] = Person(None, event.gate_id, event.at_ns)
            case PersonBound():
                self._bind(event)
            case PersonLeft():
                person = self.persons.setdefault(event.person_id, Person(event.visit_id))
                person.inside, person.waiting_since_ns, person.left_at_ns = False, None, event.at_ns
                if event.visit_id is not None:
                    visit = self.visits[event.visit_id]
                    visit.present.pop(event.person_id, None)
                    visit.lost.pop(event.person_id, None)
                    if event.how == "lost":
                        visit.lost[event.person_id] = event.at_ns
                elif event.how != "lost":
                    del self.persons[event.person_id]
            case PersonMerged():
                self._merge(event)

    def _bind(self, event: PersonBound) -> None:
        person = self.persons.setdefault(event.person_id, Person())
        self._unbind(event.person_id, person)
        person.visit_id, person.waiting_since_ns = event.visit_id, None
        person.inside, person.left_at_ns = True, None
        if event.visit_id is not None:
            visit = self.visits[event.visit_id]
            visit.bound[event.person_id] = None
            visit.present[event.person_id] = None
            visit.lost.pop(event.person_id, None)

    def _unbind(self, person_id: int, person: Person) -> None:
        visit = self.visits.get(person.visit_id or "")
        if visit is not None:
            visit.present.pop(person_id, None)
            visit.lost.pop(person_id, None)

    def _merge(self, event: PersonMerged) -> None:
        former = self.persons.pop(event.former_id, None)
        if former is None:
            return
        self._unbind(event.former_id, former)
        visit = self.visits.get(former.visit_id or "")
        if visit is not None:
            visit.bound.pop(event.former_id, None)
        person = self.persons.setdefault(event.person_id, former)
        if person.visit_id is None and person.waiting_since_ns is None:
            person.gate_id, person.waiting_since_ns = former.gate_id, former.waiting_since_ns
        moved = {key: value for key, value in self.entries.items() if key[1] == event.former_id}
        for key, value in moved.items():
            del self.entries[key]
            self.unowned_ns.pop(key, None)
            self._add_entry((key[0], event.person_id, key[2], key[3]), value, event.at_ns)

    def _cart(self, event: CartEvent) -> None:
        self.cart_events += 1
        self._remember(event.interaction_id)
        key = (event.visit_id, event.person_id, event.sku, event.interaction_id)
        self._add_entry(key, event.quantity_delta, event.at_ns)

    def _add_entry(self, key: EntryKey, delta: int, at_ns: int) -> None:
        total = self.entries.get(key, 0) + delta
        if total == 0:
            self.entries.pop(key, None)
            self.unowned_ns.pop(key, None)
            return
        self.entries[key] = total
        if key[0] is None:
            self.unowned_ns[key] = max(at_ns, self.unowned_ns.get(key, at_ns))

    def _review(self, event: ReviewOpened | ReviewClosed) -> None:
        if isinstance(event, ReviewOpened):
            self.reviews_opened += 1
            self.reviews[event.review_id] = event
            self._remember(event.interaction_id)
            concerned = event.visit_ids
        else:
            concerned = self.reviews.pop(event.review_id).visit_ids
        for visit_id in concerned:
            visit = self.visits.get(visit_id)
            if visit is not None:
                visit.had_review = True
                visit.settled_at_ns = max(visit.settled_at_ns, event.at_ns)

    def _visit(self, event: VisitClosed | VisitReopened | ReceiptDrafted | ReceiptFinalised) -> None:
        visit = self.visits[event.visit_id]
        match event:
            case VisitClosed():
                visit.closed_at_ns, visit.close_reason = event.at_ns, event.reason
            case VisitReopened():
                visit.closed_at_ns, visit.close_reason = None, ""
                self.drafts.pop(event.visit_id, None)
            case ReceiptDrafted():
                self.drafts[event.visit_id] = event
            case ReceiptFinalised():
                self._end(event.visit_id, event.at_ns)

    def _end(self, visit_id: str, at_ns: int) -> None:
        del self.visits[visit_id]
        self.drafts.pop(visit_id, None)
        self.final_visits[visit_id] = at_ns
        self.entries = {key: value for key, value in self.entries.items() if key[0] != visit_id}
        if len(self.persons) > _REMEMBERED_PERSONS:
            gone = [number for number, person in self.persons.items() if self._is_history(person)]
            for number in gone[: len(self.persons) - _REMEMBERED_PERSONS]:
                del self.persons[number]

    def _is_history(self, person: Person) -> bool:
        return not person.inside and person.visit_id not in self.visits

    def _remember(self, interaction_id: str | None) -> None:
        if interaction_id is not None:
            self.interactions[interaction_id] = None
            if len(self.interactions) > _REMEMBERED_INTERACTIONS:
                self.interactions.popitem(last=False)

    # -- forgetting -----------------------------------------------------------

    def forget(self, before_ns: int) -> None:
        """Forget visits that were final, and people who had left, before then; what nobody answers for is added up.

        Nothing that is told afterwards is decided otherwise, as long as it is of people, scans, reviews and visits that
        were heard of since. A log that is folded without forgetting gives a state that goes on alike.
        """
        self.final_visits = {visit: at_ns for visit, at_ns in self.final_visits.items() if at_ns >= before_ns}
        for number in [n for n, person in self.persons.items() if self._left_before(person, before_ns)]:
            del self.persons[number]
        asked = {review.interaction_id for review in self.reviews.values()}
        for key in [key for key, at_ns in self.unowned_ns.items() if at_ns < before_ns]:
            _visit, person_id, sku, interaction_id = key
            is_known = person_id in self.persons or (interaction_id is not None and interaction_id in asked)
            if not is_known and (person_id, interaction_id) != (None, None):
                at_ns, quantity = self.unowned_ns.pop(key), self.entries.pop(key)
                self._add_up(sku, quantity, at_ns)

    def _left_before(self, person: Person, before_ns: int) -> bool:
        return self._is_history(person) and person.left_at_ns is not None and person.left_at_ns < before_ns

    def _add_up(self, sku: str, quantity: int, at_ns: int) -> None:
        """Keep how many units nobody answers for, and no longer who took them when."""
        key: EntryKey = (None, None, sku, None)
        total = self.entries.pop(key, 0) + quantity
        at_ns = max(at_ns, self.unowned_ns.pop(key, at_ns))
        if total:
            self.entries[key], self.unowned_ns[key] = total, at_ns

    def carried(self) -> CheckoutCarried:
        """Return what another log has to begin with. There must be no open visit and no open review."""
        assert not self.visits, "visits go on in the log that they were opened in"
        assert not self.reviews, "reviews are closed in the log that they were opened in"
        return CheckoutCarried(
            self.now_ns or 0,
            self.cart_events,
            self.reviews_opened,
            tuple(CarriedVisit(visit_id, at_ns) for visit_id, at_ns in self.final_visits.items()),
            tuple(
                CarriedPerson(n, p.visit_id, p.gate_id, p.waiting_since_ns, p.inside, p.left_at_ns)
                for n, p in self.persons.items()
            ),
            tuple(
                CarriedUnits(person_id, sku, interaction_id, self.entries[None, person_id, sku, interaction_id], at_ns)
                for (_visit, person_id, sku, interaction_id), at_ns in self.unowned_ns.items()
            ),
            tuple(self.interactions),
        )

    def begin_with(self, carried: CheckoutCarried) -> None:
        """Take over what ``carried`` of the log before gave."""
        self.now_ns, self.cart_events, self.reviews_opened = carried.at_ns, carried.cart_events, carried.reviews_opened
        self.final_visits = {each.visit_id: each.final_at_ns for each in carried.final_visits}
        self.persons = {
            each.person_id: Person(each.visit_id, each.gate_id, each.waiting_since_ns, each.inside, each.left_at_ns)
            for each in carried.persons
        }
        for each in carried.units:
            key: EntryKey = (None, each.person_id, each.sku, each.interaction_id)
            self.entries[key], self.unowned_ns[key] = each.quantity, each.at_ns
        self.interactions = OrderedDict.fromkeys(carried.interaction_ids)

    # -- looking ----------------------------------------------------------------

    def quantities(self, visit_id: str | None) -> dict[str, int]:
        """Return what a visit holds; None is what no visit answers for."""
        totals: dict[str, int] = {}
        for (owner, _person, sku, _interaction), quantity in self.entries.items():
            if owner == visit_id:
                totals[sku] = totals.get(sku, 0) + quantity
        return totals

    def lines(self, visit_id: str) -> tuple[CartLine, ...]:
        """Return a visit's cart as lines in order of SKU."""
        return to_lines(self.quantities(visit_id))

    def visit_of(self, person_id: int) -> str | None:
        """Return the visit that ``person_id`` belongs to, None where there is none."""
        person = self.persons.get(person_id)
        return None if person is None else person.visit_id

    def open_reviews(self, visit_id: str) -> tuple[str, ...]:
        """Return the ids of the reviews that a visit's receipt waits for, oldest first."""
        return tuple(review_id for review_id, review in self.reviews.items() if visit_id in review.visit_ids)
