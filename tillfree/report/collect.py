"""Gathers what the report shows while the run goes on, and writes the page at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from billing.types import Receipt
from store_layout.geometry import StoreGeometry
from tillfree.folds import StoreFold
from tillfree.overlay.view import InstantView
from tillfree.report.page import InteractionPart, ReportData, render_page
from tillfree.report.pictures import Evidence, PictureBuffer
from vision.types import Interaction

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Seen:
    interaction: Interaction
    evidence: Evidence | None


class ReportCollector:
    """Takes every instant; ``write`` makes the page. ``receipts`` are those of visits that have one, by visit."""

    def __init__(self, geometry: StoreGeometry, started_at_ns: int, path: Path) -> None:
        self._geometry, self._started_at_ns, self._path = geometry, started_at_ns, path
        self._buffer = PictureBuffer(geometry)
        self._seen: list[_Seen] = []
        self._paths: dict[int, list[tuple[float, float]]] = {}
        self._cart_values: dict[str, list[tuple[float, int]]] = {}
        self._last_s = 0.0
        self._fold: StoreFold | None = None
        self.receipts: Mapping[str, Receipt] = {}

    def take(self, view: InstantView, fold: StoreFold) -> None:
        """Take one instant. Frames are expected with their heads already hidden."""
        self._fold = fold
        self._last_s = max(self._last_s, view.elapsed_s)
        for camera in sorted(view.frames):
            self._buffer.keep(view.frames[camera])
        for event in view.instant.events:
            if isinstance(event, Interaction):
                self._seen.append(_Seen(event, self._buffer.evidence(event)))
        for row, person in enumerate(view.instant.people.person_ids.tolist()):
            x_m, y_m = view.instant.people.floor_m[row].tolist()
            self._paths.setdefault(person, []).append((x_m, y_m))
        self._note_values(view.elapsed_s, fold)

    def _note_values(self, elapsed_s: float, fold: StoreFold) -> None:
        prices = {product.sku: product.price_minor for product in self._geometry.store.products}
        for visit in fold.visits.values():
            total = sum(prices[line.sku] * line.quantity for line in visit.lines)
            values = self._cart_values.setdefault(visit.visit_id, [])
            if not values or values[-1][1] != total:
                values.append((elapsed_s, total))

    def write(self) -> None:
        """Write the page, whole or not at all."""
        fold = self._fold or StoreFold()
        data = ReportData(
            self._geometry,
            fold,
            self._started_at_ns,
            self._last_s,
            tuple(self._part(seen, fold) for seen in self._seen),
            {person: tuple(points) for person, points in sorted(self._paths.items())},
            {visit: tuple(values) for visit, values in self._cart_values.items()},
            self.receipts,
        )
        part = self._path.with_name(self._path.name + ".part")
        part.write_text(render_page(data), encoding="utf-8")
        part.replace(self._path)

    def _part(self, seen: _Seen, fold: StoreFold) -> InteractionPart:
        names = {product.sku: product.name for product in self._geometry.store.products}
        it = seen.interaction
        events = [each for each in fold.cart_events if each.interaction_id == it.interaction_id]
        visit_id = events[0].visit_id if events else None
        if not events and it.person_candidates:
            visit_id = fold.visit_of_person.get(it.person_candidates[0].person_id)
        review = next((each for each in fold.reviews.values() if each.interaction_id == it.interaction_id), None)
        return InteractionPart(
            it.interaction_id,
            (it.opened_at_ns - self._started_at_ns) / NS_PER_S,
            (it.closed_at_ns - self._started_at_ns) / NS_PER_S,
            it.slot_id or it.shelf_id,
            it.change,
            it.change_probability,
            tuple((names.get(each.sku, each.sku), each.probability) for each in it.sku_candidates[:3]),
            tuple((f"person {each.person_id}", each.probability) for each in it.person_candidates[:3]),
            visit_id,
            tuple(
                f"{each.kind.replace('_', ' ')} {abs(each.quantity_delta)} × {names.get(each.sku, each.sku)}"
                for each in events
            ),
            None if review is None else review.reason,
            seen.evidence,
        )
