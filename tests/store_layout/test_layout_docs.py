"""docs/layout.md is complete, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from store_layout.checks import check_store
from store_layout.fit import MarkedPoint, MarkedPoints, world_points
from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Gate, Gondola, Product, Shelf, Slot, Store, Strict, TaxClass, Wall, Zone
from store_layout.settings import ViewSettings

SECTIONS: dict[str, type[Strict]] = {
    "The store": Store,
    "Tax classes": TaxClass,
    "Walls": Wall,
    "Zones": Zone,
    "Gates": Gate,
    "Cameras": Camera,
    "Gondolas": Gondola,
    "Shelves": Shelf,
    "Slots": Slot,
    "Products": Product,
}


@pytest.fixture(scope="module")
def page(repo_dir: Path) -> str:
    return (repo_dir / "docs/layout.md").read_text()


def section(page: str, title: str) -> str:
    return re.split(r"^#{2,3} ", page.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def examples(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_names_exactly_the_keys_of_its_model(page: str, title: str) -> None:
    rows = [line.split("|")[1] for line in section(page, title).splitlines() if line.startswith("| `")]
    documented = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert documented == set(SECTIONS[title].model_fields)


def test_every_key_stands_in_the_example(page: str) -> None:
    used = set(re.findall(r"(\w+):", examples(page)[0]))
    assert not {field for model in SECTIONS.values() for field in model.model_fields} - used


def test_the_examples_work_together(page: str, tmp_path: Path) -> None:
    layout, points = (yaml.safe_load(text) for text in examples(page))
    store = Store.model_validate(layout)
    assert check_store(store, tmp_path) == ()
    pixels, world = world_points(MarkedPoints.model_validate(points), StoreGeometry(store))
    assert pixels.shape == (4, 2)
    assert world.shape == (4, 3)
    assert {"pixel", "world_m", "corner"} == set(MarkedPoint.model_fields)
    assert set(points) == set(MarkedPoints.model_fields)


def test_the_thresholds_named_are_those_in_force(page: str) -> None:
    view = ViewSettings()
    assert (
        f"less than {view.min_share * 100:.0f} % of the front is seen at {view.min_px_per_m:.0f} pixels per metre"
        in page
    )
