"""The competition's store: its plain data as a layout, a planogram and scenarios."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.nano_store.data import NanoData, read_data
from benchmarks.nano_store.layout import CAMERAS, build_camera, build_store
from benchmarks.nano_store.planogram import draw_planogram
from benchmarks.nano_store.scripts import build_scenario
from benchmarks.nano_store.wraps import shape_of, wrap
from benchmarks.nanostore import make_case
from recordings.files import load_truth
from store_layout.cameras import CameraModel
from store_layout.checks import shelf_view, store_problems
from store_layout.errors import InputError
from store_layout.geometry import StoreGeometry

PLATE_M = 0.1
STILL = [0.0, 0.0, 0.0]
PRODUCTS = (
    ("1001", "Fizzy Water", 530.0),
    ("1002", "Fizzy Tea", 530.0),
    ("2001", "Salty Chips", 60.0),
    ("2002", "Cola can", 370.0),
)


def placed(at_m: list[float], size_m: list[float], turn: float = 0.0, **ids: int) -> dict[str, Any]:
    return {**ids, "translation_m": at_m, "rotation_rodrigues": [0, 0, turn], "size_m": size_m}


def deed(order: int, who: str, action: str, barcode: str, shelf: int, plates: list[int], **more: Any) -> dict[str, Any]:
    return {
        "order": order, "shopper": who, "action": action, "barcode": barcode, "gondola": 1, "shelf": shelf,
        "plates": plates, "together_with_previous": False, **more,
    }  # fmt: skip


def case(name: str, *events: dict[str, Any], **receipts: dict[str, int]) -> dict[str, Any]:
    return {"case": name, "winner_f1_2020": None, "events": list(events), "receipts": receipts, "remark": "left aside"}


CASES = (
    case("water", deed(1, "a", "pick", "1001", 2, [3]), a={"1001": 1}),
    case(
        "wrong-place",
        deed(1, "a", "pick", "1001", 2, [3]),
        deed(2, "a", "put_back", "1001", 2, [6]),
        deed(3, "b", "pick", "1002", 2, [6]),
        deed(4, "a", "pick", "1001", 2, [6]),
        a={"1001": 1},
        b={"1002": 1},
    ),
    case("same-plate", deed(1, "a", "pick", "2001", 2, [3, 4]), a={"2001": 1}),
)  # fmt: skip


def folder(tmp_path: Path, cases: tuple[dict[str, Any], ...] = CASES) -> Path:
    """Write a store of one gondola with two shelves of eight plates, and one camera before it."""
    shelves = [
        placed([0, -0.4, height], [0.8, 0.4, 0.3], gondola=1, shelf=number) for number, height in ((1, 0.6), (2, 1.0))
    ]
    plates = [
        placed([PLATE_M * number, 0, 0], [PLATE_M, 0.4, 0], gondola=1, shelf=shelf, plate=number + 1)
        for shelf in (1, 2)
        for number in range(8)
    ]
    store = {"gondolas": [placed([1.5, 0.4921, 0], [0.8, 0.03, 1.6], gondola=1)], "shelves": shelves, "plates": plates}
    to_world = [[1, 0, 0, 75], [0, -0.5, 0.8660254037844386, -60], [0, -0.8660254037844386, -0.5, 92], [0, 0, 0, 1]]
    camera = {"K": [[0.8, 0, 0.5], [0, 1.42, 0.458], [0, 0, 1]], "Tw": to_world, "dist_coeffs": [-0.3, 0.1, 0, 0, 0]}
    products = [{"barcode": barcode, "name": name, "weight_g": weight} for barcode, name, weight in PRODUCTS]
    files = {"store": store, "cameras": {"cameras": {"2": camera}}, "products": products, "cases": list(cases)}
    tmp_path.mkdir(exist_ok=True)
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


@pytest.fixture
def data(tmp_path: Path) -> NanoData:
    return read_data(folder(tmp_path / "data"))


def test_a_camera_sees_what_the_calibration_says(data: NanoData) -> None:
    raw = data.cameras["2"]
    model = CameraModel.from_layout(build_camera("2", raw))
    points_m = np.random.default_rng(3).uniform((1.5, -0.1, 0.5), (2.3, 0.3, 1.5), (50, 3))
    to_world = np.array(raw.Tw)
    rotation, place_m = to_world[:3, :3].T, to_world[:3, 3] * 0.0254
    matrix = np.array(raw.K) * [[640], [360], [1]]
    wanted, _ = cv2.projectPoints(
        points_m, cv2.Rodrigues(rotation)[0], -rotation @ place_m, matrix, np.array(raw.dist_coeffs)
    )
    found, _ = model.project(points_m)
    np.testing.assert_allclose(found, wanted.reshape(-1, 2), atol=0.01)


def test_every_plate_is_filled_once_and_products_stand_where_they_were_taken(data: NanoData) -> None:
    planogram = draw_planogram(data)
    for key, blocks in planogram.blocks.items():
        plates = [plate for block in blocks for plate in range(block.first, block.end)]
        assert plates == list(range(len(planogram.plates[key])))
    on_top = {block.barcode: block for block in planogram.blocks[1, 2]}
    assert abs(on_top["1001"].middle - 2) <= 2  # plate 3 has index 2; the chips want it, too
    assert abs(on_top["2001"].middle - 2.5) <= 1
    assert on_top["1002"].first <= 5 < on_top["1002"].end
    assert on_top["1002"].plates >= 2, "water was put before the tea, which was taken from beside it"


def test_the_layout_is_sound(data: NanoData) -> None:
    store = build_store(data, draw_planogram(data))
    assert [problem for problem in store_problems(store) if problem.severity == "error"] == []
    assert store.gondolas[0].facing_deg == 270
    assert store.gondolas[0].front_left_m == (1.5, 0.0921)


def test_a_turned_gondola_looks_the_other_way(tmp_path: Path) -> None:
    place = folder(tmp_path / "data")
    text = json.loads((place / "store.json").read_text())
    text["gondolas"][0] |= {"translation_m": [4.9, -0.3, 0], "rotation_rodrigues": [0, 0, -1.5708]}
    (place / "store.json").write_text(json.dumps(text))
    data = read_data(place)
    gondola = build_store(data, draw_planogram(data)).gondolas[0]
    assert gondola.facing_deg == 180
    assert gondola.front_left_m == pytest.approx((4.5, -0.3), abs=1e-3)


def test_what_is_put_to_a_wrong_place_is_taken_from_there(data: NanoData) -> None:
    planogram = draw_planogram(data)
    scenario = build_scenario(data.cases[1], planogram, 1, "wrong-place", "layout.yaml", "packs.yaml")
    first, second = scenario.shoppers
    picks = [step.pick for step in first.script if step.pick is not None]
    back = next(step.put_back for step in first.script if step.put_back is not None)
    assert back.slot == picks[1].slot != picks[0].slot
    assert [pick.stray for pick in picks] == [False, True]
    assert [(gap.slot, gap.missing) for gap in scenario.stock.gaps] == [(back.slot, 1)]
    waits = [step.wait.mark for shopper in (first, second) for step in shopper.script if step.wait is not None]
    marks = [step.mark for shopper in (second, first) for step in shopper.script if step.mark is not None]
    assert waits == marks == ["deed-3", "deed-2"]


@pytest.mark.slow
def test_a_case_that_is_told_has_its_receipts(data: NanoData, tmp_path: Path) -> None:
    from benchmarks.nanostore import STORE, _write_store

    planogram = draw_planogram(data)
    _write_store(tmp_path / STORE, data, planogram)
    make_case(data.cases[1], planogram, tmp_path / "wrong-place", 1, True, lambda done, total: None)
    found = load_truth(tmp_path / "wrong-place")
    assert found is not None
    receipts = {visit.token: {line.sku: line.quantity for line in visit.receipt} for visit in found.truth.visits}
    assert receipts == {"wrong-place-a": {"1001": 1}, "wrong-place-b": {"1002": 1}}
    assert [each.kind for each in found.truth.interactions] == ["pick", "put_back", "pick", "pick"]
    _write_store(tmp_path / STORE, data, planogram)
    (tmp_path / STORE / "layout.yaml").write_text("version: 1\n")
    with pytest.raises(InputError, match="of other cases"):
        _write_store(tmp_path / STORE, data, planogram)


def test_receipts_that_no_deeds_lead_to_are_refused(tmp_path: Path) -> None:
    from benchmarks.nanostore import STORE, _write_store

    data = read_data(folder(tmp_path / "data", (case("odd", deed(1, "a", "pick", "1001", 2, [3]), a={"1001": 2}),)))
    planogram = draw_planogram(data)
    _write_store(tmp_path / STORE, data, planogram)
    with pytest.raises(InputError, match=re.escape("a has {'1001': 1} in the end, and {'1001': 2}")):
        make_case(data.cases[0], planogram, tmp_path / "odd", 1, True, lambda done, total: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"barcode": "77"}, "odd, event 1: no product 77"),
        ({"shelf": 9}, re.escape("odd, event 1: no shelf (1, 9)")),
        ({"action": "steal"}, "'pick' or 'put_back'"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    wrong = deed(1, "a", "pick", "1001", 2, [3]) | change
    with pytest.raises(InputError, match=message) as told:
        read_data(folder(tmp_path / "data", (case("odd", wrong, a={}),)))
    assert told.value.file == str(tmp_path / "data" / "cases.json")


def test_too_many_products_for_a_shelf_are_refused(tmp_path: Path) -> None:
    one = case("one", *(deed(n, "a", "pick", barcode, 2, [3]) for n, (barcode, _, _) in enumerate(PRODUCTS, 1)), a={})
    place = folder(tmp_path / "data", (one,))
    text = json.loads((place / "store.json").read_text())
    text["plates"] = [plate for plate in text["plates"] if plate["plate"] <= 3]
    (place / "store.json").write_text(json.dumps(text))
    with pytest.raises(InputError, match="3 plates for 4 products"):
        draw_planogram(read_data(place))


def test_packs_have_the_shape_that_names_and_weights_say(data: NanoData) -> None:
    shapes = {barcode: shape_of(product) for barcode, product in data.products.items()}
    assert [shapes[barcode].kind for barcode, _, _ in PRODUCTS] == ["bottle", "bottle", "bag", "can"]
    water, tea = (wrap(data.products[barcode], shapes[barcode]) for barcode in ("1001", "1002"))
    assert (water.brand, water.motif, water.font) == (tea.brand, tea.motif, tea.font), "one brand's flavours"
    assert (water.base, water.name) != (tea.base, tea.name)


def test_the_real_store(shared_dir: Path) -> None:
    """All its cases can be told, and the six cameras see every shelf."""
    data = read_data(shared_dir / "nanostore")
    planogram = draw_planogram(data)
    store = build_store(data, planogram)
    assert len(data.cases) == 25
    assert tuple(camera.id.removeprefix("cam") for camera in store.cameras) == CAMERAS
    assert [problem for problem in store_problems(store) if problem.severity == "error"] == []
    geometry = StoreGeometry(store)
    assert min(shelf_view(geometry, shelf, 60.0)[0] for shelf in geometry.shelves) == 1.0
    for each in data.cases:
        scenario = build_scenario(each, planogram, 1, each.case, "layout.yaml", "packs.yaml")
        deeds = [step for shopper in scenario.shoppers for step in shopper.script if step.pick or step.put_back]
        assert len(deeds) == len(each.events)
