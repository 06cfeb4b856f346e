"""From drawn frames of a small shelf to interactions: observer and finder together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Slot
from vision.coarse import Coarse
from vision.shelves import InteractionFinder, ShelfObserver, ShelvesSettings
from vision.types import Detections, Frame, Interaction, People, SlotViews

FPS = 10
COLOURS = {"red": (30, 30, 190), "blue": (170, 60, 30)}


@pytest.fixture(scope="module")
def geometry(drawn_store: Callable[..., StoreGeometry]) -> StoreGeometry:
    """One shelf 0.6 m wide, two slots of one can each."""
    slots = (
        Slot(id="left", sku="red", from_m=0.0, to_m=0.3),
        Slot(id="right", sku="blue", from_m=0.3, to_m=0.6),
    )
    return drawn_store(slots, width_m=0.6, fps=FPS, skus=COLOURS, size_m=(0.12, 0.12, 0.2))


def picture(index: int, cans: str, hand_px: tuple[float, float] | None, light: float = 0.0) -> np.ndarray:
    """Draw the shelf: cans 48 px wide in the middle of each slot, and an arm from below to the hand."""
    rng = np.random.default_rng(index)
    image = np.full((240, 320, 3), (150, 160, 170), np.float64)
    for sku, left in (("red", 76), ("blue", 196)):
        if sku in cans:
            image[100:180, left : left + 48] = COLOURS[sku]
            image[100:108, left : left + 48] = 210
    if hand_px is not None:
        x, y = round(hand_px[0]), round(hand_px[1])
        image[y:, max(x - 14, 0) : x + 14] = (110, 140, 205)
    return np.clip(image + light + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def seen(index: int, hand_px: tuple[float, float] | None) -> Detections:
    """A person whose box reaches from their hand down, as a detector finds them."""
    at_ns = index * 10**9 // FPS
    if hand_px is None:
        return Detections.empty("c", index, at_ns)
    x, y = hand_px
    box = np.array([[x - 25, y - 15, x + 25, 240]], np.float32)
    hands = np.array([[[x, y, 0.9], [np.nan, np.nan, 0]]], np.float32)
    return Detections("c", index, at_ns, box, np.array([0.9], np.float32), hands)


def people(index: int, hand_px: tuple[float, float] | None) -> People:
    """The same person on the floor, with the hand 5 cm inside the shelf."""
    n = 0 if hand_px is None else 1
    hands, confidence = np.full((n, 2, 3), np.nan), np.zeros((n, 2))
    floor = np.full((n, 2), 0.0)
    if hand_px is not None:
        x_m = 0.3 + (hand_px[0] - 160) / 400
        hands[0, 0], confidence[0, 0] = (x_m, 0.05, 1.15 - (hand_px[1] - 120) / 400), 0.9
        floor[0] = (x_m, -0.6)
    ids = np.arange(1, n + 1, dtype=np.int64) * 7
    return People(
        index * 10**9 // FPS, ids, floor, np.tile(np.eye(2) * 0.01, (n, 1, 1)), hands, confidence,
        (("c",),) * n, np.zeros(n, np.bool_),
    )  # fmt: skip


def play(geometry: StoreGeometry, scene) -> tuple[list[Interaction], list[SlotViews]]:
    """Run ``scene``: for each frame (cans, hand or None, light)."""
    settings = ShelvesSettings()
    observer, finder = ShelfObserver(geometry, "c", settings), InteractionFinder(geometry, settings)
    found, views = [], []
    for index, (cans, hand_px, light) in enumerate(scene):
        frame = Frame("c", index, index * 10**9 // FPS, picture(index, cans, hand_px, light))
        views.append(observer.observe(frame, Coarse(frame.image), seen(index, hand_px)))
        found += finder.update(people(index, hand_px), [views[-1]])
    found += finder.finish(len(views) * 10**9 // FPS)
    return found, views


def reach(cans_before: str, cans_after: str, x_px: float) -> list:
    """Two quiet seconds, one second with a hand at ``x_px``, four quiet seconds."""
    quiet = [(cans_before, None, 0.0)] * 20
    during = [(cans_before if k < 5 else cans_after, (x_px, 130.0), 0.0) for k in range(10)]
    return quiet + during + [(cans_after, None, 0.0)] * 40


def test_nothing_happens_on_a_quiet_shelf_in_drifting_light(geometry) -> None:
    found, views = play(geometry, [("red blue", None, k * 0.3) for k in range(80)])
    assert found == []
    assert sum(len(view) for view in views) < 20  # a tape holds what is news, and a heartbeat


def test_a_pick_is_told_once_with_slot_product_person_and_time(geometry) -> None:
    found, _ = play(geometry, reach("red blue", "red", 220.0))
    (pick,) = found
    assert (pick.slot_id, pick.change) == ("g/s/right", -1)
    assert pick.sku_candidates[0].sku == "blue"
    assert pick.person_candidates[0].person_id == 7
    assert pick.person_candidates[0].probability > 0.9
    assert pick.opened_at_ns < 3.1e9
    assert pick.closed_at_ns > 1.9e9
    assert pick.evidence


def test_before_a_pick_is_told_it_is_known_who_may_have_done_it(geometry) -> None:
    observer, finder = ShelfObserver(geometry, "c", ShelvesSettings()), InteractionFinder(geometry, ShelvesSettings())
    suspects, told_at = [], []
    for index, (cans, hand_px, light) in enumerate(reach("red blue", "red", 220.0)):
        frame = Frame("c", index, index * 10**9 // FPS, picture(index, cans, hand_px, light))
        view = observer.observe(frame, Coarse(frame.image), seen(index, hand_px))
        told_at += [index] * len(finder.update(people(index, hand_px), [view]))
        suspects.append(finder.suspects())
    (told,) = told_at
    assert set(suspects[:20]) == {()}
    assert suspects[told - 1] == (7,)
    assert set(suspects[told:]) == {()}


def test_what_is_taken_and_put_back_within_a_second_is_told_twice(geometry) -> None:
    hand = (220.0, 130.0)
    quiet = [("red blue", None, 0.0)] * 20
    away = [("red blue", hand, 0.0)] * 3 + [("red", hand, 0.0)] * 2 + [("red", None, 0.0)] * 7
    back = [("red", hand, 0.0)] * 2 + [("red blue", hand, 0.0)] * 3 + [("red blue", None, 0.0)] * 40
    found, _ = play(geometry, quiet + away + back)
    assert [(each.slot_id, each.change) for each in found] == [("g/s/right", -1), ("g/s/right", 1)]


def test_a_hand_that_takes_nothing_tells_nothing(geometry) -> None:
    found, _ = play(geometry, reach("red blue", "red blue", 220.0))
    assert [each for each in found if each.change] == []


def test_a_put_back_follows_its_pick(geometry) -> None:
    found, _ = play(geometry, reach("red blue", "red", 220.0) + reach("red", "red blue", 220.0))
    assert [(each.change, each.sku_candidates[0].sku) for each in found] == [(-1, "blue"), (1, "blue")]


def test_the_observer_marks_what_people_hide(geometry) -> None:
    _, views = play(geometry, reach("red blue", "red", 220.0))
    right = geometry.slot_index("g/s/right")
    during = [view for view in views if 2.0e9 <= view.captured_at_ns < 3.0e9 and right in view.slot_indices]
    for view in during:
        hidden = view.hidden[view.slot_indices.tolist().index(right)]
        assert hidden[-1].any()  # the arm comes from below
        assert view.visible[view.slot_indices == right][0] < 1.0


def test_a_pick_is_told_while_the_shopper_stands_on_before_the_shelf(geometry) -> None:
    """The box reaches over the whole slot all the time; what is seen beside the person counts nevertheless."""
    settings = ShelvesSettings()
    observer, finder = ShelfObserver(geometry, "c", settings), InteractionFinder(geometry, settings)
    found: list[Interaction] = []
    for index in range(80):
        cans, at_px = ("red blue", None) if index < 20 else ("red", (290.0, 60.0))
        image = picture(index, cans, at_px)
        box = np.array([[170, 50, 310, 240]], np.float32)
        hands = np.full((1, 2, 3), (np.nan, np.nan, 0), np.float32)
        at_ns = index * 10**9 // FPS
        someone = Detections("c", index, at_ns, box, np.array([0.9], np.float32), hands)
        view = observer.observe(
            Frame("c", index, at_ns, image), Coarse(image), someone if at_px else Detections.empty("c", index, at_ns)
        )
        found += finder.update(people(index, at_px), [view])
    assert [(each.slot_id, each.change) for each in found] == [("g/s/right", -1)]
    assert found[0].closed_at_ns < 3.5e9


def test_the_same_observations_give_the_same_interactions(geometry) -> None:
    first, _ = play(geometry, reach("red blue", "red", 220.0))
    again, _ = play(geometry, reach("red blue", "red", 220.0))
    assert first == again


def slot_view(camera: str, index: int, slot: int, shown: bool, hidden: bool = False) -> SlotViews:
    """A patch of one slot, with a can or without."""
    patch = np.full((1, 32, 32, 3), (150, 160, 170), np.uint8)
    if shown:
        patch[0, 8:28, 10:22] = COLOURS["blue"]
    cover = np.full((1, 12, 12), hidden)
    visible = np.array([0.0 if hidden else 1.0], np.float32)
    return SlotViews(
        camera, index, index * 10**9 // FPS, np.array([slot]), visible, cover, patch, np.zeros((0, 2), np.float32)
    )


@pytest.mark.parametrize(("second_sees", "told"), [("the can", 0), ("no can", 1), ("nothing", 1)])
def test_a_camera_that_sees_the_slot_unchanged_denies_a_change(geometry, second_sees: str, told: int) -> None:
    store = geometry.store
    second = store.cameras[0].model_copy(update={"id": "d", "position_m": (0.3, -0.9, 1.15)})
    both = StoreGeometry(store.model_copy(update={"cameras": (*store.cameras, second)}))
    finder, right = InteractionFinder(both, ShelvesSettings()), both.slot_index("g/s/right")
    found: list[Interaction] = []
    for index in range(90):
        during, after = 20 <= index < 30, index >= 30
        views = [slot_view("c", index, right, not after, during)]
        kept = second_sees == "the can" or not after
        views.append(slot_view("d", index, right, kept, during or (after and second_sees == "nothing")))
        found += finder.update(people(index, (220.0, 130.0) if during else None), views)
    assert len(found) == told


def part_view(camera: str, index: int, slot: int, shown: float) -> SlotViews:
    """A patch of one slot, with a can of which the share ``shown`` is there, from the top."""
    patch = np.full((1, 32, 32, 3), (150, 160, 170), np.uint8)
    patch[0, 8 : 8 + round(20 * shown), 10:22] = COLOURS["blue"]
    none = np.zeros((1, 12, 12), np.bool_)
    at_ns = index * 10**9 // FPS
    return SlotViews(
        camera, index, at_ns, np.array([slot]), np.ones(1, np.float32), none, patch, np.zeros((0, 2), np.float32)
    )


def two_cameras(geometry: StoreGeometry) -> StoreGeometry:
    second = geometry.store.cameras[0].model_copy(update={"id": "d", "position_m": (0.3, -1.1, 1.15)})
    return StoreGeometry(geometry.store.model_copy(update={"cameras": (*geometry.store.cameras, second)}))


def test_a_part_of_a_unit_is_not_believed_against_a_camera_that_sees_the_slot_smaller(geometry) -> None:
    both = two_cameras(geometry)
    finder, right = InteractionFinder(both, ShelvesSettings()), both.slot_index("g/s/right")
    found: list[Interaction] = []
    for index in range(90):
        views = [part_view("c", index, right, 1.0 if index < 20 else 0.6), part_view("d", index, right, 1.0)]
        found += finder.update(people(index, (220.0, 130.0) if index < 30 else None), views)
    assert found == []


def test_a_camera_that_saw_the_slot_change_and_change_back_denies_nothing(geometry) -> None:
    """The other camera's patches come late, when the can is back: what it saw between was no unchanged slot."""
    both = two_cameras(geometry)
    finder, right = InteractionFinder(both, ShelvesSettings()), both.slot_index("g/s/right")
    found: list[Interaction] = []
    for index in range(120):
        away = 20 <= index < 36
        views = [part_view("c", index, right, 0.0 if away else 1.0)]
        if index % 12 == 0 or not away:
            views.append(part_view("d", index, right, 0.0 if away else 1.0))
        found += finder.update(people(index, (220.0, 130.0) if away else None), views)
    assert [each.change for each in found] == [-1, 1]


def told_at(both: StoreGeometry, c_shows: float, d_shows: float, d_hidden_until: int) -> list[float]:
    """Return when (s) a change is told of which camera c shows ``c_shows`` from 3 s on, and d ``d_shows`` once nobody hides it."""
    finder, right = InteractionFinder(both, ShelvesSettings()), both.slot_index("g/s/right")
    found: list[float] = []
    for index in range(350):
        hand = (220.0, 130.0) if 20 <= index < d_hidden_until else None
        views = [part_view("c", index, right, 1.0 if index < 30 else c_shows)]
        if not 20 <= index < d_hidden_until:
            views.append(part_view("d", index, right, 1.0 if index < 20 else d_shows))
        found += [index / FPS for _ in finder.update(people(index, hand), views)]
    return found


def test_a_faint_change_waits_until_another_camera_has_seen_the_slot(geometry) -> None:
    both = two_cameras(geometry)
    assert told_at(both, 0.6, 1.0, 120) == []  # the other camera denies it at 12 s
    (told,) = told_at(both, 0.6, 0.6, 120)
    assert told >= 12.0
    (alone,) = told_at(both, 0.6, 1.0, 400)  # nobody ever denies it
    assert 20.0 <= alone <= 26.0


def test_a_clear_change_waits_for_nobody_for_long(geometry) -> None:
    (told,) = told_at(two_cameras(geometry), 0.0, 0.0, 120)
    assert told <= 7.0


def test_what_two_cameras_saw_clearly_is_not_denied_by_a_third(geometry) -> None:
    extra = [
        geometry.store.cameras[0].model_copy(update={"id": name, "position_m": place})
        for name, place in (("d", (0.3, -1.1, 1.15)), ("e", (0.3, -0.5, 1.15)))
    ]
    three = StoreGeometry(geometry.store.model_copy(update={"cameras": (*geometry.store.cameras, *extra)}))
    finder, right = InteractionFinder(three, ShelvesSettings()), three.slot_index("g/s/right")
    found: list[Interaction] = []
    for index in range(90):
        parts = {"c": 0.4, "d": 0.4, "e": 1.0}
        views = [part_view(name, index, right, 1.0 if index < 20 else shown) for name, shown in parts.items()]
        found += finder.update(people(index, (220.0, 130.0) if 10 <= index < 30 else None), views)
    assert [each.change for each in found] == [-1]
