"""Whether a camera's picture can be trusted: not frozen, not dark, not blurred, and where it was.

Looked at about once a second. What a camera usually shows is learned from the camera itself, slowly and only while all is
well, and people are left out of it, so that a crowd is no fault. The picture is judged in tiles, and most of those that show
something fixed must agree before anything is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from store_layout.model import Strict
from vision.coarse import Coarse
from vision.types import F32, U8, Detections

_S = 1_000_000_000
_WORK_PX = (160, 90)
_TILES = (16, 9)
"""Tiles across and down, of 10x10 pixels: some are free of people in any store that is not packed."""

_SLOPE_MIN = 20.0
"""Slope of brightness (Sobel's, root of the mean square) from which a tile shows an edge and not noise alone: one of 50 levels
across a tenth of it."""

_FINE_WIDTH_PX = 800
"""Up to this width sharpness is read from half the picture's size, above from a quarter: a lens out of focus spreads over
pixels that a coarser picture would not show."""

_SAMPLED = 16
"""Rows of which one is compared before all are: pictures mostly differ everywhere."""

_GREY_FLOOR = 10.0
"""Added to brightness before contrast is divided by it, so that noise in the dark is no contrast."""


class PictureHealthSettings(Strict):
    """When a picture is told to be frozen, dark, blurred or displaced."""

    frozen_after_s: float = Field(
        default=20.0,
        gt=0,
        le=3_600,
        description="s of pictures equal to the last bit after which a camera is frozen; sensors are never without noise, but encoders may skip all of it up to the next key frame",
    )
    dark_level: int = Field(
        default=40, ge=1, le=254, description="brightness (of 255) that hardly anything reaches in a dark picture"
    )
    dark_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of pixels that reach it, below which a picture is dark; an exit sign or a lit window is less",
    )
    dark_after_s: float = Field(
        default=5.0, gt=0, le=3_600, description="s of darkness until it is told; light switches flicker for less"
    )
    blurred_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="sharpness against the camera's own, in the middle one of its tiles, below which it is blurred; compression and dusk take a quarter at most",
    )
    blurred_after_s: float = Field(
        default=10.0, gt=0, le=3_600, description="s of blur until it is told; autofocus and a wiped lens take less"
    )
    moved_likeness: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="likeness of a tile's edges to the camera's own (correlation, 1 is the same) below which it shows something else",
    )
    moved_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of tiles with fixed edges that show something else from which on the camera has moved: shelves are emptied and filled one by one",
    )
    moved_after_s: float = Field(
        default=10.0, gt=0, le=3_600, description="s until it is told; a knock that springs back takes less"
    )
    clear_after_s: float = Field(
        default=5.0, ge=0, le=3_600, description="s of good pictures after which a fault is over"
    )
    clear_margin: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="share by which a picture must be better than what a fault began at, so that one on the brink does not come and go",
    )
    learn_s: float = Field(
        default=600.0,
        ge=10,
        le=86_400,
        description="s in which what a camera usually shows is learned anew: daylight and stock change in hours, a knock in one second",
    )
    settle_looks: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="looks that are learned from before blur and place are judged; fewer, and a passer-by would be the baseline",
    )
    free_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="share of the tiles with edges that must be free of people to judge blur and place; with less the former word stands",
    )
    people_score: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="people found at least this surely are left out; weak ones too, for leaving out too much costs little",
    )


@dataclass(frozen=True, slots=True)
class PictureState:
    """What is wrong with a camera's picture. ``since_ns`` is the time of the look at which that changed last."""

    frozen: bool
    dark: bool
    blurred: bool
    moved: bool
    since_ns: int

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.frozen or self.dark or self.blurred or self.moved)

    @property
    def words(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        said = {"frozen": self.frozen, "dark": self.dark, "blurred": self.blurred, "moved": self.moved}
        return ", ".join(name for name, is_so in said.items() if is_so)


class Latch:
    """A fault that is told after ``after_s`` of bad looks without a good one, and over after ``clear_s`` of good ones."""

    def __init__(self, after_s: float, clear_s: float) -> None:
        self._after_ns, self._clear_ns = round(after_s * _S), round(clear_s * _S)
        self.is_set = False
        self._other_since_ns: int | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last looks say otherwise than what is told."""
        return self._other_since_ns is not None

    def update(self, is_bad: bool | None, at_ns: int) -> None:
        """Take a look's word; None says nothing."""
        if is_bad is None:
            return
        if is_bad == self.is_set:
            self._other_since_ns = None
            return
        if self._other_since_ns is None:
            self._other_since_ns = at_ns
        wait_ns = self._clear_ns if self.is_set else self._after_ns
        if at_ns - self._other_since_ns >= wait_ns:
            self.is_set, self._other_since_ns = is_bad, None


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What one picture shows, or what a camera usually shows: slopes (90, 160) in both directions, and contrast by tiles."""

    across: F32
    down: F32
    contrast: F32


class PictureHealth:
    """One camera's picture. Times of its looks must rise."""

    def __init__(self, settings: PictureHealthSettings) -> None:
        self._settings = settings
        clear_s = settings.clear_after_s
        self._frozen = Latch(settings.frozen_after_s, 0.0)
        self._dark = Latch(settings.dark_after_s, clear_s)
        self._blurred = Latch(settings.blurred_after_s, clear_s)
        self._moved = Latch(settings.moved_after_s, clear_s)
        self._before: U8 | None = None
        self._learned: _Look | None = None
        self._looks = 0
        self._learned_ns = 0
        self._state: PictureState | None = None

    def look(self, picture: Coarse, at_ns: int, people: Detections) -> PictureState:
        """Judge a picture in which ``people`` were found; return how the camera stands."""
        fine = picture.shrunk(2 if picture.shrunk(1).shape[1] <= _FINE_WIDTH_PX else 4)
        self._frozen.update(self._is_same(fine), at_ns)
        grey = np.asarray(cv2.cvtColor(fine, cv2.COLOR_BGR2GRAY), np.uint8)
        is_dark = self._is_dark(grey)
        self._dark.update(is_dark, at_ns)
        if not is_dark:
            height, width = picture.shrunk(1).shape[:2]
            self._compare(_look_at(grey), self._free(people, (width, height)), at_ns)
        return self._told(at_ns)

    def learn_anew(self) -> None:
        """Take what the camera shows from now on as what it should: it was moved on purpose, and calibrated."""
        self._learned, self._looks = None, 0
        self._moved = Latch(self._settings.moved_after_s, self._settings.clear_after_s)
        self._blurred = Latch(self._settings.blurred_after_s, self._settings.clear_after_s)

    def _is_same(self, fine: U8) -> bool:
        before, self._before = self._before, fine
        if before is None or before.shape != fine.shape:
            return False
        return np.array_equal(before[::_SAMPLED], fine[::_SAMPLED]) and np.array_equal(before, fine)

    def _is_dark(self, grey: U8) -> bool:
        margin = 1 + self._settings.clear_margin if self._dark.is_set else 1.0
        _, bright = cv2.threshold(grey, self._settings.dark_level - 1, 1, cv2.THRESH_BINARY)
        return cv2.countNonZero(bright) < self._settings.dark_share * margin * grey.size

    def _free(self, people: Detections, size_px: tuple[int, int]) -> U8:
        """Return the tiles (9, 16) in which nobody is: 1 where they are free, else 0."""
        free = np.ones((_TILES[1], _TILES[0]), np.uint8)
        scale = np.array([_TILES[0] / size_px[0], _TILES[1] / size_px[1]] * 2)
        found = people.boxes_xyxy_px[people.scores >= self._settings.people_score]
        for left, top, right, bottom in found * scale:
            free[max(int(top), 0) : int(bottom) + 1, max(int(left), 0) : int(right) + 1] = 0
        return free

    def _compare(self, now: _Look, free: U8, at_ns: int) -> None:
        if self._learned is not None and self._looks >= self._settings.settle_looks:
            self._judge(now, self._learned, free, at_ns)
        latches = (self._blurred, self._moved)
        if not any(latch.is_set or latch.is_in_doubt for latch in latches):
            self._learn(now, free, at_ns)

    def _judge(self, now: _Look, learned: _Look, free: U8, at_ns: int) -> None:
        likeness, slope = _likeness(now, learned)
        fixed = slope >= _SLOPE_MIN
        usable = fixed & (free > 0)
        if not usable.any() or usable.sum() < self._settings.free_share * fixed.sum():
            return
        is_blurred = self._is_blurred(now.contrast[usable], learned.contrast[usable])
        self._blurred.update(is_blurred, at_ns)
        if not is_blurred:
            self._moved.update(self._is_moved(likeness[usable]), at_ns)

    def _is_blurred(self, now: F32, usual: F32) -> bool:
        margin = 1 + self._settings.clear_margin if self._blurred.is_set else 1.0
        return _middle(now / np.maximum(usual, 1e-6)) < self._settings.blurred_share * margin

    def _is_moved(self, likeness: F32) -> bool:
        margin = 1 - self._settings.clear_margin if self._moved.is_set else 1.0
        return float(np.mean(likeness < self._settings.moved_likeness)) >= self._settings.moved_share * margin

    def _learn(self, now: _Look, free: U8, at_ns: int) -> None:
        """Move what is usual towards what is seen: a mean at first, then by the time that went by."""
        self._looks += 1
        if self._learned is None or self._learned.across.shape != now.across.shape:
            self._learned, self._learned_ns, self._looks = now, at_ns, 1
            return
        rate = min(max(1 / self._looks, (at_ns - self._learned_ns) / (self._settings.learn_s * _S)), 1.0)
        usual, self._learned_ns = self._learned, at_ns
        by_pixel = cv2.resize(free, _WORK_PX, interpolation=cv2.INTER_NEAREST)
        cv2.accumulateWeighted(now.across, usual.across, rate, by_pixel)
        cv2.accumulateWeighted(now.down, usual.down, rate, by_pixel)
        cv2.accumulateWeighted(now.contrast, usual.contrast, rate, free)

    def _told(self, at_ns: int) -> PictureState:
        now = PictureState(
            self._frozen.is_set, self._dark.is_set, self._blurred.is_set, self._moved.is_set, since_ns=at_ns
        )
        if self._state is None or replace(now, since_ns=self._state.since_ns) != self._state:
            self._state = now
        return self._state


def _look_at(grey: U8) -> _Look:
    small = np.asarray(cv2.resize(grey, _WORK_PX, interpolation=cv2.INTER_AREA), np.uint8)
    across = np.asarray(cv2.Sobel(small, cv2.CV_32F, 1, 0), np.float32)
    down = np.asarray(cv2.Sobel(small, cv2.CV_32F, 0, 1), np.float32)
    # the bright sides of what is fine alone: the dark ones say the same
    detail = _tiles(np.asarray(cv2.Laplacian(grey, cv2.CV_8U), np.uint8))
    return _Look(across, down, detail / (_tiles(small) + _GREY_FLOOR))


def _tiles(values: F32 | U8) -> F32:
    """Return the mean of ``values`` (H, W) in each tile (9, 16)."""
    return np.asarray(cv2.resize(values, _TILES, interpolation=cv2.INTER_AREA), np.float32)


def _likeness(now: _Look, usual: _Look) -> tuple[F32, F32]:
    """Return for each tile how alike its slopes are whatever the light (correlation, -1 to 1), and how steep they usually are."""
    together = _tiles(now.across * usual.across + now.down * usual.down)
    mine = _tiles(now.across * now.across + now.down * now.down)
    usually = _tiles(usual.across * usual.across + usual.down * usual.down)
    return together / np.sqrt(np.maximum(mine * usually, 1e-6)), np.sqrt(usually)


def _middle(values: NDArray[np.floating]) -> float:
    """Return the median, the upper one of two; several times as fast as NumPy's for few values."""
    return float(np.sort(values)[len(values) // 2])
