"""When somebody hears of what is wrong: once, once it lasts, and when it is over."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkout.types import ReviewOpened
from tests.tillfree.live.alert_rig import FORCED, T0, S, entry, view
from tillfree.live.alert_memory import Memory
from tillfree.live.alert_settings import Kind
from tillfree.live.alert_words import body_of, text_of, title_of
from tillfree.live.alerts import AlertBook, Message, News, Phase, problems_of
from tillfree.live.node import AlertRow, NodeView

WELL = view()
DOWN = view(down=("cam2",))


class Told:
    """A book that a test leads through time, and what it told by second."""

    def __init__(self, **more: object) -> None:
        self.book = AlertBook(entry(**more), absent=("cam9",))
        self.now_s = 0
        self.messages: list[Message] = []

    def restart(self) -> None:
        """Go on with a new book, and what the last one wrote to the disk."""
        kept = Memory.model_validate_json(Memory(kept=self.book.kept()).model_dump_json()).kept
        self.book = AlertBook(self.book._told, absent=("cam9",))
        self.book.recall(kept)

    def see(self, seen: NodeView, seconds: int) -> list[tuple[int, Phase, str]]:
        """Look at the same for so many seconds; return what was told in them."""
        found = []
        for _ in range(seconds):
            message = self.book.see(seen, T0 + self.now_s * S)
            if message is not None:
                self.messages.append(message)
                found += [(self.now_s, news.phase, news.words) for news in message.news]
            self.now_s += 1
        return found


def test_a_problem_is_told_once_it_lasts_and_when_it_is_over() -> None:
    told = Told()
    assert told.see(WELL, 60) == []
    assert told.see(DOWN, 600) == [(70, Phase.BEGAN, "camera cam2 is down: no answer")]
    assert told.see(WELL, 60) == [(669, Phase.OVER, "camera cam2 is up again")]
    (over,) = told.messages[-1].news
    assert (over.since_ns, over.until_ns) == (T0 + 60 * S, T0 + 659 * S)


def test_what_passes_at_once_is_not_told() -> None:
    told = Told()
    assert told.see(DOWN, 9) + told.see(WELL, 200) == []


def test_within_the_cool_down_the_same_is_told_once() -> None:
    told = Told()
    assert [phase for _, phase, _ in told.see(DOWN, 15) + told.see(WELL, 15)] == [Phase.BEGAN, Phase.OVER]
    for _ in range(2):
        assert told.see(DOWN, 15) + told.see(WELL, 15) == []
    assert told.see(DOWN, 60) == [(110, Phase.BEGAN, "camera cam2 is down: no answer")]
    (again,) = told.messages[-1].news
    assert again.times == 3


def test_what_came_and_went_unheard_is_told_when_the_cool_down_is_over() -> None:
    told = Told()
    told.see(DOWN, 15)
    told.see(WELL, 15)
    assert told.see(DOWN, 15) == []
    assert told.see(WELL, 200) == [(110, Phase.PASSED, "camera cam2 is down: no answer")]
    assert told.see(WELL, 500) == []


def test_what_flaps_is_one_problem() -> None:
    told = Told()
    found = []
    for _ in range(8):
        found += told.see(DOWN, 5) + told.see(WELL, 5)
    assert found == [(10, Phase.BEGAN, "camera cam2 is down: no answer")]


def test_several_at_once_are_one_message() -> None:
    told = Told(gather_s=5)
    told.see(DOWN, 3)
    told.see(view(down=("cam1", "cam2", "cam3")), 40)
    (message,) = told.messages
    assert [news.key for news in message.news] == ["cam2", "cam1", "cam3"]
    assert message.standing == ()
    told.see(view(down=("cam1", "cam3"), billing="away"), 40)
    last = told.messages[-1]
    assert {(news.phase, news.key) for news in last.news} == {(Phase.OVER, "cam2"), (Phase.BEGAN, "billing")}
    assert [news.key for news in last.standing] == ["cam1", "cam3"]


def test_a_fault_whose_words_change_is_the_same() -> None:
    told = Told()
    for place in ("gate door: cam1 waiting", "gate door, shelf a: cam1 connecting", "any gate or shelf: cam1 waiting"):
        told.see(view(faults=(f"nobody watches {place}",)), 30)
    told.see(WELL, 30)
    assert [news.phase for message in told.messages for news in message.news] == [Phase.BEGAN, Phase.OVER]


def test_doors_are_told_at_once_and_not_again_and_again() -> None:
    told = Told()
    rows: tuple[AlertRow, ...] = (FORCED, AlertRow(T0, "who_is_who", "somebody else's matter"))
    assert told.see(view(alerts=rows), 20) == [(0, Phase.HAPPENED, "gate door was forced open")]
    for more in range(1, 4):
        rows = (*rows, dataclasses.replace(FORCED, at_ns=T0 + more * S))
        assert told.see(view(alerts=rows), 20) == []
    assert told.see(view(alerts=rows), 200) == [(100, Phase.HAPPENED, "gate door was forced open")]
    assert told.messages[-1].news[0].times == 3


def test_what_was_told_before_a_restart_is_not_told_again_and_its_end_is() -> None:
    told = Told()
    assert [phase for _, phase, _ in told.see(DOWN, 20)] == [Phase.BEGAN]
    told.restart()
    assert told.see(WELL, 3) == []  # nobody looked yet
    assert told.see(DOWN, 300) == []
    assert [phase for _, phase, _ in told.see(WELL, 20)] == [Phase.OVER]


def test_a_cool_down_outlives_a_restart() -> None:
    told = Told()
    told.see(view(down=("cam2",), alerts=(FORCED,)), 20)
    told.see(WELL, 20)
    told.restart()
    again = dataclasses.replace(FORCED, at_ns=T0 + 50 * S)
    assert told.see(view(down=("cam2",), alerts=(again,)), 40) == []
    found = told.see(view(down=("cam2",), alerts=(again,)), 60)
    assert [(phase, words) for _, phase, words in found] == [
        (Phase.HAPPENED, "gate door was forced open"),
        (Phase.BEGAN, "camera cam2 is down: no answer"),
    ]


def test_what_was_not_told_before_a_restart_begins_anew() -> None:
    told = Told()
    told.see(DOWN, 5)
    told.restart()
    assert told.see(DOWN, 9) == []
    assert told.see(WELL, 200) == []


def test_a_restart_with_a_clock_set_back_holds_nothing_up() -> None:
    told = Told()
    told.now_s = 100_000
    told.see(DOWN, 20)
    told.see(WELL, 20)
    told.restart()
    told.now_s = 0
    assert [at for at, _, _ in told.see(DOWN, 300)] == [100]


def test_what_is_told_no_more_is_forgotten() -> None:
    told = Told()
    told.see(DOWN, 20)
    kept = told.book.kept()
    other = Told(tell=("doors",))
    other.book.recall(kept)
    assert other.see(WELL, 200) == []


def review(at_ns: int) -> ReviewOpened:
    return ReviewOpened(f"r-{at_ns}", ("v-1",), None, "unsure", at_ns, at_ns + 600 * S, None, None, 0)


def test_every_kind_is_found() -> None:
    seen = view(
        down=("cam1", "cam9"),
        faults=("nobody watches gate door: cam1 waiting",),
        is_open=False,
        at_ns=T0 + 500 * S,
        billing="3 orders wait: away",
        evidence="the disk is full",
        load="pictures are dropped",
        load_level=3,
        reviews=(review(T0), review(T0 + 400 * S), review(T0 + 100 * S)),
    )
    found = {each.kind: each for each in problems_of(seen, 300.0)}
    assert found.keys() == set(Kind) - {Kind.DOORS}
    assert found[Kind.REVIEWS].words == "2 reviews wait, the first for 8 min"
    assert list(problems_of(WELL, 300.0)) == []


def test_cameras_that_never_were_there_are_not_missed() -> None:
    absent = dataclasses.replace(WELL.cameras[0], camera_id="cam9", is_up=False, detail="absent")
    assert Told().see(dataclasses.replace(WELL, cameras=(*WELL.cameras, absent)), 60) == []


def test_only_what_is_asked_for_is_told() -> None:
    told = Told(tell=("doors",))
    seen = view(down=("cam1",), is_open=False, alerts=(FORCED,))
    assert told.see(seen, 60) == [(0, Phase.HAPPENED, "gate door was forced open")]
    assert Told(tell=("cameras",)).see(view(alerts=(FORCED,)), 60) == []


def test_a_store_that_never_sees_a_picture_is_told() -> None:
    seen = view(at_ns=0, faults=("nobody watches any gate or shelf: cam1 connecting",))
    assert [phase for _, phase, _ in Told().see(seen, 60)] == [Phase.BEGAN]


SPELLS = st.lists(st.tuples(st.integers(1, 130), st.sets(st.sampled_from(["cam1", "cam2", "cam3"]))), max_size=30)


@settings(deadline=None)
@given(SPELLS, st.sampled_from([0, 5]))
def test_never_twice_within_the_cool_down_and_all_that_lasts_is_told(
    spells: list[tuple[int, set[str]]], gather_s: int
) -> None:
    told = Told(gather_s=gather_s)
    there_s: dict[str, int] = defaultdict(int)
    for seconds, down in spells:
        told.see(view(down=tuple(sorted(down))), seconds)
        for camera in ("cam1", "cam2", "cam3"):
            there_s[camera] = there_s[camera] + seconds if camera in down else 0
            if there_s[camera] > 10 + 100 + gather_s:
                assert phases(told, camera)[-1] is Phase.BEGAN
    told.see(WELL, 300)
    for camera in ("cam1", "cam2", "cam3"):
        found = phases(told, camera)
        assert all(one is not other for one, other in pairwise(found) if one is not Phase.PASSED)
        assert found[-1:] != [Phase.BEGAN]
        times = [at_ns for at_ns, news in heard(told, camera) if news.phase is not Phase.OVER]
        assert all(later - earlier >= (100 - gather_s) * S for earlier, later in pairwise(times))


def heard(told: Told, key: str) -> list[tuple[int, News]]:
    return [(message.at_ns, news) for message in told.messages for news in message.news if news.key == key]


def phases(told: Told, key: str) -> list[Phase]:
    return [news.phase for _, news in heard(told, key)]


@settings(deadline=None)
@given(SPELLS)
def test_nothing_is_remembered_of_what_is_long_over(spells: list[tuple[int, set[str]]]) -> None:
    told = Told()
    for seconds, down in spells:
        told.see(view(down=tuple(down), alerts=(FORCED,)), seconds)
    told.see(WELL, 300)
    assert told.book._courses == {}
    assert told.book._events == {}


BEGAN = News(Phase.BEGAN, Kind.CAMERAS, "cam2", "camera cam2 is down: no\nanswer", T0 - 60 * S, times=3)
OVER = News(Phase.OVER, Kind.BILLING, "billing", "billing takes orders again", T0 - 3_600 * S, T0)


def test_words() -> None:
    text = text_of(Message(T0, (BEGAN, OVER), (dataclasses.replace(BEGAN, words="still", times=1),)), "Käse & Co")
    assert text == (
        "Käse & Co, 2027-01-15 08:00:00 UTC\n"
        "\n"
        "Wrong now:\n"
        "- camera cam2 is down: no answer (since 2027-01-15 07:59:00 UTC; it came and went 2 times since it was told last)\n"
        "\n"
        "Over:\n"
        "- billing takes orders again (after 60 min)\n"
        "\n"
        "Still wrong:\n"
        "- still (since 2027-01-15 07:59:00 UTC)\n"
    )
    assert "Nothing else is wrong." in text_of(Message(T0, (OVER,)), "shop")


@pytest.mark.parametrize(
    ("message", "title"),
    [
        (Message(T0, (BEGAN,)), "shop: camera cam2 is down: no answer"),
        (Message(T0, (OVER, BEGAN, BEGAN)), "shop: camera cam2 is down: no answer, and 1 more"),
        (Message(T0, (OVER,)), "shop: well again: billing takes orders again"),
        (Message(T0, (OVER,), (BEGAN,)), "shop: over: billing takes orders again"),
        (Message(T0, ()), "shop: a test"),
    ],
)
def test_titles_are_one_line(message: Message, title: str) -> None:
    assert title_of(message, "shop") == title


def test_programs_read_the_same() -> None:
    body = json.loads(body_of(Message(T0, (OVER,), (BEGAN,)), "alert_1", "shop"))
    assert (body["type"], body["id"], body["store"]) == ("store.alert", "alert_1", "shop")
    assert body["news"][0] == {
        "phase": "over",
        "kind": "billing",
        "key": "billing",
        "words": "billing takes orders again",
        "since": "2027-01-15T07:00:00.000000000Z",
        "until": "2027-01-15T08:00:00.000000000Z",
        "times": 1,
    }
    assert body["standing"][0]["key"] == "cam2"
    assert json.loads(body_of(Message(T0, ()), "alert_1", "shop"))["type"] == "store.alert_test"
