"""Who is who after a restart: by place and time, one to one, nobody guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillfree.live.coverage import Coverage
from tillfree.live.resumption import Known, PersonBefore, Place, Resumption, ResumptionSettings
from vision.types import PersonRejoined, PersonVanished

S = 1_000_000_000
NOW = 1_000 * S
NOWHERE = (0.0, 0.0)
SETTINGS = ResumptionSettings()


def before(number: int, x: float | None, y: float = 0.0, visit: str | None = "", ago_s: float = 4) -> PersonBefore:
    named = f"visit-{number}" if visit == "" else visit
    return PersonBefore(number, None if x is None else (x, y), named, NOW - round(ago_s * S))


def seen(people: list[PersonBefore], inside: dict[int, Place], **more: object) -> tuple[Resumption, Known]:
    """Show the same people for as long as they are gathered."""
    found = Resumption(people, SETTINGS, NOWHERE)
    first = found.see(NOW, inside, **more)  # type: ignore[arg-type]
    second = found.see(NOW + round(SETTINGS.gather_s * S), inside, **more)  # type: ignore[arg-type]
    return found, Known((*first.events, *second.events), (*first.doubtful, *second.doubtful))


def same(known: Known) -> dict[int, int]:
    return {event.former_id: event.person_id for event in known.events if isinstance(event, PersonRejoined)}


def vanished(known: Known) -> list[int]:
    return [event.person_id for event in known.events if isinstance(event, PersonVanished)]


def test_who_stands_where_they_stood_is_the_same_person_at_once() -> None:
    found = Resumption([before(1, 1.0), before(2, 6.0)], SETTINGS, NOWHERE)
    known = found.see(NOW, {8: (6.2, 0.1), 9: (0.8, 0.0)})
    assert same(known) == {1: 9, 2: 8}
    assert found.is_done
    assert all(0.5 < event.probability <= 1 for event in known.events if isinstance(event, PersonRejoined))


def test_one_who_is_missing_is_awaited_before_others_are_matched_and_given_up_later() -> None:
    found = Resumption([before(1, 1.0), before(2, 6.0)], SETTINGS, NOWHERE)
    assert found.see(NOW, {8: (6.0, 0.0)}) == Known()
    known = found.see(NOW + round(SETTINGS.gather_s * S), {8: (6.0, 0.0)})
    assert same(known) == {2: 8}
    late = found.see(NOW + 16 * S, {})
    assert vanished(late) == [1]
    assert late.events[0].last_floor_m == (1.0, 0.0)  # type: ignore[union-attr]
    assert found.is_done


def test_nobody_walks_through_the_shop_in_no_time() -> None:
    _, known = seen([before(1, 0.0, ago_s=2)], {9: (9.0, 0.0)})
    assert same(known) == {}


def test_two_who_stand_together_are_not_guessed() -> None:
    found, known = seen([before(1, 1.0), before(2, 1.4)], {8: (1.1, 0.2), 9: (1.3, 0.2)})
    assert same(known) == {}
    assert sorted(known.doubtful) == [8, 9]
    again = found.see(NOW + 5 * S, {8: (1.1, 0.2), 9: (1.3, 0.2)})
    assert again.doubtful == ()  # told once
    assert sorted(vanished(found.see(NOW + 20 * S, {}))) == [1, 2]


def test_for_two_who_pay_together_it_does_not_matter_who_is_who() -> None:
    _, known = seen([before(1, 1.0, visit="v"), before(2, 1.4, visit="v")], {8: (1.1, 0.2), 9: (1.3, 0.2)})
    assert len(same(known)) == 2
    assert known.doubtful == ()


def test_somebody_new_beside_the_one_who_was_there_is_a_doubt() -> None:
    _, known = seen([before(1, 1.0)], {8: (1.2, 0.0), 9: (0.9, 0.4)})
    assert same(known) == {}
    assert len(known.doubtful) == 1


def test_who_comes_in_by_a_gate_is_nobody_who_was_inside() -> None:
    _, known = seen([before(1, 1.0)], {8: (1.2, 0.0), 9: (0.9, 0.4)}, entered=[8])
    assert same(known) == {1: 9}


def test_after_a_long_time_places_say_nothing() -> None:
    found = Resumption([before(1, 1.0, ago_s=200), before(2, None, ago_s=200)], SETTINGS, NOWHERE)
    known = found.see(NOW, {9: (1.0, 0.0)})
    assert sorted(vanished(known)) == [1, 2]
    assert {event.last_floor_m for event in known.events if isinstance(event, PersonVanished)} == {(1.0, 0.0), NOWHERE}


PLACES = st.tuples(st.floats(0, 12), st.floats(0, 12))
VISITS = st.sampled_from(["a", "b", None])


@given(
    st.lists(st.tuples(st.one_of(st.none(), PLACES), VISITS, st.floats(0, 150)), max_size=5),
    st.lists(PLACES, max_size=5),
    st.integers(0, 2),
)
def test_each_is_one_other_at_most_within_reach_and_all_are_settled(
    former: list[tuple[Place | None, str | None, float]], new: list[Place], entered: int
) -> None:
    people = [PersonBefore(n, place, visit, NOW - round(ago * S)) for n, (place, visit, ago) in enumerate(former, 1)]
    inside = {100 + n: place for n, place in enumerate(new)}
    found = Resumption(people, SETTINGS, NOWHERE)
    events = []
    for second in range(20):
        events += found.see(NOW + second * S, inside, [100 + n for n in range(entered)]).events
    assert found.is_done
    joined = {e.former_id: e.person_id for e in events if isinstance(e, PersonRejoined)}
    gone = [e.person_id for e in events if isinstance(e, PersonVanished)]
    assert sorted([*joined, *gone]) == [each.person_id for each in people]
    assert len(set(joined.values())) == len(joined)
    assert not {100 + n for n in range(entered)} & set(joined.values())
    for each in people:
        if each.person_id in joined:
            assert each.place_m is not None
            there = inside[joined[each.person_id]]
            walked = SETTINGS.reach_m + SETTINGS.walking_m_per_s * (NOW - each.seen_ns) / S
            assert ((there[0] - each.place_m[0]) ** 2 + (there[1] - each.place_m[1]) ** 2) ** 0.5 <= walked + 1e-6


SLOTS = {"a": {1, 2}, "b": {2, 3}, "c": {3}}


def test_a_shelf_that_one_other_camera_sees_is_seen() -> None:
    coverage = Coverage(SLOTS, 2 * S)
    assert coverage.see("abc", NOW, ["v"]) is None
    for second in range(10):
        assert coverage.see("ab", NOW + second * S, ["v"]) is None


def test_what_no_camera_saw_is_told_once_a_visit_while_it_lasts_and_anew_the_next_time() -> None:
    coverage = Coverage(SLOTS, 2 * S)
    told = [coverage.see("bc", NOW + second * S, ["v"] if second < 4 else ["v", "w"]) for second in range(6)]
    assert [None if each is None else (each.from_ns, each.at_ns, each.visit_ids) for each in told] == [
        None, None, (NOW, NOW + 2 * S, ("v",)), None, (NOW, NOW + 4 * S, ("w",)), None,
    ]  # fmt: skip
    assert coverage.see("abc", NOW + 7 * S, ["v", "w"]) is None
    later = [coverage.see("bc", NOW + second * S, ["v"]) for second in (20, 21, 22)]
    assert [each is None for each in later] == [True, True, False]


def test_after_a_restart_the_time_without_a_process_is_told_at_the_first_look() -> None:
    coverage = Coverage(SLOTS, 2 * S, looked_ns=NOW - 10 * S, untold_ns=5 * S)
    told = coverage.see("abc", NOW, ["v"])
    assert told is not None
    assert (told.from_ns, told.to_ns, told.visit_ids) == (NOW - 15 * S, NOW, ("v",))
    assert coverage.see("abc", NOW + S, ["v", "w"]) is None


@pytest.mark.parametrize("looked_ns", [NOW, NOW + 30 * S])  # a coordinator's clock may be ahead of what is given again
def test_a_restart_without_a_gap_is_told_too_for_a_deed_may_have_been_on_its_way(looked_ns: int) -> None:
    coverage = Coverage(SLOTS, 2 * S, looked_ns=looked_ns, untold_ns=5 * S)
    told = coverage.see("abc", NOW, ["v"])
    assert told is not None
    assert (told.from_ns, told.to_ns, told.visit_ids) == (NOW - 5 * S, NOW, ("v",))
    assert coverage.see("abc", NOW + S, ["v", "w"]) is None


def test_who_comes_while_people_are_being_known_again_is_asked_about_too() -> None:
    coverage = Coverage(SLOTS, 2 * S, looked_ns=NOW, untold_ns=5 * S, settle_ns=3 * S)
    told = [coverage.see("abc", NOW + second * S, ["v", "w", "x"][: second // 2 + 1]) for second in range(6)]
    assert [None if each is None else each.visit_ids for each in told] == [("v",), None, ("w",), None, None, None]


def test_a_first_start_is_not_told() -> None:
    assert Coverage(SLOTS, 2 * S, untold_ns=5 * S).see("abc", NOW, ["v"]) is None
