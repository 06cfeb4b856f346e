"""Turns a running store into pictures: the annotated video and the report's material."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from billing.money import Money, format_money
from billing.types import Receipt
from checkout.types import CartEvent
from store_layout.geometry import StoreGeometry
from store_layout.model import Product, Store
from tillfree.folds import StoreFold, VisitRecord, visit_state
from tillfree.overlay.privacy import hide_heads
from tillfree.overlay.video import Compositor, VideoWriter
from tillfree.overlay.view import CartLineView, CartView, InstantView
from tillfree.report.collect import ReportCollector
from vision.pipeline import Instant
from vision.types import Frame, GateCrossing, Interaction

NS_PER_S = 1_000_000_000
_LIT_NS = 1_500_000_000
"""How long a slot stays lit after something happened there; long enough to be seen at normal speed."""
_MESSAGES = 6


def cart_view(visit: VisitRecord, store: Store, products: dict[str, Product]) -> CartView:
    """Return ``visit`` as people read it."""
    lines = tuple(
        CartLineView(
            products[line.sku].name,
            line.quantity,
            format_money(Money(products[line.sku].price_minor * line.quantity, store.currency)),
        )
        for line in visit.lines
    )
    total = sum(products[line.sku].price_minor * line.quantity for line in visit.lines)
    return CartView(
        visit.visit_id,
        f"Visit {visit.number + 1}",
        visit.number,
        lines,
        format_money(Money(total, store.currency)),
        visit_state(visit),
    )


def describe(event: object, products: dict[str, Product], fold: StoreFold) -> str | None:
    """Return an event as a short message, or None where it would only be noise."""
    match event:
        case CartEvent():
            number = "nobody" if event.visit_id is None else f"visit {fold.visits[event.visit_id].number + 1}"
            name = products[event.sku].name if event.sku in products else event.sku
            return f"{number} {event.kind.replace('_', ' ')} {abs(event.quantity_delta)} × {name}"
        case GateCrossing():
            return f"person {event.person_id} went {event.direction} by {event.gate_id}"
        case _:
            return None


def _without_heads(instant: Instant, frames: dict[str, Frame]) -> dict[str, Frame]:
    found = {tracks.detections.camera_id: tracks.detections for tracks in instant.tracks}
    return {
        camera: replace(frame, picture=hide_heads(frame.image, found[camera])) if camera in found else frame
        for camera, frame in frames.items()
    }


class ViewMaker:
    """Shows each instant to whoever draws. Use it in a with block: leaving it completes the files."""

    def __init__(
        self, geometry: StoreGeometry, started_at_ns: int, *, video: Path | None, report: Path | None, heads: bool
    ) -> None:
        self._geometry, self._started_at_ns = geometry, started_at_ns
        self._products = {product.sku: product for product in geometry.store.products}
        self._video_path, self._heads = video, heads
        self._report = None if report is None else ReportCollector(geometry, started_at_ns, report)
        self._stack = ExitStack()
        self._compositor: Compositor | None = None
        self._writer: VideoWriter | None = None
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
        self._lit: dict[str, int] = {}
        self._told = 0

    def __enter__(self) -> Self:
        if self._video_path is not None:
            self._compositor = Compositor(self._geometry)
            fps = max(camera.fps for camera in self._geometry.store.cameras)
            writer = VideoWriter(self._video_path, self._compositor.width_px, self._compositor.height_px, fps)
            self._writer = self._stack.enter_context(writer)
        return self

    def show(self, instant: Instant, frames: dict[str, Frame], fold: StoreFold) -> None:
        """Take one instant with its frames (those there are) and the carts after it."""
        view = self._view(instant, frames if self._heads else _without_heads(instant, frames), fold)
        if self._compositor is not None and self._writer is not None and frames:
            self._writer.write(self._compositor.draw(view))
        if self._report is not None:
            self._report.take(view, fold)

    def charged(self, receipts: Mapping[str, Receipt]) -> None:
        """Take the receipts, by visit, before the report is written."""
        if self._report is not None:
            self._report.receipts = receipts

    def _view(self, instant: Instant, frames: dict[str, Frame], fold: StoreFold) -> InstantView:
        self._note(instant, fold)
        lit = frozenset(name for name, until_ns in self._lit.items() if until_ns >= instant.captured_at_ns)
        colours = {
            person: fold.visits[visit].number for person, visit in fold.visit_of_person.items() if visit in fold.visits
        }
        return InstantView(
            (instant.captured_at_ns - self._started_at_ns) / NS_PER_S,
            instant,
            frames,
            tuple(cart_view(visit, self._geometry.store, self._products) for visit in fold.visits.values()),
            tuple(self._messages),
            colours,
            lit,
        )

    def _note(self, instant: Instant, fold: StoreFold) -> None:
        for event in (*instant.events, *fold.cart_events[self._told :]):
            if isinstance(event, Interaction):
                self._lit[event.slot_id or event.shelf_id] = instant.captured_at_ns + _LIT_NS
            text = describe(event, self._products, fold)
            if text is not None:
                seconds = (instant.captured_at_ns - self._started_at_ns) / NS_PER_S
                self._messages.append(f"{seconds:5.1f} s  {text}")
        self._told = len(fold.cart_events)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None and self._report is not None:
            self._report.write()
