"""Which pixels people hide: before a learned background, and without one."""

from __future__ import annotations

import numpy as np

from vision.coarse import SCALE, Coarse
from vision.shelves.cover import PeopleCover, boxed_people
from vision.shelves.settings import CoverSettings
from vision.types import Detections

SIZE = (160, 120)
BOX = (40.0, 20.0, 110.0, 118.0)
BODY = (slice(24, 116), slice(56, 84))
PRODUCT = (slice(40, 52), slice(92, 102))


PRODUCT_PX2 = 120.0


def shop(index: int) -> np.ndarray:
    rng = np.random.default_rng(index)
    image = np.full((SIZE[1], SIZE[0], 3), (150, 160, 170), np.float64) + rng.normal(0, 2, (SIZE[1], SIZE[0], 3))
    image[PRODUCT] = (30, 30, 190)
    return image


def frame(index: int, body: bool, product: bool = True) -> np.ndarray:
    image = shop(index)
    if not product:
        image[PRODUCT] = (150, 160, 170)
    if body:
        image[BODY] = (60, 40, 50)
    return np.clip(image, 0, 255).astype(np.uint8)


def boxes(*found: tuple[float, float, float, float], at_s: float = 0.0) -> Detections:
    n = len(found)
    hands = np.full((n, 2, 3), (np.nan, np.nan, 0), np.float32)
    return Detections(
        "c", 0, round(at_s * 1e9), np.array(found, np.float32).reshape(n, 4), np.full(n, 0.9, np.float32), hands
    )


def learned() -> PeopleCover:
    cover = PeopleCover(*SIZE, PRODUCT_PX2, CoverSettings())
    for index in range(3):
        cover.mask(Coarse(frame(index, body=False)), boxes(at_s=index))
    return cover


def share(mask: np.ndarray, place: tuple[slice, slice]) -> float:
    rows, columns = (slice(-(-each.start // SCALE), each.stop // SCALE) for each in place)
    return float(mask[rows, columns].mean())


def test_a_body_is_hidden_and_the_rest_of_its_box_is_not() -> None:
    mask = learned().mask(Coarse(frame(9, body=True)), boxes(BOX, at_s=9))
    assert share(mask, BODY) == 1.0
    assert share(mask, PRODUCT) == 0.0
    assert share(mask, (slice(24, 116), slice(40, 50))) == 0.0


def test_a_product_taken_within_the_box_is_no_body() -> None:
    mask = learned().mask(Coarse(frame(9, body=True, product=False)), boxes(BOX))
    assert share(mask, PRODUCT) == 0.0


def test_nothing_is_hidden_where_there_is_no_box() -> None:
    assert learned().mask(Coarse(frame(9, body=True)), boxes()).max() == 0


def test_what_was_never_seen_without_a_box_counts_as_hidden() -> None:
    cover = PeopleCover(*SIZE, PRODUCT_PX2, CoverSettings())
    mask = cover.mask(Coarse(frame(0, body=True)), boxes(BOX))
    assert share(mask, PRODUCT) == 1.0


def test_another_look_outside_all_boxes_becomes_the_background() -> None:
    cover = learned()
    for index in range(10, 10 + CoverSettings().background_sightings + 1):
        cover.mask(Coarse(frame(index, body=True)), boxes(at_s=index))
    assert share(cover.mask(Coarse(frame(30, body=True)), boxes(BOX, at_s=30)), BODY) == 0.0


def test_a_hand_is_hidden_with_what_it_holds() -> None:
    found = boxes(BOX)
    found.hands_px[0, 0] = (97, 46, 0.8)
    assert share(learned().mask(Coarse(frame(9, body=True)), found), PRODUCT) == 1.0


def test_without_a_background_a_box_hides_all_that_is_in_it() -> None:
    mask = boxed_people(boxes(BOX), (SIZE[0] // SCALE, SIZE[1] // SCALE), CoverSettings())
    assert share(mask, PRODUCT) == 1.0
    assert mask[:, : int(BOX[0]) // SCALE - 1].max() == 0


def test_a_head_that_its_box_cuts_off_is_the_persons_too() -> None:
    cut = (BOX[0], 45.0, BOX[2], BOX[3])
    mask = learned().mask(Coarse(frame(9, body=True)), boxes(cut, at_s=9))
    assert share(mask, (slice(24, 44), BODY[1])) == 1.0
    assert share(mask, PRODUCT) == 0.0
