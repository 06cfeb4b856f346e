"""What a run's event log says, folded: visits with their carts, and the outcome that is scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from billing.types import Admission, BillingRefused, Charge
from checkout.types import (
    CartEvent,
    CartLine,
    Dismissed,
    GateScanned,
    PersonBound,
    PersonMerged,
    ReceiptDrafted,
    ReceiptFinalised,
    ReviewClosed,
    ReviewOpened,
    VisitClosed,
    VisitOpened,
    VisitReopened,
)
from tillfree.carried import LogCarried
from tillfree.evaluation.outcome import (
    FloorRows,
    PredictedInteraction,
    PredictedLine,
    PredictedVisit,
    RunOutcome,
    TrackRows,
)
from vision.pipeline import Instant
from vision.types import Interaction


@dataclass(slots=True)
class VisitRecord:
    """All that the log says of one visit so far. ``number`` counts visits from 0 in order of opening."""

    visit_id: str
    number: int
    token: str
    scan_id: str
    opened_at_ns: int
    party_size: int
    quantities: dict[str, int] = field(default_factory=dict)
    open_reviews: set[str] = field(default_factory=set)
    reviewed: bool = False
    admitted: bool = False
    left_at_ns: int | None = None
    final_at_ns: int | None = None
    final_lines: tuple[CartLine, ...] | None = None
    charge: Charge | None = None
    refused: BillingRefused | None = None

    @property
    def lines(self) -> tuple[CartLine, ...]:
        """The receipt's lines once it is final, the cart's until then."""
        if self.final_lines is not None:
            return self.final_lines
        return tuple(CartLine(sku, self.quantities[sku]) for sku in sorted(self.quantities) if self.quantities[sku])


def visit_state(visit: VisitRecord) -> str:
    """Say in a word or two where a visit stands."""
    if visit.charge is not None:
        return visit.charge.state.value.replace("_", " ")
    if visit.open_reviews:
        return "in review"
    if visit.final_at_ns is not None:
        return "final" if visit.refused is None else "not billed"
    return "left" if visit.left_at_ns is not None else "shopping"


class StoreFold:
    """Takes events in the order of the log."""

    def __init__(self) -> None:
        self.visits: dict[str, VisitRecord] = {}
        self.visits_opened = 0
        self.scans: dict[str, GateScanned] = {}
        self.visit_of_person: dict[int, str | None] = {}
        self.interactions: dict[str, Interaction] = {}
        self.cart_events: list[CartEvent] = []
        self.reviews: dict[str, ReviewOpened] = {}
        self.open_reviews: dict[str, ReviewOpened] = {}
        self._bound_ns: dict[int, int] = {}
        self._dismissed: set[str] = set()
        self._decisions: dict[str, tuple[str | None, str | None]] = {}

    def apply(self, event: object) -> None:
        """Fold in one event; kinds that say nothing of visits pass by."""
        match event:
            case GateScanned():
                self.scans[event.scan_id] = event
            case VisitOpened():
                self._open(event)
            case PersonBound():
                self.visit_of_person[event.person_id] = event.visit_id
                self._bound_ns[event.person_id] = event.at_ns
            case PersonMerged():
                self.visit_of_person.setdefault(event.person_id, self.visit_of_person.get(event.former_id))
                self._bound_ns[event.person_id] = event.at_ns
            case Interaction():
                self.interactions[event.interaction_id] = event
            case CartEvent():
                self._change_cart(event)
            case LogCarried():
                self.begin_with(event)
            case Dismissed():
                self._dismissed.add(event.reference)
            case ReviewOpened() | ReviewClosed():
                self._review(event)
            case _:
                self._end(event)

    def _open(self, event: VisitOpened) -> None:
        self.visits[event.visit_id] = VisitRecord(
            event.visit_id, self.visits_opened, event.token, event.scan_id, event.at_ns, event.party_size
        )
        self.visits_opened += 1

    def _change_cart(self, event: CartEvent) -> None:
        self.cart_events.append(event)
        if event.interaction_id is not None:
            self._decisions[event.interaction_id] = (event.visit_id, event.sku)
        if event.visit_id is not None:
            held = self.visits[event.visit_id].quantities
            held[event.sku] = held.get(event.sku, 0) + event.quantity_delta

    def _review(self, event: ReviewOpened | ReviewClosed) -> None:
        if isinstance(event, ReviewOpened):
            self.reviews[event.review_id] = self.open_reviews[event.review_id] = event
        else:
            self.open_reviews.pop(event.review_id, None)
        for visit_id in self.reviews[event.review_id].visit_ids:
            visit = self.visits[visit_id]
            visit.reviewed = True
            if isinstance(event, ReviewOpened):
                visit.open_reviews.add(event.review_id)
            else:
                visit.open_reviews.discard(event.review_id)

    def _end(self, event: object) -> None:
        match event:
            case VisitClosed():
                self.visits[event.visit_id].left_at_ns = event.at_ns if event.reason in ("exit", "vanished") else None
            case VisitReopened():
                self.visits[event.visit_id].left_at_ns = None
            case ReceiptDrafted():
                pass
            case ReceiptFinalised():
                visit = self.visits[event.visit_id]
                visit.final_at_ns, visit.final_lines = event.at_ns, event.lines
            case Admission():
                self.visits[event.visit_id].admitted = True
            case Charge():
                self.visits[event.visit_id].charge = event
            case BillingRefused():
                self.visits[event.visit_id].refused = event

    def begin_with(self, carried: LogCarried) -> None:
        """Take over what a log that follows another one begins with."""
        self.visits_opened = carried.visits_opened
        self.scans = {scan.scan_id: scan for scan in carried.scans}

    @property
    def is_settled(self) -> bool:
        """Whether every visit is final and billing has said what came of it, and no review is open."""
        return not self.open_reviews and all(_is_settled(visit) for visit in self.visits.values())

    def forget(self, before_ns: int, deeds_before_ns: int) -> None:
        """Forget visits that were settled before ``before_ns``, with all that belongs to them alone, and scans as old.

        What was done in visits that were settled before ``deeds_before_ns`` is forgotten too, which is most of what a visit takes.
        """
        kept = {name: visit for name, visit in self.visits.items() if not _is_over(visit, before_ns)}
        needed = {visit.scan_id for visit in kept.values()}
        self.visits = kept
        self.scans = {name: scan for name, scan in self.scans.items() if name in needed or scan.at_ns >= before_ns}
        self.visit_of_person = {
            person: visit_id
            for person, visit_id in self.visit_of_person.items()
            if visit_id in kept or self._bound_ns[person] >= before_ns
        }
        self._bound_ns = {person: at_ns for person, at_ns in self._bound_ns.items() if person in self.visit_of_person}
        self._forget_deeds(deeds_before_ns)

    def _forget_deeds(self, before_ns: int) -> None:
        """Forget interactions, reviews and changes of carts that no visit needs any more."""
        needed = {name for name, visit in self.visits.items() if not _is_over(visit, before_ns)}
        self.reviews = {
            name: review
            for name, review in self.reviews.items()
            if name in self.open_reviews or review.at_ns >= before_ns or not needed.isdisjoint(review.visit_ids)
        }
        asked = {review.interaction_id for review in self.reviews.values()}
        self.cart_events = [each for each in self.cart_events if each.visit_id in needed or each.at_ns >= before_ns]
        asked |= {each.interaction_id for each in self.cart_events}
        self.interactions = {
            name: each for name, each in self.interactions.items() if name in asked or each.closed_at_ns >= before_ns
        }
        self._decisions = {name: said for name, said in self._decisions.items() if name in self.interactions}
        self._dismissed &= self.interactions.keys() | self.reviews.keys()

    def predicted_visits(self) -> tuple[PredictedVisit, ...]:
        """Return the visits as they are scored, in order of opening."""
        return tuple(
            PredictedVisit(
                visit.visit_id,
                visit.token,
                self.scans[visit.scan_id].at_ns,
                tuple(PredictedLine(line.sku, line.quantity) for line in visit.lines if line.quantity > 0),
                visit.reviewed,
                visit.left_at_ns,
                visit.final_at_ns,
            )
            for visit in self.visits.values()
        )

    def predicted_interactions(self) -> tuple[PredictedInteraction, ...]:
        """Return the interactions that changed something and were not dismissed, in the order of the log."""
        return tuple(
            self._predict(each)
            for each in self.interactions.values()
            if each.change and each.interaction_id not in self._dismissed
        )

    def _predict(self, interaction: Interaction) -> PredictedInteraction:
        assert interaction.change
        visit_id, sku = self._decisions.get(interaction.interaction_id, (None, None))
        if visit_id is None and interaction.person_candidates:
            visit_id = self.visit_of_person.get(interaction.person_candidates[0].person_id)
        if sku is None and interaction.sku_candidates:
            sku = interaction.sku_candidates[0].sku
        return PredictedInteraction(
            interaction.interaction_id,
            "pick" if interaction.change < 0 else "put_back",
            interaction.shelf_id,
            interaction.slot_id,
            interaction.opened_at_ns,
            interaction.closed_at_ns,
            sku,
            visit_id,
            abs(interaction.change),
        )


def _is_settled(visit: VisitRecord) -> bool:
    """Whether a visit is final and billing has charged it, or will not."""
    refused = visit.refused is not None and visit.refused.what == "receipt"
    return visit.final_at_ns is not None and (visit.charge is not None or refused)


def _is_over(visit: VisitRecord, before_ns: int) -> bool:
    return _is_settled(visit) and visit.final_at_ns is not None and visit.final_at_ns < before_ns


class PathsFold:
    """Keeps where people were, per camera and on the floor, as the rows that are scored."""

    def __init__(self) -> None:
        self._floor: list[tuple[int, int, float, float]] = []
        self._instants: list[int] = []
        self._tracks: dict[str, list[tuple[int, int, float, float, float, float]]] = {}

    def apply(self, instant: Instant) -> None:
        """Fold in one instant. People count only while a camera sees them, as truth counts them."""
        people = instant.people
        if instant.tracks:
            self._instants.append(instant.captured_at_ns)
        for row, person in enumerate(people.person_ids.tolist()):
            if people.cameras[row]:
                x_m, y_m = people.floor_m[row].tolist()
                self._floor.append((instant.captured_at_ns, person, x_m, y_m))
        for tracks in instant.tracks:
            rows = self._tracks.setdefault(tracks.detections.camera_id, [])
            boxes = tracks.detections.boxes_xyxy_px.tolist()
            for track_id, (left, top, right, bottom) in zip(tracks.track_ids.tolist(), boxes, strict=True):
                rows.append((tracks.detections.frame_index, track_id, left, top, right, bottom))

    def floor_rows(self) -> FloorRows:
        """Return the floor paths."""
        times = np.array([row[:2] for row in self._floor], np.int64).reshape(-1, 2)
        places = np.array([row[2:] for row in self._floor], np.float64).reshape(-1, 2)
        return FloorRows(times[:, 0], times[:, 1], places, np.unique(np.array(self._instants, np.int64)))

    def track_rows(self) -> dict[str, TrackRows]:
        """Return each camera's tracks."""
        return {camera: _track_rows(rows) for camera, rows in sorted(self._tracks.items())}


def _track_rows(rows: list[tuple[int, int, float, float, float, float]]) -> TrackRows:
    ids = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    return TrackRows(ids[:, 0], ids[:, 1], np.array([row[2:] for row in rows], np.float64).reshape(-1, 4))


def outcome_of(fold: StoreFold, paths: PathsFold, started_at_ns: int, ended_at_ns: int) -> RunOutcome:
    """Put together what is scored of a run."""
    return RunOutcome(
        started_at_ns,
        ended_at_ns,
        fold.predicted_visits(),
        fold.predicted_interactions(),
        paths.floor_rows(),
        paths.track_rows(),
    )


def replayed(events: Iterable[object]) -> StoreFold:
    """Fold a whole log."""
    fold = StoreFold()
    for event in events:
        fold.apply(event)
    return fold
