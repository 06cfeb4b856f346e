"""The report as one HTML page: text from a template, plots as SVG, pictures inline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from billing.money import Money, format_money
from billing.types import ChargeState, Receipt
from store_layout.geometry import StoreGeometry
from tillfree.folds import StoreFold, VisitRecord, visit_state
from tillfree.overlay.style import Rgb, person_colour
from tillfree.report.pictures import Evidence

NS_PER_S = 1_000_000_000
_MAP_PX = 420
_PLOT_PX = (760, 180)


@dataclass(frozen=True, slots=True)
class InteractionPart:
    """One interaction as the page tells it; times in seconds from the recording's start."""

    interaction_id: str
    opened_s: float
    closed_s: float
    place: str
    change: int | None
    change_probability: float
    skus: tuple[tuple[str, float], ...]
    persons: tuple[tuple[str, float], ...]
    visit_id: str | None
    outcomes: tuple[str, ...]
    review: str | None
    evidence: Evidence | None

    @property
    def verb(self) -> str:
        """Say what happened in a word or two."""
        if self.change is None:
            return "unclear"
        if self.change == 0:
            return "touched"
        return f"{'took' if self.change < 0 else 'put'} {abs(self.change)}"


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that the page is made of."""

    geometry: StoreGeometry
    fold: StoreFold
    started_at_ns: int
    duration_s: float
    interactions: tuple[InteractionPart, ...]
    paths_m: Mapping[int, tuple[tuple[float, float], ...]]
    cart_values: Mapping[str, tuple[tuple[float, int], ...]]
    receipts: Mapping[str, Receipt]


@dataclass(frozen=True, slots=True)
class _VisitPart:
    visit: VisitRecord
    colour: str
    state: str
    charge: str
    lines: tuple[tuple[str, str], ...]
    total: str
    opened_s: float
    left_s: float | None
    final_s: float | None
    interactions: tuple[InteractionPart, ...]


def css(colour: Rgb) -> str:
    """Return an RGB colour as CSS."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def render_page(data: ReportData) -> str:
    """Return the page. Nothing in it depends on when or where it was made."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{share * 100:.0f} %"
    environment.filters["seconds"] = lambda seconds: f"{seconds:.1f} s"
    visits = tuple(_visit_part(visit, data) for visit in data.fold.visits.values())
    nobody = tuple(part for part in data.interactions if part.visit_id not in data.fold.visits)
    return environment.get_template("page.html.j2").render(
        store=data.geometry.store.name,
        duration_s=data.duration_s,
        tiles=_tiles(data),
        visits=visits,
        nobody=nobody,
        timeline=Markup(_timeline(data)),  # noqa: S704 - made here from numbers and escaped names
        floor=Markup(_floor(data)),  # noqa: S704
        values=Markup(_values_plot(data)),  # noqa: S704
    )


def _tiles(data: ReportData) -> tuple[tuple[str, str], ...]:
    visits = data.fold.visits.values()
    charges = [visit.charge for visit in visits if visit.charge is not None]
    captured = sum(charge.paid.minor for charge in charges)
    changed = [part for part in data.interactions if part.change]
    return (
        ("visit" if len(data.fold.visits) == 1 else "visits", str(len(data.fold.visits))),
        ("things taken or put back", str(len(changed))),
        ("charged", format_money(Money(captured, data.geometry.store.currency))),
        ("questions to an operator", str(len(data.fold.reviews))),
        ("recording", f"{data.duration_s:.0f} s"),
    )


def _visit_part(visit: VisitRecord, data: ReportData) -> _VisitPart:
    receipt = data.receipts.get(visit.visit_id)
    lines, total = _cart_lines(visit, data) if receipt is None else (_receipt_lines(receipt), receipt.total)
    return _VisitPart(
        visit,
        css(person_colour(visit.number)),
        visit_state(visit),
        _charge(visit),
        lines,
        format_money(total),
        (visit.opened_at_ns - data.started_at_ns) / NS_PER_S,
        None if visit.left_at_ns is None else (visit.left_at_ns - data.started_at_ns) / NS_PER_S,
        None if visit.final_at_ns is None else (visit.final_at_ns - data.started_at_ns) / NS_PER_S,
        tuple(part for part in data.interactions if part.visit_id == visit.visit_id),
    )


def _cart_lines(visit: VisitRecord, data: ReportData) -> tuple[tuple[tuple[str, str], ...], Money]:
    """Return a cart that is no receipt yet, at the layout's prices."""
    products = {product.sku: product for product in data.geometry.store.products}
    found, total = [], Money.zero(data.geometry.store.currency)
    for line in visit.lines:
        amount = Money(products[line.sku].price_minor * line.quantity, total.currency)
        found.append((f"{line.quantity} × {products[line.sku].name}", format_money(amount)))
        total += amount
    return tuple(found), total


def _receipt_lines(receipt: Receipt) -> tuple[tuple[str, str], ...]:
    """Return what sums to a receipt's total: products, deposits, promotions, and tax that comes on top."""
    lines = [(f"{line.quantity} × {line.name}", format_money(line.amount)) for line in receipt.lines]
    lines += [(each.name, format_money(-each.discount)) for each in receipt.promotions]
    on_top = [tax for tax in receipt.taxes if not tax.inclusive]
    return (
        *lines,
        *((f"{tax.rate_percent.normalize():f} % {tax.tax_class} tax", format_money(tax.tax)) for tax in on_top),
    )


def _charge(visit: VisitRecord) -> str:
    if visit.charge is None:
        return "not charged"
    if visit.charge.state is ChargeState.CAPTURED:
        return f"charged {format_money(visit.charge.amount)} with the key {visit.charge.key}"
    return f"charge {visit.charge.state.value.replace('_', ' ')}"


def _timeline(data: ReportData) -> str:
    """Return a bar a visit, with a mark for every interaction, as SVG."""
    width, row, left = _PLOT_PX[0], 34, 70
    scale = (width - left - 14) / max(data.duration_s, 1e-9)
    parts = [_svg_open(width, row * max(len(data.fold.visits), 1) + 26)]
    for visit in data.fold.visits.values():
        y = 8 + row * visit.number
        colour = css(person_colour(visit.number))
        start = left + scale * (visit.opened_at_ns - data.started_at_ns) / NS_PER_S
        end_ns = visit.left_at_ns if visit.left_at_ns is not None else data.started_at_ns + round(data.duration_s * 1e9)
        end = left + scale * (end_ns - data.started_at_ns) / NS_PER_S
        parts.append(f'<text x="0" y="{y + 14}" class="label">Visit {visit.number + 1}</text>')
        parts.append(
            f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 2):.1f}" height="20" rx="4" fill="{colour}" opacity=".35"/>'
        )
        for part in data.interactions:
            if part.visit_id == visit.visit_id and part.change != 0:
                x = left + scale * (part.opened_s + part.closed_s) / 2
                sign = "?" if part.change is None else ("−" if part.change < 0 else "+")
                parts.append(
                    f'<a href="#{part.interaction_id}"><circle cx="{x:.1f}" cy="{y + 10}" r="9" fill="{colour}"/>'
                    f'<text x="{x:.1f}" y="{y + 15}" text-anchor="middle" class="mark">{sign}</text></a>'
                )
    parts += _time_axis(left, scale, data.duration_s, row * max(len(data.fold.visits), 1) + 22)
    return "".join((*parts, "</svg>"))


def _time_axis(left: float, scale: float, duration_s: float, y: float) -> list[str]:
    step = 5 if duration_s <= 70 else 60 if duration_s <= 900 else 600
    return [
        f'<text x="{left + scale * at:.1f}" y="{y}" text-anchor="middle" class="axis">{at} s</text>'
        for at in range(0, int(duration_s) + 1, step)
    ]


def _floor(data: ReportData) -> str:
    """Return the store from above with every person's way, as SVG."""
    corners = np.asarray(data.geometry.floor.exterior.coords, np.float64)
    low, high = corners.min(axis=0) - 0.2, corners.max(axis=0) + 0.2
    scale = _MAP_PX / float((high - low).max())

    def points(places: object) -> str:
        at = (np.asarray(places, np.float64).reshape(-1, np.asarray(places).shape[-1])[:, :2] - low) * scale
        return " ".join(f"{x:.1f},{(high[1] - low[1]) * scale - y:.1f}" for x, y in at)

    parts = [_svg_open((high - low)[0] * scale, (high - low)[1] * scale)]
    parts.append(f'<polygon points="{points(corners)}" class="floor"/>')
    for shelf in data.geometry.shelves:
        parts.append(f'<polygon points="{points(shelf.box_corners_m[[0, 1, 5, 4]])}" class="shelf"/>')
    for gate in data.geometry.gates:
        parts.append(f'<polyline points="{points(gate.line_m)}" class="gate"/>')
    for person, path in data.paths_m.items():
        visit = data.fold.visits.get(data.fold.visit_of_person.get(person) or "")
        colour = "#9aa3b0" if visit is None else css(person_colour(visit.number))
        if len(path) > 4:
            parts.append(f'<polyline points="{points(path)}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
    return "".join((*parts, "</svg>"))


def _values_plot(data: ReportData) -> str:
    """Return the carts' values over time as steps, as SVG."""
    width, height = _PLOT_PX
    left, bottom = 70, height - 24
    top_minor = max((value for values in data.cart_values.values() for _, value in values), default=0) or 1
    scale_x = (width - left - 14) / max(data.duration_s, 1e-9)
    scale_y = (bottom - 14) / top_minor
    parts = [_svg_open(width, height)]
    currency = data.geometry.store.currency
    for share in (0.0, 0.5, 1.0):
        y = bottom - scale_y * top_minor * share
        parts.append(f'<line x1="{left}" x2="{width - 14}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        text = format_money(Money(round(top_minor * share), currency))
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="axis">{text}</text>')
    for visit_id, values in data.cart_values.items():
        colour = css(person_colour(data.fold.visits[visit_id].number))
        parts.append(
            f'<path d="{_steps(values, data.duration_s, left, bottom, scale_x, scale_y)}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
    parts += _time_axis(left, scale_x, data.duration_s, height - 6)
    return "".join((*parts, "</svg>"))


def _steps(
    values: tuple[tuple[float, int], ...], end_s: float, left: float, bottom: float, scale_x: float, scale_y: float
) -> str:
    path = f"M{left + scale_x * values[0][0]:.1f},{bottom:.1f}"
    for at_s, value in values:
        path += f"H{left + scale_x * at_s:.1f}V{bottom - scale_y * value:.1f}"
    return path + f"H{left + scale_x * end_s:.1f}"


def _svg_open(width_px: float, height_px: float) -> str:
    return f'<svg viewBox="0 0 {width_px:.0f} {height_px:.0f}" role="img">'
