"""An operator looks for what is low, counts a slot and looks at sales, with a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.roles import Role
from dashboard.stock.desk import StockDesk
from tests.dashboard.browser_rig import WIDER, Open, Watched, serious
from tests.dashboard.stock_rig import COLA, NOON_NS, H, shop_day, stocked

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(watched: Watched, tmp_path: Path) -> Iterator[StockDesk]:
    watched.office.clock.now_ns = NOON_NS + 6 * H
    watched.cut()
    with stocked(watched.office, tmp_path) as found:
        shop_day(found, NOON_NS)
        watched.serve()
        yield found


@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param("desk", "light", marks=pytest.mark.slow), ("phone", "dark")]
)
def test_an_operator_counts_what_is_low(opened: Open, desk: StockDesk, width: str, scheme: str) -> None:
    page = opened(Role.OPERATOR, width, color_scheme=scheme)
    page.get_by_role("link", name="Stock").click()
    expect(page.get_by_role("link", name="Fizzo Cola, 330 ml 2 of 9")).to_be_visible()
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []
    page.get_by_role("link", name="Low or empty").click()
    expect(page.get_by_role("list").get_by_role("link")).to_have_count(1)
    page.get_by_role("link", name="Fizzo Cola").click()
    assert page.evaluate(WIDER) == 0
    assert serious(page) == []
    page.get_by_label("How many are here now?").fill("7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="operator-1")).to_contain_text("7")
    assert desk.slot(COLA).level == 7
    for name in ("To bring", "Sales"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        assert page.evaluate(WIDER) == 0
        assert serious(page) == []
    expect(page.get_by_role("row", name="Fizzo Cola").get_by_role("cell").first).to_have_text("7")
    assert page.faults == []  # type: ignore[attr-defined]
