"""Frozen, dark, blurred and displaced pictures are told, and people who walk about are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from tests.tillfree.live.evidence_rig import BEGAN_NS, SAMPLES, S, look, pictures, true_looks
from vision.coarse import Coarse
from vision.picture_health import PictureHealth, PictureHealthSettings, PictureState
from vision.types import U8, Detections

NAMES = ("four-crossing", "one-shopper", "put-back", "same-shelf", "two-shelves", "wrong-shelf")
CAMERAS = ("cam1", "cam2", "cam3", "cam4")
Distort = Callable[[U8], U8]


def shifted(image: U8) -> U8:
    """Return what a camera shows that was knocked by 5 % of its width."""
    width, height = image.shape[1], image.shape[0]
    aside = np.array([[1, 0, 0.05 * width], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(image, aside, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def darkened(image: U8) -> U8:
    return (image * 0.1).astype(np.uint8)


def dimmed(image: U8) -> U8:
    return (image * 0.5).astype(np.uint8)


def blurred(image: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)


def as_it_is(image: U8) -> U8:
    return image


BAD = [(darkened, "dark"), (blurred, "blurred"), (shifted, "moved")]


class Watched:
    """A camera that is looked at once a second."""

    def __init__(self, name: str = "one-shopper", camera: str = "cam1", **told: float) -> None:
        self._pictures, self._looks = pictures(name, camera)[::10], true_looks(name, camera)[::10]
        self._health = PictureHealth(PictureHealthSettings(**told))
        self.at_ns = BEGAN_NS

    def show(self, distort: Distort = as_it_is, *, knows_people: bool = True) -> list[PictureState]:
        """Look at the whole recording, distorted."""
        nobody = [look(each.camera_id, each.frame_index, []) for each in self._looks]
        people = self._looks if knows_people else nobody
        return [self.see(distort(image), found) for image, found in zip(self._pictures, people, strict=True)]

    def see(self, image: U8, people: Detections) -> PictureState:
        """Look at one picture."""
        self.at_ns += S
        return self._health.look(Coarse(image), self.at_ns, people)

    def learn_anew(self) -> None:
        self._health.learn_anew()


def said(states: Sequence[PictureState]) -> set[str]:
    return {state.words for state in states}


@pytest.mark.parametrize(("distort", "word"), BAD)
def test_a_bad_picture_is_told_and_alone(distort: Distort, word: str) -> None:
    camera = Watched()
    assert said(camera.show()) == {""}
    states = camera.show(distort)
    assert said(states) == {"", word}
    assert states[0].is_good  # not at the first look
    assert states[-1].words == word
    assert camera.show()[-1].is_good


def test_half_the_light_is_no_fault() -> None:
    camera = Watched()
    camera.show()
    assert said(camera.show(dimmed)) == {""}


def test_people_whom_nobody_finds_are_no_fault() -> None:
    camera = Watched()
    assert said(camera.show(knows_people=False) + camera.show(knows_people=False)) == {""}


def test_a_frozen_picture_is_told_after_a_while_and_ends_at_once() -> None:
    camera = Watched(frozen_after_s=20)
    camera.show()
    still, nobody = pictures()[100], look("cam1", 0, [])
    states = [camera.see(still, nobody) for _ in range(30)]
    began = next(k for k, state in enumerate(states) if state.frozen)
    assert began == 21
    assert states[-1].since_ns == camera.at_ns - (29 - began) * S
    changed = still.copy()
    changed[0, 0] ^= 255
    assert not camera.see(changed, nobody).frozen


def test_frozen_is_told_although_few_rows_are_compared_first() -> None:
    camera = Watched(frozen_after_s=2)
    nobody, still = look("cam1", 0, []), pictures()[100]
    other = still.copy()
    other[8:12, :] ^= 255  # rows that are not among the first compared
    assert not any(camera.see(image, nobody).frozen for image in [still, other] * 5)


def test_a_crowd_that_hides_all_changes_nothing() -> None:
    camera = Watched()
    camera.show()
    crowd = look("cam1", 0, [[0.0, 0.0, 640.0, 360.0]])
    noise = np.random.default_rng(1)
    seen = [camera.see(noise.integers(60, 255, (360, 640, 3), np.uint8), crowd) for _ in range(30)]
    assert said(seen) == {""}


def test_nothing_is_learned_of_a_camera_that_moved_until_it_is_told_to() -> None:
    camera = Watched(learn_s=10)
    camera.show()
    assert camera.show(shifted)[-1].moved
    assert camera.show(shifted)[-1].moved
    camera.learn_anew()
    assert said(camera.show(shifted)) == {""}


def test_a_fault_on_the_brink_does_not_come_and_go() -> None:
    camera = Watched(dark_after_s=2, clear_after_s=5)
    nobody, light, dark = look("cam1", 0, []), np.full((360, 640, 3), 90, np.uint8), np.zeros((360, 640, 3), np.uint8)
    assert not any(camera.see(image, nobody).dark for image in [light, dark, dark, light] * 5)
    for _ in range(4):
        camera.see(dark, nobody)
    assert all(camera.see(image, nobody).dark for image in [light, light, dark] * 5)


@pytest.mark.slow
@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("name", NAMES)
def test_all_recordings(name: str, camera: str) -> None:
    assert (SAMPLES / name / "videos" / f"{camera}.mp4").is_file()
    good = Watched(name, camera)
    assert said(good.show() + good.show() + good.show(knows_people=False)) == {""}
    for distort, word in BAD:
        watched = Watched(name, camera)
        watched.show()
        states = watched.show(distort)
        assert said(states) == {"", word}
        assert states[-1].words == word
    pictures.cache_clear()  # all recordings together are gigabytes
