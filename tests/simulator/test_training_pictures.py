"""Training pictures: random stores that hold together, and labels that say what is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from simulator.frames import RenderedFrame, VisiblePerson
from simulator.packaging import load_specs
from simulator.skeleton import PosedBody
from simulator.training.pictures import HAND, PERSON, Amount, hidden_by_itself, labels, render_split
from simulator.training.scenes import Place, draw_scene, free_floor
from simulator.training.stores import draw_items, draw_store
from store_layout.checks import check_store
from store_layout.geometry import StoreGeometry, gondola_footprint
from store_layout.model import Store


def store_of(seed: int) -> Store:
    return draw_store(np.random.default_rng(seed), load_specs(), cameras=2)


@pytest.mark.parametrize("seed", range(6))
def test_random_stores_stand_on_their_floor_and_their_gondolas_do_not_overlap(seed: int) -> None:
    store = store_of(seed)
    shapes = [shapely.Polygon(gondola_footprint(gondola)) for gondola in store.gondolas]
    room = shapely.Polygon(store.floor_m)
    assert all(room.contains(shape) for shape in shapes)
    assert shapely.union_all(shapes).area == pytest.approx(sum(shape.area for shape in shapes))
    # a training store needs no gate, its cameras need not see every shelf, and a wide pack may lean into the next slot
    told = [each for each in check_store(store, Path()) if "slot" in each.field and each.severity == "error"]
    assert told == []


def test_the_same_seed_draws_the_same_store_and_another_another() -> None:
    assert store_of(1) == store_of(1)
    assert store_of(1) != store_of(2)


def test_products_stand_inside_their_slots() -> None:
    specs = load_specs()
    geometry = StoreGeometry(store_of(3))
    items = draw_items(np.random.default_rng(0), geometry, specs)
    assert len(items) > 50
    for item in items:
        assert item.position_m is not None
        spots = [slot for slot in geometry.slots if slot.sku == item.sku]
        inside = [
            np.abs(np.array(item.position_m[:2]) - slot.centre_m[:2]).max() <= 0.7
            and abs(item.position_m[2] - slot.front_corners_m[3, 2]) < 0.01
            for slot in spots
        ]
        assert any(inside)


def test_people_stand_apart_and_on_free_floor() -> None:
    from simulator.appearance import draw_looks
    from simulator.skeleton import load_bodies

    rng = np.random.default_rng(5)
    geometry = StoreGeometry(store_of(5))
    library = load_bodies()
    looks = draw_looks(tuple(range(1, 7)), rng)
    skeletons = {person: library.skeleton(look) for person, look in looks.items()}
    floor = free_floor(geometry)
    place = Place(geometry, next(iter(geometry.cameras.values())), skeletons, tuple(load_specs()), floor)
    people = 0
    for _ in range(12):
        bodies = draw_scene(rng, place, (), 0.0).bodies
        people += len(bodies)
        spots = [shapely.Point(body.position_m) for body in bodies]
        assert all(floor.contains(spot) for spot in spots)
        assert all(one.distance(other) > 0.4 for one in spots for other in spots if one is not other)
    assert people > 10


def body(palm: tuple[float, float, float]) -> PosedBody:
    """Somebody at (0, 3) who faces the camera at the origin, left hand at ``palm``, right hand behind the back."""
    joints = np.zeros((17, 3))
    joints[:5] = (0, 3, 1.65)
    for row, (x, z) in {
        5: (0.2, 1.4),
        6: (-0.2, 1.4),
        7: (0.25, 1.1),
        8: (-0.25, 1.1),
        9: (0.2, 0.9),
        10: (0, 1.0),
    }.items():
        joints[row] = (x, 3, z)
    for row, (x, z) in {
        11: (0.1, 0.9),
        12: (-0.1, 0.9),
        13: (0.1, 0.5),
        14: (-0.1, 0.5),
        15: (0.1, 0.1),
        16: (-0.1, 0.1),
    }.items():
        joints[row] = (x, 3, z)
    palms = np.array([palm, (0.0, 3.3, 1.1)])
    return PosedBody(np.zeros((0, 3, 4)), joints, palms, np.zeros((2, 3, 3)), np.zeros(2))


def test_a_hand_behind_its_own_back_is_hidden_and_one_before_the_chest_is_not() -> None:
    eye = np.array([0.0, 0.0, 1.4])
    posed = body((0.05, 2.7, 1.2))
    assert not hidden_by_itself(posed, 0, eye)
    assert hidden_by_itself(posed, 1, eye)
    assert not hidden_by_itself(body((0.5, 3.0, 0.9)), 0, eye)


def frame_with(posed: PosedBody, geometry: StoreGeometry, camera_id: str, own: bool) -> RenderedFrame:
    camera = geometry.cameras[camera_id]
    ids = np.zeros((camera.height_px, camera.width_px), np.int32)
    if own:
        ids[:] = 7
    person = VisiblePerson(7, (100.0, 50.0, 200.0, 300.0), (100.0, 50.0, 200.0, 300.0), 1.0, np.zeros((17, 3)))
    image = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
    return RenderedFrame(camera_id, 0.0, image, ids, (person,))


def test_labels_hold_the_person_and_only_the_hand_that_is_seen() -> None:
    geometry = StoreGeometry(store_of(2))
    camera_id, camera = next(iter(geometry.cameras.items()))
    _, ahead = camera.rays(np.array([[camera.width_px / 2, camera.height_px / 2]]))
    palm = camera.position_m + ahead[0] * 2.0
    posed = body((float(palm[0]), float(palm[1]), float(palm[2])))
    far = np.array([1e3, 1e3, 1e3])
    posed.joints_m[:] += far
    posed.palms_m[1] = camera.position_m - ahead[0]
    seen = labels(frame_with(posed, geometry, camera_id, own=True), {7: posed}, camera)
    assert [row[0] for row in seen] == [PERSON, HAND]
    assert seen[0][1:] == pytest.approx((150 / 640, 175 / 360, 100 / 640, 250 / 360))
    side_px = 0.2 * camera.camera_matrix[0, 0] / 2.0
    assert seen[1][1:] == pytest.approx((0.5, 0.5, side_px / 640, side_px / 360), abs=1e-3)
    unseen = labels(frame_with(posed, geometry, camera_id, own=False), {7: posed}, camera)
    assert [row[0] for row in unseen] == [PERSON]


@pytest.mark.egl
@pytest.mark.slow
def test_rendering_writes_pictures_with_labels_and_goes_on_after_a_break(tmp_path: Path) -> None:
    pytest.importorskip("moderngl", reason="needs the extra 'simulator'")
    amount = Amount(stores=1, cameras=1, pictures=3)
    first = list(render_split(tmp_path, "val", 4, amount))
    assert len(first) == 3
    texts = [(tmp_path / "labels/val" / f"{path.stem}.txt").read_text() for path in first]
    assert any(text.strip() for text in texts)
    again = list(render_split(tmp_path, "val", 4, Amount(stores=2, cameras=1, pictures=3)))
    assert len(again) == 3
    assert {path.name for path in again}.isdisjoint(path.name for path in first)
    other = list(render_split(tmp_path / "other", "val", 4, amount))
    assert [path.read_bytes() for path in other] == [path.read_bytes() for path in first]
