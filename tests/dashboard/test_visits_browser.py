"""Somebody finds a visit, gives a unit of it back and writes a note, with a real browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from benchmarks.dashboard_load.visit_events import many
from dashboard.roles import Role
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.visits_rig import GEOMETRY, NOW, Counter, counter

pytestmark = pytest.mark.browser
NAMES = {product.sku: product.name for product in GEOMETRY.store.products}


@pytest.fixture
def till(watched: Watched, tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path, watched.office.clock, *many(12, GEOMETRY, NOW, seed=5)) as found:
        watched.cut()
        watched.office.desk = dataclasses.replace(watched.office.desk, visits=found.visits)
        watched.serve()
        yield found


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_a_unit_is_given_back(opened: Open, till: Counter, width: str, scheme: str) -> None:
    receipt = next(
        found for number in range(1, 12) if (found := till.service.receipt(f"visit-s{number}")) and found.lines
    )
    name, number = receipt.lines[0].name, receipt.visit_id.removeprefix("visit-s")
    page = opened(Role.MANAGER, width, color_scheme=scheme)
    page.get_by_role("link", name="Visits").click()
    page.get_by_label("Product", exact=True).fill(name)
    page.get_by_role("button", name="Search").click()
    assert (page.evaluate(WIDER), serious(page)) == (0, [])
    page.get_by_role("link", name=f"Visit {number}", exact=True).click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    assert (page.evaluate(WIDER), serious(page)) == (0, [])
    page.get_by_label(f"Units of {name} to give back").fill("1")
    page.get_by_label("Why").select_option(label="is damaged")
    page.get_by_role("button", name="Give back …").click()
    expect(page.get_by_role("heading")).to_contain_text("Give back €")
    assert (page.evaluate(WIDER), serious(page)) == (0, [])
    assert till.service.refunds(receipt.visit_id) == ()
    page.get_by_role("button", name="Give back €").click()
    expect(page.get_by_text("It is given back.")).to_be_visible()
    page.get_by_label("For whoever looks at this visit later").fill("The bag was torn")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.locator(".timeline .t-note")).to_contain_text("The bag was torn")
    expect(page.locator(".timeline")).to_contain_text(f"Given back: 1 × {name}")
    assert [refund.reason.value for refund in till.service.refunds(receipt.visit_id)] == ["damaged"]
    assert page.faults == []  # type: ignore[attr-defined]
