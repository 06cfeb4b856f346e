from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.appearance import BodyLook
from simulator.errors import NoDisplayError, SimulatorError
from simulator.frames import box_of
from simulator.graphics import Graphics
from simulator.pack_shots import pack_shots
from simulator.packaging import build_packaging, load_specs
from simulator.renderer import StoreRenderer
from simulator.settings import CameraEffects, RenderSettings
from simulator.showroom import showroom
from simulator.skeleton import load_bodies
from simulator.state import BodyPose, HandTarget, ItemState, LightState, SceneState
from simulator.stock import stock_shelves
from simulator.world import MAX_LAMPS, build_world, lamps
from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Store

pytestmark = pytest.mark.egl

SKUS = ("fizzo-cola", "fizzo-cherry", "solvina-orange", "kornia-berry", "almira-milk", "krispa-salt", "rubeto-apricot")
SPECS = {sku: spec for sku, spec in load_specs().items() if sku in SKUS}
LOOKS = {
    1: BodyLook("man-middle"),
    2: BodyLook("woman-tall", hair_style="long", sleeves="short", shirt=(0.8, 0.2, 0.2)),
}
BENT = (-0.28, 0.08, 0.001, -0.001, 0.0)


def small_store() -> Store:
    store = showroom(SPECS, (320, 180))
    bent = store.cameras[0].model_copy(update={"id": "bent", "distortion": BENT})
    return store.model_copy(update={"cameras": (*store.cameras, bent)})


STORE = small_store()
GEOMETRY = StoreGeometry(STORE)


@pytest.fixture(scope="module")
def graphics() -> Graphics:
    try:
        return Graphics()
    except NoDisplayError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def packaging():
    return build_packaging(SPECS)


@pytest.fixture(scope="module")
def make(graphics, packaging):
    library = load_bodies()

    def make_renderer(store: Store = STORE, **settings: object) -> StoreRenderer:
        chosen = RenderSettings(**settings)
        return StoreRenderer(store, StoreGeometry(store), packaging, LOOKS, chosen, graphics=graphics, library=library)

    return make_renderer


@pytest.fixture(scope="module")
def renderer(make) -> StoreRenderer:
    return make()


@pytest.fixture(scope="module")
def items() -> tuple[ItemState, ...]:
    return tuple(place.item for place in stock_shelves(GEOMETRY, SPECS, np.random.default_rng(1)))


STANDING = BodyPose(1, (4.2, 2.6), 60.0)
WALKING = BodyPose(2, (3.6, 1.4), 150.0, 1.0, 1.0)


def test_every_pixel_of_a_person_is_known(renderer: StoreRenderer, items) -> None:
    frame = renderer.render(SceneState(0.0, (STANDING, WALKING), items), "wide")
    empty = renderer.render(SceneState(1.0, (), items), "wide")
    assert set(np.unique(frame.person_ids)) == {0, 1, 2}
    assert not empty.person_ids.any()
    changed = np.abs(frame.image.astype(int) - empty.image).max(axis=2) > 40
    # What changes strongly is people; a few pixels beside them are their shadows and the lens's blur.
    assert (frame.person_ids[changed] > 0).mean() > 0.85
    assert changed[frame.person_ids > 0].mean() > 0.5
    for person in frame.people:
        mask = frame.person_ids == person.person
        assert person.box_xyxy_px == box_of(mask)
        assert person.visible_share > 0.95


@pytest.mark.parametrize("camera_id", ["wide", "bent"])
def test_joints_lie_on_their_person_in_straight_and_bent_lenses(renderer: StoreRenderer, items, camera_id: str) -> None:
    frame = renderer.render(SceneState(0.0, (STANDING, WALKING), items), camera_id)
    for person in frame.people:
        seen = person.keypoints_px[person.keypoints_px[:, 2] == 2, :2].astype(int)
        assert len(seen) >= 6
        assert (frame.person_ids[seen[:, 1], seen[:, 0]] == person.person).mean() > 0.8


def test_who_stands_behind_a_gondola_is_hidden(renderer: StoreRenderer, items) -> None:
    behind = BodyPose(1, (1.3, 2.4), 0.0)
    frame = renderer.render(SceneState(0.0, (behind,), items), "wide")
    (person,) = frame.people
    assert person.visible_share < 0.4
    assert person.whole_box_xyxy_px is not None
    whole = person.whole_box_xyxy_px
    visible = np.count_nonzero(frame.person_ids == 1)
    assert visible < 0.4 * (whole[2] - whole[0]) * (whole[3] - whole[1])
    assert (person.keypoints_px[:, 2] == 1).sum() >= 6


def test_the_nearer_person_hides_the_farther(renderer: StoreRenderer, items) -> None:
    camera = GEOMETRY.cameras["wide"]
    away = np.array([2.6, 2.6]) - camera.position_m[:2]
    near = camera.position_m[:2] + 0.55 * away
    far = camera.position_m[:2] + 0.75 * away
    bodies = (BodyPose(1, tuple(near), 0.0), BodyPose(2, tuple(far), 0.0))
    frame = renderer.render(SceneState(0.0, bodies, items), "wide")
    shares = {person.person: person.visible_share for person in frame.people}
    assert shares[1] > 0.9
    assert 0.0 < shares[2] < 0.8


def test_what_is_kept_between_frames_equals_a_picture_from_nothing(make, items) -> None:
    kept = make()
    kept.render(SceneState(0.0, (STANDING,), items), "shelf")
    taken = next(item for item in items if item.sku == "kornia-berry" and item.position_m[1] > 4)
    changed = tuple(replace(item, position_m=None, held_by=(2, "right")) if item is taken else item for item in items)
    moved = tuple(replace(item, position_m=(2.2, 4.0, 0.0)) if item is items[0] else item for item in changed)
    shopper = BodyPose(2, (2.1, 3.7), 90.0, carry_right=1.0)
    later = SceneState(5.0, (shopper,), moved)
    again = kept.render(later, "shelf").image.astype(int)
    fresh = make().render(later, "shelf").image.astype(int)
    before = kept.render(SceneState(9.0, (shopper,), items), "shelf").image.astype(int)
    assert np.abs(again - fresh).max() <= 1
    assert np.abs(again - before).max() > 60


def test_nobody_leaves_a_shadow_behind(make, items) -> None:
    renderer = make()
    renderer.render(SceneState(0.0, (STANDING, WALKING), items), "wide")
    after = renderer.render(SceneState(5.0, (), items), "wide").image.astype(int)
    never = make().render(SceneState(5.0, (), items), "wide").image.astype(int)
    assert np.abs(after - never).max() <= 1


def test_the_same_generator_gives_the_same_bytes(make, items) -> None:
    state = SceneState(0.0, (STANDING,), items)
    first, second = (make().render(state, "wide", np.random.default_rng(3)).image for _ in range(2))
    np.testing.assert_array_equal(first, second)
    clean = make().render(state, "wide").image
    assert 0.5 < np.abs(first.astype(int) - clean).mean() < 6


def test_a_fast_body_is_smeared_and_the_shelves_are_not(make, items) -> None:
    pictures = []
    for shutter in (0.0, 0.05):
        renderer = make(effects=CameraEffects(shutter_s=shutter, exposure_drift=0.0, white_balance_drift=0.0))
        renderer.render(SceneState(0.0, (BodyPose(1, (3.6, 2.4), 0.0),), items), "wide")
        frame = renderer.render(SceneState(0.1, (BodyPose(1, (3.9, 2.4), 0.0),), items), "wide")
        pictures.append((frame.image.astype(int), frame.person_ids > 0))
    (sharp, person), (smeared, _) = pictures
    change = np.abs(sharp - smeared).max(axis=2)
    assert change[person].mean() > 3
    assert change[:, :60].max() <= 2


def test_a_held_product_goes_with_the_hand(renderer: StoreRenderer, items) -> None:
    held = tuple(replace(item, position_m=None, held_by=(1, "right")) if item is items[3] else item for item in items)
    gone = tuple(replace(item, position_m=None) if item is items[3] else item for item in items)
    body = replace(STANDING, heading_deg=-60.0, carry_right=1.0)
    with_product = renderer.render(SceneState(0.0, (body,), held), "wide")
    without = renderer.render(SceneState(1.0, (body,), gone), "wide")
    change = np.abs(with_product.image.astype(int) - without.image).max(axis=2) > 30
    box = box_of(change)
    palm = GEOMETRY.cameras["wide"].project(renderer.posed(1).palms_m[1:])[0][0]
    assert box is not None
    assert abs((box[0] + box[2]) / 2 - palm[0]) < 14
    assert abs((box[1] + box[3]) / 2 - palm[1]) < 14


def test_less_light_is_darker_and_a_tint_is_seen(renderer: StoreRenderer, items) -> None:
    levels = {}
    for name, light in (
        ("full", LightState()),
        ("half", LightState(gain=0.5)),
        ("warm", LightState(colour=(1, 0.6, 0.4))),
    ):
        levels[name] = renderer.render(SceneState(0.0, (), items, light), "wide").image.reshape(-1, 3).mean(axis=0)
    assert levels["half"].mean() < 0.8 * levels["full"].mean()
    assert levels["warm"][0] < 0.85 * levels["full"][0]


def test_one_lamp_can_fail_alone(renderer: StoreRenderer, items) -> None:
    full = renderer.render(SceneState(0.0, (), items), "wide").image.astype(int)
    out = renderer.render(SceneState(0.0, (), items, LightState(lamp_gains=(0.0,))), "wide").image.astype(int)
    assert full.mean() - out.mean() > 2


def test_new_looks_dress_people_anew(make, items) -> None:
    renderer = make()
    state = SceneState(0.0, (STANDING,), items)
    before = renderer.render(state, "wide")
    renderer.set_looks({1: BodyLook("man-middle", shirt=(0.9, 0.8, 0.1))})
    after = renderer.render(replace(state, at_s=1.0), "wide")
    assert np.abs(after.image.astype(int) - before.image)[before.person_ids == 1].mean() > 10


def test_mistakes_are_named(renderer: StoreRenderer, items) -> None:
    with pytest.raises(SimulatorError, match="no camera 'attic'"):
        renderer.render(SceneState(0.0), "attic")
    with pytest.raises(SimulatorError, match="person 9 has no look"):
        renderer.render(SceneState(0.0, (BodyPose(9, (1.0, 1.0), 0.0),)), "wide")
    with pytest.raises(SimulatorError, match="no packaging for caviar"):
        renderer.render(SceneState(0.0, items=(ItemState(1, "caviar", (1.0, 1.0, 0.0)),)), "wide")
    with pytest.raises(SimulatorError, match="held by 2, who is not there"):
        renderer.render(SceneState(0.0, items=(ItemState(1, "almira-milk", held_by=(2, "left")),)), "wide")


def test_a_layout_of_any_shape_is_rendered(make) -> None:
    floor = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (5.0, 4.0), (5.0, 8.0), (0.0, 8.0))
    camera = Camera(
        id="eye",
        resolution_px=(160, 120),
        fps=5,
        position_m=(0.3, 0.3, 2.6),
        yaw_deg=40,
        pitch_deg=-25,
        focal_px=90,
        roll_deg=4,
    )
    store = Store(version=1, name="corner", currency="EUR", tax_classes={}, floor_m=floor, cameras=(camera,))
    assert 1 <= len(lamps(store, RenderSettings())) <= MAX_LAMPS
    mesh = build_world(StoreGeometry(store), RenderSettings())
    assert mesh.faces.max() < len(mesh.vertices)
    frame = make(store).render(SceneState(0.0, (BodyPose(1, (2.0, 2.0), 0.0),)), "eye")
    assert frame.image.shape == (120, 160, 3)
    assert (frame.person_ids == 1).sum() > 100
    assert frame.image.std() > 10


def test_reference_pictures_tell_look_alikes_apart_only_where_they_differ(graphics, packaging) -> None:
    shots = pack_shots(packaging, ["fizzo-cola", "fizzo-cherry", "krispa-salt"], graphics=graphics)
    cola, cherry, chips = (shots[sku] for sku in ("fizzo-cola", "fizzo-cherry", "krispa-salt"))
    assert cola.shape == cherry.shape
    assert 1 < np.abs(cola.astype(int) - cherry).max(axis=2).mean() < 15
    assert chips.shape[0] > 150
    with pytest.raises(SimulatorError, match="no packaging for caviar"):
        pack_shots(packaging, ["caviar"], graphics=graphics)


def test_stock_stands_inside_its_slot() -> None:
    for place in stock_shelves(GEOMETRY, SPECS, np.random.default_rng(5), 0.8):
        slot = GEOMETRY.slots[GEOMETRY.slot_index(place.slot_id)]
        low, high = slot.box_corners_m.min(axis=0), slot.box_corners_m.max(axis=0)
        assert (np.array(place.item.position_m) > low - 0.01).all()
        assert (np.array(place.item.position_m) < high + 0.01).all()
        front = (slot.normal[0], slot.normal[1])
        yaw = math.radians(place.item.yaw_deg)
        assert math.cos(yaw) * front[0] + math.sin(yaw) * front[1] > 0.9


def test_a_reaching_palm_is_where_the_truth_says(renderer: StoreRenderer, items) -> None:
    target = (2.1, 4.5, 1.2)
    body = BodyPose(1, (2.1, 4.05), 90.0, right_hand=HandTarget(target))
    frame = renderer.render(SceneState(0.0, (body,), ()), "shelf")
    renderer.render(SceneState(1.0, (), items), "shelf")
    pixel = GEOMETRY.cameras["shelf"].project(np.array([target]))[0][0]
    box = next(person.whole_box_xyxy_px for person in frame.people)
    assert box is not None
    assert box[0] - 3 <= pixel[0] <= box[2] + 3
    assert box[1] - 3 <= pixel[1] <= box[3] + 3
