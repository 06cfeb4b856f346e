"""When there is more than the machine can do: the ladder, the budget, what is left out, and who is asked about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from store_layout.model import Camera
from tests.tillfree.live.camera_rig import camera
from tests.tillfree.live.test_health import instant
from tillfree.live.budget import Budget, Counted, Meter
from tillfree.live.coverage import Coverage
from tillfree.live.ladder import CameraLoad, Ladder, Level, Step, best_step, needed_per_s
from tillfree.live.looks import Look
from tillfree.live.overload import Overload, OverloadSources, outlook, step_in_words
from tillfree.live.overload_settings import OverloadSettings
from tillfree.live.pacer import EvenGrid, Pacer
from tillfree.live.queues import FrameQueues, QueueSettings
from tillfree.live.watched import Watched
from vision.coarse import Coarse
from vision.motion import MotionGate, MotionSettings
from vision.types import Frame

S = 1_000_000_000
SETTINGS = OverloadSettings(rate_min_fps=3.0, calm_s=10.0)
PICTURE = np.zeros((16, 16, 3), np.uint8)
HEARTBEAT_S = 5.0
AWAKE = CameraLoad(10.0, 1.0, is_awake=True)
STILL = CameraLoad(10.0, 0.02, is_awake=False)
PLACES = (
    Watched("g/s/tea", "shelf g/s", ("a", "b")),
    Watched("g/s/jam", "shelf g/s", ("b",)),
    Watched("door", "gate door", ("c",)),
)


def frame(camera_id: str, at_ns: int) -> Frame:
    return Frame(camera_id, 0, at_ns, PICTURE)


# -- the ladder -----------------------------------------------------------------------------------


def test_each_step_is_taken_only_where_the_one_before_does_not_do() -> None:
    loads = {"a": AWAKE, "b": AWAKE} | {f"still{k}": STILL for k in range(10)}
    asked = {
        25.0: Step(Level.ALL),  # 20 of those awake and 2 heartbeats
        21.0: Step(Level.LONGER_HEARTBEAT),  # 2/3 of a heartbeat
        20.0: Step(Level.LOWER_RATE, 9.5),
        10.0: Step(Level.LOWER_RATE, 4.5),
        6.6: Step(Level.DROPPING, 3.0),
    }
    assert {can: best_step(loads, can, HEARTBEAT_S, SETTINGS) for can in asked} == asked
    for can, step in asked.items():
        longer_s = HEARTBEAT_S * (1 if step.level is Level.ALL else SETTINGS.heartbeat_factor)
        assert (needed_per_s(loads, longer_s, step.rate_fps) <= can) == (step.level is not Level.DROPPING)


def test_slow_cameras_keep_what_they_send() -> None:
    slow = CameraLoad(1.0, 1.0, is_awake=True)
    assert best_step({"a": AWAKE, "slow": slow}, 6.0, HEARTBEAT_S, SETTINGS) == Step(Level.LOWER_RATE, 5.0)
    assert best_step({"slow": slow}, 1.0, HEARTBEAT_S, SETTINGS) == Step()


def test_the_ladder_goes_down_at_once_and_up_after_a_while() -> None:
    ladder = Ladder(HEARTBEAT_S, SETTINGS)
    two = {"a": AWAKE, "b": AWAKE}
    assert ladder.judge(two, None, 0) == Step()
    assert ladder.judge(two, 20.0, 1 * S) == Step(Level.LOWER_RATE, 9.0)  # a tenth is kept for what comes unevenly
    one = {"a": AWAKE, "b": STILL}
    went = [ladder.judge(one, 20.0, at_s * S).level for at_s in range(2, 14)]
    assert went == [Level.LOWER_RATE] * 10 + [Level.ALL] * 2
    assert ladder.judge(two, 20.0, 14 * S).level is Level.LOWER_RATE


def test_what_was_possible_only_now_and_then_is_not_taken() -> None:
    ladder = Ladder(HEARTBEAT_S, SETTINGS)
    two, one = {"a": AWAKE, "b": AWAKE}, {"a": AWAKE}
    ladder.judge(two, 20.0, 0)
    steps = {ladder.judge(two if at_s % 9 == 0 else one, 20.0, at_s * S) for at_s in range(1, 60)}
    assert steps == {Step(Level.LOWER_RATE, 9.0)}


def test_words_say_what_is_done() -> None:
    assert step_in_words(Step(), 20.0) == ""
    assert "still cameras" in step_in_words(Step(Level.LONGER_HEARTBEAT), None)
    assert "4.5 pictures a second of each camera" in step_in_words(Step(Level.LOWER_RATE, 4.5), 20.4)
    assert "about 20 a second" in step_in_words(Step(Level.LOWER_RATE, 4.5), 20.4)
    assert "receipts go to review" in step_in_words(Step(Level.DROPPING, 3.0), 2.0)


# -- the budget -----------------------------------------------------------------------------------


class Machine:
    """Looks at ``can`` pictures a second, and counts as queues do."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._at_s = self._idle_ns = self._put = self._dropped = self._detected = 0
        self.tell()

    def tell(self) -> float | None:
        counted = Counted(self._at_s * S, self._idle_ns, self._put, self._dropped, self._detected)
        return self._budget.measure(counted)

    def second(self, put: int, can: int, burst: int = 0) -> float | None:
        self._at_s += 1
        done = min(put, can)
        self._idle_ns += round(S * (1 - done / can))
        self._put += put + burst
        self._dropped += put - done + burst
        self._detected += done
        return self.tell()


def test_a_machine_that_was_never_short_of_time_has_no_limit() -> None:
    machine = Machine(Budget(SETTINGS))
    assert [machine.second(40, 60) for _ in range(5)] == [None] * 5
    assert machine.second(10, 60, burst=10) is None  # a camera that begins with old pictures


def test_two_short_seconds_tell_what_the_machine_can_do() -> None:
    budget = Budget(SETTINGS)
    machine = Machine(budget)
    assert [machine.second(40, 30), machine.second(40, 30), machine.second(40, 28)] == [None, 30, 30]
    assert budget.busy == 1.0
    assert machine.second(25, 30) == 30  # with time to spare nothing is to be learned


def test_more_is_tried_and_ever_more_seldom_where_it_is_too_much() -> None:
    machine = Machine(Budget(SETTINGS))
    machine.second(60, 30)
    can = machine.second(60, 30)
    tried_s = []
    for at_s in range(400):
        asked = round(0.9 * (can or 0.0))
        before, can = can, machine.second(asked if asked <= 30 else 60, 30)
        if can and before and can > before:
            tried_s.append(at_s)
    assert can is not None
    assert 30 <= can <= 36
    waits = [after - before for before, after in pairwise(tried_s)]
    assert waits == sorted(waits)
    assert waits[-1] >= 4 * waits[0]


def test_a_machine_whose_neighbours_have_gone_is_found_to_be_quick_again() -> None:
    machine = Machine(Budget(SETTINGS))
    machine.second(60, 10)
    machine.second(60, 10)
    can = [machine.second(20, 60) for _ in range(110)]
    assert (can[0], can[-1]) == (10, pytest.approx(10 * 1.2**11))


def test_the_meter_counts_only_waits_for_something_to_do() -> None:
    now = iter(range(0, 100 * S, S))
    meter = Meter(SimpleNamespace(take=lambda _timeout_s: None), lambda: next(now))
    meter.take(0.0)
    assert meter.idle_ns == 0
    meter.take(0.05)
    assert meter.idle_ns == S


def test_before_the_start_it_is_said_what_rate_will_be_had() -> None:
    cameras = [camera(name) for name in "abcd"]
    assert outlook(0.03 * S, cameras, SETTINGS) is not None
    assert outlook(0.01 * S, cameras, SETTINGS) is None
    said = outlook(0.2 * S, cameras, SETTINGS)
    assert said is not None
    assert "not even 3" in said


# -- what is left out -----------------------------------------------------------------------------


@pytest.mark.parametrize(("sent_fps", "rate_fps"), [(10.0, 7.0), (10.0, 4.0), (29.97, 4.25), (10.0, 10.0)])
def test_pictures_are_left_out_evenly(sent_fps: float, rate_fps: float) -> None:
    grid, period_ns = EvenGrid(), round(S / rate_fps)
    lot = np.random.default_rng(1)
    sent = [round((k + 0.2 * lot.random()) * S / sent_fps) for k in range(600)]
    let = [at_ns for at_ns in sent if grid.passes(at_ns, period_ns)]
    assert len(let) / (sent[-1] / S) == pytest.approx(rate_fps, rel=0.05 if rate_fps < sent_fps else 0.2)
    assert max(after - before for before, after in pairwise(let)) <= period_ns + 1.3 * S / sent_fps


def test_cameras_of_different_phases_keep_the_same_instants() -> None:
    let: dict[str, list[int]] = {"a": [], "b": []}
    pacer = Pacer("ab", lambda each: let[each.camera_id].append(each.captured_at_ns))
    pacer.set_rate(4.0)
    for k in range(200):
        for name, phase_ns in (("a", 0), ("b", 70_000_000)):
            pacer.put(frame(name, k * S // 10 + phase_ns))
    assert len(let["a"]) == len(let["b"])
    assert all(abs(one - other) < S // 10 for one, other in zip(let["a"], let["b"], strict=True))
    assert pacer.counts()["a"].sent == 200
    assert pacer.counts()["a"].thinned == 200 - len(let["a"])
    pacer.set_rate(None)
    pacer.put(frame("a", 20 * S + 1))
    pacer.put(frame("a", 20 * S + 2))
    assert let["a"][-1] == 20 * S + 2


def test_a_longer_heartbeat_lets_still_cameras_sleep_longer() -> None:
    gate = MotionGate(MotionSettings(hold_s=0.0, heartbeat_s=1.0), live=True)
    assert sum(gate.opens(Coarse(PICTURE), k * S // 10) for k in range(100)) == 10
    gate.heartbeat_s = 5.0
    assert sum(gate.opens(Coarse(PICTURE), k * S // 10) for k in range(100, 200)) == 2


# -- who is asked about it ------------------------------------------------------------------------


class Store:
    """Three cameras of ten pictures a second, of which some are looked at."""

    def __init__(self, *more: Camera) -> None:
        cameras = [camera(name) for name in "abc"] + list(more)
        self.queues = FrameQueues([each.id for each in cameras], QueueSettings(depth=2))
        self.spared: Counter[str] = Counter()
        self.heartbeats: list[float] = []
        sources = OverloadSources(self.queues.counts, lambda: self.spared, self.heartbeats.append)
        pacer = Pacer([each.id for each in cameras], self.queues.put)
        self.overload = Overload(cameras, PLACES, HEARTBEAT_S, SETTINGS, sources, pacer, Meter(self.queues, lambda: 0))
        self.at_ns = 100 * S

    def run(self, for_s: float, looked_fps: dict[str, float]) -> None:
        """Let cameras send for a while; of each so many a second are looked at."""
        due = dict.fromkeys(looked_fps, 0.0)
        for _ in range(round(for_s * 10)):
            self.at_ns += S // 10
            for name, looked in looked_fps.items():
                self.overload.pacer.put(frame(name, self.at_ns))
                due[name] += looked / 10
                if due[name] >= 1 - 1e-9:
                    due[name] -= 1
                    self.overload.looks.happened(instant(self.at_ns, name))

    def asked(self, *good: str, **closed_ns: int) -> tuple[str, ...]:
        """Return the visits that are asked about, of v, which is open, and those that are closed."""
        unseen = self.overload.unseen(good or "abc", self.at_ns, {"v": None, **closed_ns})
        assert unseen is None or unseen.reason == "overloaded"
        return () if unseen is None else unseen.visit_ids


def test_a_lower_rate_that_does_is_not_asked_about_and_a_lower_one_is() -> None:
    store = Store()
    store.overload.pacer.set_rate(3.0)
    store.run(10, dict.fromkeys("abc", 3.0))
    assert store.asked() == ()
    store.overload.pacer.set_rate(None)
    store.run(3, {"a": 10.0, "b": 1.5, "c": 10.0})
    assert store.asked() == ("v",)
    assert store.overload.status().marked_ids == ("v",)
    store.run(6, dict.fromkeys("abc", 10.0))
    assert store.asked() == ()
    assert store.overload.status().marked == 1


def test_a_place_that_another_camera_watches_is_not_asked_about() -> None:
    store = Store()
    store.run(5, {"a": 1.0, "b": 10.0, "c": 10.0})
    assert store.asked() == ()
    store.run(5, {"a": 1.0, "b": 1.0, "c": 10.0})
    assert store.asked() == ("v",)


def test_gates_count_as_shelves_do() -> None:
    store = Store()
    store.run(5, {"a": 10.0, "b": 10.0, "c": 1.0})
    assert store.asked() == ("v",)


def test_who_left_in_the_meantime_is_asked_about_and_who_left_before_is_not() -> None:
    store = Store()
    store.run(5, dict.fromkeys("abc", 1.0))
    assert store.asked(late=store.at_ns - S, early=store.at_ns - 3 * S) == ("v", "late")


def test_a_hitch_is_not_asked_about_and_a_long_one_is() -> None:
    store = Store()
    store.run(5, dict.fromkeys("abc", 10.0))
    store.run(1, dict.fromkeys("abc", 0.0))
    store.run(0.5, dict.fromkeys("abc", 10.0))
    assert store.asked() == ()
    store.run(5, dict.fromkeys("abc", 10.0))
    store.run(2, dict.fromkeys("abc", 0.0))
    assert store.asked() == ("v",)


def test_what_is_left_over_unevenly_for_long_is_asked_about() -> None:
    store = Store()
    store.run(8, dict.fromkeys("abc", 10.0))
    store.run(2, dict.fromkeys("abc", 5.0))
    assert store.asked() == ()
    store.run(3, dict.fromkeys("abc", 5.0))
    assert store.asked() == ("v",)


def test_a_silent_camera_is_told_of_elsewhere_and_so_is_one_that_is_only_back() -> None:
    store = Store()
    store.run(5, dict.fromkeys("abc", 10.0))
    store.run(3, {"a": 10.0, "c": 10.0})
    assert store.overload.looks.judge(store.at_ns)["b"] is Look.SILENT
    assert store.overload.heard("abc", store.at_ns) == ("a", "c")
    assert store.asked() == ()
    store.run(1, {"a": 10.0, "b": 0.0, "c": 10.0})  # a burst of old pictures
    assert store.asked() == ()
    store.run(4, {"a": 10.0, "b": 0.0, "c": 10.0})
    assert store.asked() == ("v",)


def test_a_slow_camera_is_judged_by_its_own_pace() -> None:
    slow = camera("slow", fps=0.5)
    store = Store(slow)
    judged = []
    for looked in (True, True, True, True, True, False, False, False, False):
        store.run(2, dict.fromkeys("abc", 10.0))
        store.overload.pacer.put(frame("slow", store.at_ns))
        if looked:
            store.overload.looks.happened(instant(store.at_ns, "slow"))
        judged.append(store.overload.looks.judge(store.at_ns)["slow"])
    assert judged[4] is Look.FINE
    assert judged[-1] is Look.SHORT


def test_what_no_camera_sends_is_unseen_since_it_was_looked_at_last() -> None:
    coverage = Coverage({"a": [0], "b": [0, 1]}, 2 * S)
    looked = {"a": 10 * S, "b": 7 * S}
    assert coverage.see("ab", 10 * S, ["v"], looked) is None
    unseen = coverage.see("a", 10 * S, ["v"], looked)
    assert unseen is not None
    assert (unseen.from_ns, unseen.to_ns, unseen.reason) == (7 * S, 10 * S, "unseen_shelves")


# -- all of it ------------------------------------------------------------------------------------


def ends(store: Store, seconds: int, sent_fps: int, can: int) -> Iterator[Level]:
    """Let a machine that looks at ``can`` pictures a second take from the queues; yield where the ladder stands."""
    for _ in range(seconds):
        earned = 0.0
        for tick in range(sent_fps):
            for name in "abc":
                store.overload.pacer.put(frame(name, store.at_ns + tick * S // sent_fps))
            earned += can / sent_fps
            while earned >= 1:
                earned -= 1
                if (taken := store.queues.take(0.0)) is not None:
                    store.overload.looks.happened(instant(taken.captured_at_ns, taken.camera_id))
        store.at_ns += S
        store.overload.tend(store.at_ns)
        yield store.overload.status().step.level


def test_a_store_with_too_much_to_do_finds_a_rate_that_does_and_drops_nothing_any_more() -> None:
    store = Store()
    levels = list(ends(store, 5, sent_fps=10, can=20))
    assert levels[-1] is Level.LOWER_RATE
    dropped = {name: counts.dropped for name, counts in store.queues.counts().items()}
    for _ in ends(store, 8, sent_fps=10, can=20):
        assert store.asked() == ()
    assert {name: counts.dropped for name, counts in store.queues.counts().items()} == dropped
    rate_fps = store.overload.status().step.rate_fps
    assert rate_fps is not None
    assert 5 <= rate_fps <= 6.5
    assert store.heartbeats == [HEARTBEAT_S * SETTINGS.heartbeat_factor]


def test_a_store_with_far_too_much_to_do_asks_about_its_visits() -> None:
    store = Store()
    levels = list(ends(store, 8, sent_fps=10, can=4))
    assert levels[-1] is Level.DROPPING
    assert store.asked() == ("v",)
    assert "overloaded" in store.overload.status().words


def test_what_came_of_it_is_said_when_it_is_over_too() -> None:
    store = Store()
    assert store.overload.status().account == ""
    list(ends(store, 5, sent_fps=10, can=20))
    account = store.overload.status().account
    thinned = sum(each.thinned for each in store.overload.status().paced.values())
    assert f"{thinned} pictures left out, {store.overload.status().dropped} dropped, 0 visits marked" in account
    assert account.startswith("short of time")
