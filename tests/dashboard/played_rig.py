"""A store that plays a bundled recording, with all that pages show: its truth stands in for what the pipeline would find."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.dashboard_load.visit_events import many
from billing.people import People
from billing.types import DisputeKind, DisputeRequest, ItemCount
from checkout.types import CartLine, ReceiptFinalised, VisitOpened
from dashboard.audit import Deed
from dashboard.health.types import CameraHealth, StoreHealth
from dashboard.live.hub import Hub
from dashboard.live.types import Body, CameraNow, CartLineNow, Floor, Now, Pixels, Tile, VisitNow, Walker
from dashboard.reviews.types import Choice, ClipRow, Near, Outcome, Question
from dashboard.roles import SCOPES, Role
from dashboard.stock.desk import StockDesk
from dashboard.stock.sending import Sent
from recordings.files import load_recording
from recordings.truth import load_truth
from store_layout.model import Store as Layout
from tests.dashboard.desk_rig import PASSWORD, REPO, Office, S
from tests.dashboard.health_rig import Fakery
from tests.dashboard.recordings_rig import recorded
from tests.dashboard.review_rig import Store, with_reviews
from tests.dashboard.stock_rig import CHERRY, NOON_NS, H, PlayedSupplier, cart, stocked, touch
from tests.dashboard.visits_rig import GEOMETRY, counter
from tillfree.live.configuration import LiveConfiguration
from tillfree.live.evidence_video import ClipFile
from tillfree.live.storefile import load_store_file
from tillfree.settings import RunSettings
from tillfree.sources.video import camera_sources, frames
from vision.types import Frame

SAMPLES = REPO / "sample_videos"
PLACE = SAMPLES / "four-crossing"
AT_S, TRAIL_S, FPS = 17.2, 8.0, 10
"""Where the recording is shown: three people, one at a shelf; trails are of the eight seconds before."""

CLIP_FROM_S, CLIP_S = 14.2, 3.0
TAKEN_SLOT, TAKEN_SKU = "drinks/high/s2", "quellis-sparkling"
_DAY = 24 * H
_BUSY = (0.3, 0.5, 0.8, 1.0, 0.9, 0.5, 0.4, 0.6, 1.0, 0.8)
"""How busy each hour of the day is, from nine on."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a page of the store is asked for."""

    visit_id: str
    sku: str
    review_id: str
    invitation: str


class Played:
    """The recording. ``play`` tells a hub its last seconds and stays at the end; each time later than the last."""

    def __init__(self, layout: Layout) -> None:
        loaded, truth = load_recording(PLACE), load_truth(PLACE)
        assert truth is not None
        assert truth.floor is not None
        self.truth, self.floor = truth, truth.floor
        self.names = {product.sku: product.name for product in layout.products}
        wanted = range(round(CLIP_FROM_S * FPS), round(AT_S * FPS) + 1)
        self.pictures: dict[str, dict[int, Pixels]] = {
            source.camera_id: {
                frame.index: frame.image for frame in _upto(frames(source), wanted.stop) if frame.index in wanted
            }
            for source in camera_sources(loaded)
        }

    def play(self, hub: Hub, began_ns: int) -> None:
        """Tell the seconds before ``AT_S`` within two, so that pages have trails, and then the last pictures."""
        last, pause = round(AT_S * FPS), threading.Event()
        for index in range(last - round(TRAIL_S * FPS), last + 1):
            hub.floor(Floor(began_ns + index * S // FPS, self._walkers(index)))
            pause.wait(0.025)
        hub.now(self._now(began_ns))
        for camera in self.pictures:
            image, at_ns = self.pictures[camera][last], began_ns + last * S // FPS
            hub.tile(Tile(camera, at_ns, image, self._bodies(camera, last)))

    def clip(self, folder: Path, camera: str, first_ns: int) -> tuple[Path, int]:
        """Write a camera's clip; return it and how many pictures it has."""
        path, first, count = folder / f"{camera}.mp4", round(CLIP_FROM_S * FPS), round(CLIP_S * FPS)
        with ClipFile(path, 23) as clip:
            for number in range(count):
                clip.add(first_ns + number * S // FPS, self.pictures[camera][first + number])
        return path, count

    def _walkers(self, index: int) -> tuple[Walker, ...]:
        rows = np.flatnonzero(self.floor.frames == index + 1)
        return tuple(
            Walker(
                int(self.floor.ids[row]),
                (float(self.floor.floor_m[row][0]), float(self.floor.floor_m[row][1])),
                f"v-{int(self.floor.ids[row])}",
            )
            for row in rows
        )

    def _bodies(self, camera: str, index: int) -> tuple[Body, ...]:
        boxes, points = self.truth.boxes[camera], self.truth.keypoints[camera]
        found = []
        for row in np.flatnonzero((boxes.frames == index + 1) & (boxes.visibility > 0.25)):
            left, top, width, height = (float(each) for each in boxes.boxes_ltwh_px[row])
            person = int(boxes.ids[row])
            rows = np.flatnonzero((points.frames == index + 1) & (points.ids == person))
            seen = (
                tuple((float(x), float(y)) if v == 2 else None for x, y, v in points.keypoints_px[rows[0]])
                if len(rows)
                else ()
            )
            hands = tuple(each for each in (seen[9:11] if seen else ()) if each is not None)
            found.append(Body((left, top, left + width, top + height), person, hands, seen))
        return tuple(found)

    def _now(self, began_ns: int) -> Now:
        visits, sure = [], iter((0.97, 0.88, 0.71, 0.99, 0.93))
        for number, each in enumerate(self.truth.truth.visits):
            if each.entered_at_s is None or each.left_at_s is None or not each.entered_at_s < AT_S < each.left_at_s:
                continue
            taken = [one for one in self.truth.truth.interactions if one.visit == each.id and one.to_s < AT_S]
            lines = tuple(
                CartLineNow(one.sku or "", self.names[one.sku or ""], one.quantity, next(sure)) for one in taken
            )
            opened_ns = began_ns + round(each.scanned_at_s * S)
            reviews = 1 if any(one.sku == TAKEN_SKU for one in taken) else 0
            visits.append(VisitNow(each.id, number, "shopping", opened_ns, 1, each.persons, lines, reviews))
        at_ns = began_ns + round(AT_S * S)
        cameras = tuple(CameraNow(camera, is_up=True, frames_per_s=10.0) for camera in self.pictures)
        return Now(at_ns, True, len(visits), tuple(visits), 2, cameras)


def _upto(found: Iterator[Frame], stop: int) -> Iterator[Frame]:
    """Yield pictures before the one of that number."""
    for each in found:
        if each.index >= stop:
            return
        yield each


def questions(played: Played, store: Store, folder: Path, now_ns: int) -> str:
    """Let the store ask two questions, one with clips of the recording; return its id."""
    asked_ns = now_ns - 4 * S
    rows = []
    for camera in played.pictures:
        first_ns = asked_ns - round(CLIP_S * S)
        path, count = played.clip(folder, camera, first_ns)
        rows.append(ClipRow("7-i-7", camera, first_ns, first_ns + (count - 1) * S // FPS, count, 0, True, True))
        store.files["7-i-7", camera] = path
    kim, jan = "visit-kim", "visit-jan"
    taken = Outcome(kim, TAKEN_SKU, 1)
    choices = (
        Choice(1, taken, 0.71),
        Choice(2, Outcome(kim, "quellis-large", 1), 0.22),
        Choice(3, Outcome(jan, TAKEN_SKU, 1), 0.71),
        Choice(4, Outcome(), None),
    )
    near = (
        Near(kim, 2, "shopping", (), is_asked=True),
        Near(jan, 1, "shopping", (("krispa-salt", 1),), is_asked=True),
        Near("visit-ida", 0, "shopping", (("montano-decaf", 1),), is_asked=False),
    )
    first = Question(
        "review-000007",
        "doubtful",
        asked_ns,
        asked_ns + 60 * S,
        TAKEN_SLOT,
        "i-7",
        -1,
        0.71,
        choices,
        taken,
        near,
        tuple(rows),
    )
    unseen = dataclasses.replace(
        first, review_id="review-000008", reason="unseen_shelves", slot_id=None, interaction_id=None, change=None, due_ns=asked_ns + 240 * S,
        choices=(Choice(1, Outcome(), None),), unanswered=Outcome(), near=near[2:], clips=(),
    )  # fmt: skip
    store.ask(first, unseen)
    return first.review_id


def healthy(office: Office) -> Fakery:
    """Return a machine that is well but for a blurred camera."""
    found = Fakery()
    names = list(GEOMETRY.cameras)
    found.now = StoreHealth(
        office.clock(), True, people_inside=3, said_by="anna", said_at_ns=office.clock() - 2 * H,
        cameras=tuple(
            CameraHealth(each, each != names[2], "" if each != names[2] else "blurred since 09:12", 10.0, 9.9, 0.21, 0.38, 0, 0, 2, 0, 0)
            for each in names
        ),
        detected_per_s=39.6, clips=212, clips_bytes=640_000_000, buffer_bytes=96_000_000, disk_free_bytes=182_000_000_000,
        alerts=((office.clock() - 30 * 60 * S, "gate main was held open for 40 s"),),
    )  # fmt: skip
    return found


def _people(office: Office) -> str:
    """Let there be people, and what they did; return what the link of the last who was asked in has."""
    access, at_ns = office.desk.access, office.clock()
    access.add_operator("anna", PASSWORD, SCOPES[Role.MANAGER], at_ns - 40 * _DAY)
    access.add_operator("ben", PASSWORD, SCOPES[Role.OPERATOR], at_ns - 20 * _DAY)
    access.add_operator("carla", PASSWORD, SCOPES[Role.AUDITOR], at_ns - 9 * _DAY)
    access.sign_in("ben", PASSWORD, at_ns - H)
    invitation = People(access).invite("dora", SCOPES[Role.VIEWER], at_ns - H)
    deeds = (
        ("anna", "person.invite", "ben", "operator"), ("ben", "stock.count", "drinks/low/s1", "7, seemed 6"),
        ("ben", "review.answer", "review-000005", "visit-s31 took 1 krispa-salt"), ("anna", "stock.send", "orders.example", "4 slots, taken"),
        ("anna", "store.close", "store", "spilled milk"), ("anna", "store.open", "store", ""), ("anna", "person.invite", "dora", "viewer"),
    )  # fmt: skip
    for number, (who, what, subject, detail) in enumerate(deeds):
        office.desk.did(Deed(at_ns - (len(deeds) - number) * 700 * S, who, what, subject, detail))
    return invitation


def _sell(stock: StockDesk, office: Office) -> None:
    """Let a week happen: things are sold hour by hour, most slots are filled in the evening, one thing lies where it does not belong."""
    draw, number, now_ns = random.Random(11), 0, office.clock.now_ns
    slots = stock.now().slots
    wanted = {slot.slot_id: draw.choice((0.05, 0.1, 0.2, 0.5)) for slot in slots}
    for day in range(6, -1, -1):
        sold: Counter[str] = Counter()
        for hour, share in enumerate(_BUSY):
            at_ns = NOON_NS - day * _DAY + (hour - 3) * H
            stock.written(VisitOpened(f"v-{day}-{hour}", at_ns, f"s-{day}-{hour}", "t", 1))
            for slot in slots:
                if draw.random() < wanted[slot.slot_id] * share:
                    number += 1
                    seen = touch(number, at_ns + number * S // 10, -1, slot.sku, slot.slot_id)
                    stock.written(seen)
                    stock.written(cart(number, seen, 1, sku=slot.sku))
                    sold[slot.sku] += 1
            lines = tuple(CartLine(sku, units) for sku, units in sorted(sold.items()))
            stock.written(ReceiptFinalised(f"v-{day}-{hour}", at_ns + H // 4, lines, reviewed=False))
            sold.clear()
        office.clock.now_ns = NOON_NS - day * _DAY + 9 * H
        for slot in stock.now().slots if day else ():
            if slot.level < slot.capacity and draw.random() < 0.8:
                stock.count("ben", slot.slot_id, None)
    office.clock.now_ns = now_ns
    odd = touch(number + 1, now_ns - H, 1, sku="kornia-oats", slot_id=CHERRY, sure=0.7)
    stock.written(odd)
    stock.written(cart(number + 1, odd, -1, "moved", "kornia-oats"))


def _settings(office: Office, folder: Path) -> LiveConfiguration:
    config = load_store_file(SAMPLES / "store/store.yaml", {})
    return LiveConfiguration(config, RunSettings(), folder, office.desk.access, lambda: None)


@contextmanager
def played_store(office: Office, folder: Path) -> Iterator[tuple[Played, Shown]]:
    """Give a dashboard all that it can have."""
    now_ns = office.clock()
    visits = tuple(many(60, GEOMETRY, now_ns, seed=5))
    with stocked(office, folder) as stock, counter(folder, office.clock, *visits) as till:
        _sell(stock, office)
        receipts = {each.visit_id: till.service.receipt(each.visit_id) for each in visits}
        best = max(receipts, key=lambda each: len(getattr(receipts[each], "lines", ())))
        sku = next(iter(visits[int(best.removeprefix("visit-s")) - 1].items))
        till.visits.notes.add(best, office.clock(), "ben", "Says that a child put it back.", "k1")
        units = (ItemCount(sku, 1),)
        till.service.contest(DisputeRequest("d-1", best, DisputeKind.CONTEST, units, "I put one back.", office.clock()))
        till.heard()
        played = Played(GEOMETRY.store)
        store = with_reviews(office, folder)
        recorded(office, folder)
        supplier = PlayedSupplier(office.clock, sent=[Sent(office.clock() - 2 * H, "", 10)])
        office.desk = dataclasses.replace(office.desk, visits=till.visits, machine=healthy(office), supplier=supplier)
        invitation = _people(office)
        office.desk = dataclasses.replace(office.desk, configuration=_settings(office, folder))
        yield played, Shown(best, sku, questions(played, store, folder, office.clock()), invitation)
