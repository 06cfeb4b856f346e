"""What is in whose cart: interactions, reviews, corrections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from checkout.decisions import Answer, Who, decide, who_did_it
from checkout.log import Due, Log, Timer
from checkout.settings import CheckoutPolicy, to_ns
from checkout.state import EntryKey, Visit
from checkout.types import (
    CartEvent,
    CartEventKind,
    Dismissed,
    ReviewAnswered,
    ReviewClosed,
    ReviewOpened,
    ShelvesUnseen,
    UnseenReason,
)
from vision.types import Interaction

_RANK_REVIEW = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    visit_id: str | None
    sku: str | None
    quantity_delta: int


_NOTHING = _Outcome(None, None, 0)


class UnitKeeper:
    """Turns interactions into cart events and reviews, and answers into corrections."""

    def __init__(self, log: Log, policy: CheckoutPolicy, planogram: Mapping[str, str]) -> None:
        self._log = log
        self._policy = policy
        self._planogram = planogram

    # -- inputs ---------------------------------------------------------------

    def interaction(self, event: Interaction, now_ns: int) -> None:
        """Decide an interaction, once."""
        state = self._log.state
        if event.interaction_id in state.interactions:
            self._log.emit(Dismissed("interaction", event.interaction_id, "duplicate", now_ns))
            return
        people = who_did_it(event.person_candidates, state.visit_of)
        waiting = [visit.visit_id for visit in state.visits.values()]
        answer = decide(event, people, state.quantities, waiting, self._policy)
        if answer.verdict == "dismiss":
            self._log.emit(Dismissed("interaction", event.interaction_id, answer.reason, now_ns))
        elif answer.verdict == "apply":
            self._apply(event, self._unless_final(answer), people, now_ns)
        else:
            self._ask(event, self._unless_final(answer), people, now_ns)

    def answered(self, event: ReviewAnswered) -> None:
        """Close a review as the operator says, or say why that cannot be."""
        state = self._log.state
        review = state.reviews.get(event.review_id)
        outcome = _Outcome(event.visit_id, event.sku, event.quantity_delta)
        refusal = "no_such_review" if review is None else self._refusal(review, outcome)
        if review is None or refusal:
            self._log.emit(Dismissed("answer", event.review_id, refusal, event.at_ns))
            return
        self._settle(review, ReviewClosed(review.review_id, event.at_ns, "operator", *_fields(outcome)))

    def unseen(self, event: ShelvesUnseen, now_ns: int) -> None:
        """Ask of each visit that was under way what it did while nobody looked; a visit is asked once at a time."""
        is_short = event.to_ns - event.from_ns < to_ns(self._policy.reviews.unseen_min_s)
        if is_short and event.reason == "unseen_shelves":
            return
        state = self._log.state
        open_ones = state.reviews.values()
        asked = {visit for review in open_ones if review.reason == event.reason for visit in review.visit_ids}
        for visit_id in dict.fromkeys(event.visit_ids):
            visit = state.visits.get(visit_id)
            if visit is not None and _was_under_way(visit, event) and visit_id not in asked:
                self._log.emit(self._unseen_review(visit_id, event.reason, now_ns))

    def _unseen_review(self, visit_id: str, reason: UnseenReason, now_ns: int) -> ReviewOpened:
        return ReviewOpened(
            review_id=f"review-{self._log.state.reviews_opened + 1:06d}",
            visit_ids=(visit_id,),
            interaction_id=None,
            reason=reason,
            at_ns=now_ns,
            due_ns=now_ns + to_ns(self._policy.reviews.unseen_due_s),
            timeout_visit_id=None,
            timeout_sku=None,
            timeout_quantity_delta=0,
        )

    def timers(self) -> Iterator[Timer]:
        """Yield when each open review times out."""
        for review in self._log.state.reviews.values():
            yield Due(review.due_ns, _RANK_REVIEW, review.review_id), partial(self._time_out, review)

    def move_units(self, person_id: int, source: str | None, target: str, at_ns: int) -> None:
        """Move what ``person_id`` took from ``source`` to ``target``, as far as no cart falls below zero."""
        mine = [(key, n) for key, n in self._log.state.entries.items() if key[0] == source and key[1] == person_id]
        for sku in sorted({key[2] for key, _n in mine}):
            moved = self._movable([item for item in mine if item[0][2] == sku], source, target, sku)
            # Additions first, so that no cart is below zero in between.
            legs = [(source, key, -n) for key, n in moved] + [(target, key, n) for key, n in moved]
            for owner, key, delta in sorted(legs, key=lambda leg: leg[2] < 0):
                self._correct(owner, key, delta, at_ns)
        self._close_by_evidence(mine, target, at_ns)

    # -- decisions into events --------------------------------------------------

    def _apply(self, event: Interaction, answer: Answer, people: tuple[Who, ...], now_ns: int) -> None:
        delta, visit_id = answer.quantity_delta, answer.who.visit_id
        if answer.handed_from is not None:
            if self._policy.hand_over == "last_holder" and visit_id is not None:
                self._cart(event, "handed_over", answer.handed_from, answer, delta)
                self._cart(event, "handed_over", visit_id, answer, -delta)
            else:
                visit_id = answer.handed_from
        self._cart(event, self._kind(event.slot_id, answer.sku or "", delta), visit_id, answer, delta)
        if visit_id is None:
            reason = answer.reason or ("nobody_seen" if answer.who.person_id is None else "unscanned_person")
            self._open(event, replace(answer, reason=reason), people, now_ns, _Outcome(None, answer.sku, delta))
        if delta > 0:
            self._retry_returns(now_ns)

    def _ask(self, event: Interaction, answer: Answer, people: tuple[Who, ...], now_ns: int) -> None:
        owner = answer.handed_from or answer.who.visit_id
        outcome = _Outcome(owner, answer.sku, answer.quantity_delta)
        if answer.quantity_delta == 0 or self._policy.reviews.timeout_outcome == "nothing":
            outcome = _NOTHING
        self._open(event, answer, people, now_ns, outcome)

    def _open(
        self, event: Interaction, answer: Answer, people: tuple[Who, ...], now_ns: int, outcome: _Outcome
    ) -> None:
        number = self._log.state.reviews_opened + 1
        review = ReviewOpened(
            review_id=f"review-{number:06d}",
            visit_ids=self._concerned(answer, people),
            interaction_id=event.interaction_id,
            reason=answer.reason,
            at_ns=now_ns,
            due_ns=now_ns + to_ns(self._policy.reviews.due_s),
            timeout_visit_id=outcome.visit_id,
            timeout_sku=outcome.sku,
            timeout_quantity_delta=outcome.quantity_delta,
            slot_id=event.slot_id,
            change=event.change,
            sku_candidates=event.sku_candidates,
            person_id=answer.who.person_id,
            probability=answer.probability,
        )
        self._log.emit(review)

    def _concerned(self, answer: Answer, people: tuple[Who, ...]) -> tuple[str, ...]:
        """Return the open visits whose receipts depend on the answer, likeliest first."""
        least = self._policy.reviews.candidate_probability_min
        likely = [who.visit_id for who in people if who.probability >= least]
        asked = [answer.who.visit_id, *likely, answer.handed_from]
        return tuple(dict.fromkeys(v for v in asked if v is not None and v in self._log.state.visits))

    def _unless_final(self, answer: Answer) -> Answer:
        """Nothing goes to a receipt that is final: such units are nobody's until an operator says whose."""
        if self._is_live(answer.who.visit_id):
            return answer
        return replace(answer, who=replace(answer.who, visit_id=None), reason="after_final")

    def _retry_returns(self, now_ns: int) -> None:
        """A take that became known late may explain a return that seemed impossible."""
        for review in tuple(self._log.state.reviews.values()):
            sure = review.probability >= self._policy.reviews.accept_probability_min
            if review.reason != "impossible_return" or review.change is None or not sure:
                continue
            sku = review.sku_candidates[0].sku
            owner = next((v for v in review.visit_ids if self._holds(v, sku) >= review.change), None)
            if owner is not None:
                closed = ReviewClosed(review.review_id, now_ns, "evidence", owner, sku, -review.change)
                self._settle(review, closed)

    # -- closing reviews --------------------------------------------------------

    def _time_out(self, review: ReviewOpened, at_ns: int) -> None:
        outcome = _Outcome(review.timeout_visit_id, review.timeout_sku, review.timeout_quantity_delta)
        refusal = self._refusal(review, outcome)
        if refusal:
            self._log.emit(Dismissed("answer", review.review_id, refusal, at_ns))
            outcome = self._recorded_outcome(review)
        self._settle(review, ReviewClosed(review.review_id, at_ns, "timeout", *_fields(outcome)))

    def _settle(self, review: ReviewOpened, closed: ReviewClosed) -> None:
        """Close a review and bring the carts to what it says."""
        recorded = self._recorded(review)
        self._log.emit(closed)
        outcome = _Outcome(closed.visit_id, closed.sku, closed.quantity_delta)
        if outcome == self._recorded_outcome(review):
            return
        for key, quantity in recorded:
            self._correct(key[0], key, -quantity, closed.at_ns)
        if outcome.sku is not None and outcome.quantity_delta != 0:
            kind = "corrected" if recorded else self._kind(review.slot_id, outcome.sku, outcome.quantity_delta)
            key = (outcome.visit_id, review.person_id, outcome.sku, review.interaction_id)
            self._emit_cart(kind, outcome.visit_id, key, outcome.quantity_delta, closed.at_ns, review)

    def _refusal(self, review: ReviewOpened, outcome: _Outcome) -> str:
        """Say why an outcome cannot be carried out; empty where it can."""
        if outcome.visit_id is not None and not self._is_live(outcome.visit_id):
            return "visit_final" if outcome.visit_id in self._log.state.final_visits else "unknown_visit"
        if outcome == self._recorded_outcome(review):
            return ""
        after: dict[tuple[str | None, str], int] = {}
        for key, quantity in self._recorded(review):
            after[key[0], key[2]] = after.get((key[0], key[2]), 0) - quantity
        if outcome.sku is not None:
            where = (outcome.visit_id, outcome.sku)
            after[where] = after.get(where, 0) + outcome.quantity_delta
        short = any(delta < 0 and self._holds(*where) + delta < 0 for where, delta in after.items())
        return "not_held" if short else ""

    def _recorded(self, review: ReviewOpened) -> list[tuple[EntryKey, int]]:
        """Return what stands in the carts already for a review's interaction."""
        if review.interaction_id is None:
            return []
        entries = self._log.state.entries.items()
        return [(key, quantity) for key, quantity in entries if key[3] == review.interaction_id]

    def _recorded_outcome(self, review: ReviewOpened) -> _Outcome:
        recorded = self._recorded(review)
        if len(recorded) != 1:
            return _NOTHING
        (owner, _person, sku, _interaction), quantity = recorded[0]
        return _Outcome(owner, sku, quantity)

    def _close_by_evidence(self, moved: list[tuple[EntryKey, int]], target: str, at_ns: int) -> None:
        """Close the reviews that asked whose those units were."""
        interactions = {key[3] for key, _n in moved if key[0] is None}
        for review in tuple(self._log.state.reviews.values()):
            if review.reason == "unscanned_person" and review.interaction_id in interactions:
                outcome = self._recorded_outcome(review)
                if outcome.visit_id == target:
                    self._log.emit(ReviewClosed(review.review_id, at_ns, "evidence", *_fields(outcome)))

    # -- cart events --------------------------------------------------------------

    def _movable(
        self, mine: list[tuple[EntryKey, int]], source: str | None, target: str, sku: str
    ) -> list[tuple[EntryKey, int]]:
        """Drop latest returns and takes until neither cart would fall below zero."""
        takes, returns = [m for m in mine if m[1] > 0], [m for m in mine if m[1] < 0]
        while True:
            net = sum(quantity for _key, quantity in takes + returns)
            if returns and self._holds(target, sku) + net < 0:
                returns.pop()
            elif takes and self._holds(source, sku) - net < 0:
                takes.pop()
            else:
                return takes + returns

    def _cart(self, event: Interaction, kind: CartEventKind, visit_id: str | None, answer: Answer, delta: int) -> None:
        key = (visit_id, answer.who.person_id, answer.sku or "", event.interaction_id)
        self._emit_cart(kind, visit_id, key, delta, event.closed_at_ns, event, answer.probability)

    def _correct(self, visit_id: str | None, key: EntryKey, delta: int, at_ns: int) -> None:
        self._emit_cart("corrected", visit_id, key, delta, at_ns, None)

    def _emit_cart(
        self,
        kind: CartEventKind,
        visit_id: str | None,
        key: EntryKey,
        delta: int,
        at_ns: int,
        origin: Interaction | ReviewOpened | None,
        probability: float = 1.0,
    ) -> None:
        number = self._log.state.cart_events + 1
        self._log.emit(
            CartEvent(
                event_id=f"cart-{number:06d}",
                kind=kind,
                visit_id=visit_id,
                sku=key[2],
                quantity_delta=delta,
                at_ns=at_ns,
                slot_id=None if origin is None else origin.slot_id,
                probability=probability,
                interaction_id=key[3],
                person_id=key[1],
            )
        )

    def _kind(self, slot_id: str | None, sku: str, delta: int) -> CartEventKind:
        if delta > 0:
            return "taken"
        planned = self._planogram.get(slot_id or "")
        return "moved" if planned is not None and planned != sku else "returned"

    def _is_live(self, visit_id: str | None) -> bool:
        return visit_id is None or visit_id in self._log.state.visits

    def _holds(self, visit_id: str | None, sku: str) -> int:
        return self._log.state.quantities(visit_id).get(sku, 0)


def _was_under_way(visit: Visit, event: ShelvesUnseen) -> bool:
    """Whoever left meanwhile may have taken something before."""
    return visit.closed_at_ns is None or visit.closed_at_ns > event.from_ns


def _fields(outcome: _Outcome) -> tuple[str | None, str | None, int]:
    return outcome.visit_id, outcome.sku, outcome.quantity_delta
