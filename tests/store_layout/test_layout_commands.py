"""`tillfree layout check` and `draw`, and what the plan shows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from shapely.geometry import Point

from store_layout.draw import shadow, visible_floor
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry
from tillfree.main import main


@pytest.fixture
def small(repo_dir: Path) -> Path:
    return repo_dir / "tests/data/small_store.yaml"


def test_check_says_good(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["layout", "check", str(small)]) == 0
    assert "3 cameras, 1 gate, 11 slots, 10 products; nothing to mend" in capsys.readouterr().out


def test_check_lists_every_problem(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "layout.yaml"
    bad.write_text(
        small.read_text()
        .replace("sku: rice, from", "sku: ryce, from")
        .replace("tax_class: food}", "tax_class: fod}", 1)
    )
    assert main(["layout", "check", str(bad)]) == 2
    shown = capsys.readouterr()
    assert "no product has the SKU 'ryce'" in shown.out
    assert "there is no tax class 'fod'" in shown.out
    assert "2 errors" in shown.err
    bad.write_text(small.read_text().replace("fps: 10", "fsp: 10"))
    assert main(["layout", "check", str(bad)]) == 2
    assert capsys.readouterr().out.count("did you mean 'fps'?") == 3


def test_draw_writes_a_png_and_the_same_svg_twice(small: Path, tmp_path: Path) -> None:
    for name in ("plan.png", "one.svg", "two.svg"):
        assert main(["layout", "draw", str(small), "-o", str(tmp_path / name)]) == 0
    picture = cv2.imread(str(tmp_path / "plan.png"))
    assert picture is not None
    assert picture.shape[1] > 1500
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert main(["layout", "draw", str(small), "-o", str(tmp_path / "plan.pdf")]) == 2


def test_the_drawn_view_is_what_the_camera_sees(small: Path) -> None:
    geometry = StoreGeometry(load_store(small))
    spots = np.random.default_rng(1).uniform([0.5, 0.9], [4.9, 5.5], (400, 2))
    for camera_id, camera in geometry.cameras.items():
        shape = visible_floor(geometry, camera)
        seen = geometry.sees(camera_id, np.column_stack([spots, np.zeros(len(spots))]))
        drawn = np.array([shape.contains(Point(*spot)) for spot in spots])
        # the picture's bent edge is drawn with 128 corners, so spots right at the edge may differ
        assert (seen == drawn).mean() > 0.99
        assert 0.1 < seen.mean() < 0.95


def test_a_wall_higher_than_the_camera_hides_all_behind_it() -> None:
    wall = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 3.0], [1.0, -1.0, 3.0]])
    dark = shadow(np.array([0.0, 0.0, 2.5]), wall)
    assert dark.contains(Point(30, 0))
    assert not dark.contains(Point(0.5, 0))
