import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from simulator.recording.job import Job
from simulator.recording.settings import RecordingSettings
from simulator.recording.writer import write_truth_only
from simulator.scenario.director import compile_scenario
from simulator.scenario.errors import ScenarioError
from simulator.scenario.files import LoadedScenario, load_scenario
from simulator.scenario.model import Scenario
from simulator.scenario.play import Play
from simulator.scenario.truth import truth
from simulator.skeleton import pose_body

STORE = "sample_videos/store/layout.yaml"


@pytest.fixture(scope="module")
def two(repo_dir: Path) -> Play:
    return compile_scenario(load_scenario(repo_dir / "sample_videos" / "same-shelf" / "scenario.yaml"))


@pytest.fixture(scope="module")
def wrong_shelf(repo_dir: Path) -> Play:
    return compile_scenario(load_scenario(repo_dir / "sample_videos" / "wrong-shelf" / "scenario.yaml"))


def told(repo_dir: Path, *shoppers, **more) -> LoadedScenario:
    store = load_scenario(repo_dir / "sample_videos" / "one-shopper" / "scenario.yaml").store
    document = {"version": 1, "name": "told", "layout": "x", "seed": 5, "duration_s": 60, "shoppers": shoppers, **more}
    return LoadedScenario(Scenario.model_validate(document), store)


def person(name: str, at_s: float, *steps, **more):
    script = [{"enter": {"gate": "main", "at_s": at_s}}, *steps, {"leave": {"gate": "main"}}]
    return {"id": name, "token": f"token-{name}", "script": script, **more}


def receipt(play: Play, visit: str) -> dict[str, int]:
    found = next(v for v in truth(play, 10.0).visits if v.id == visit)
    return {line.sku: line.quantity for line in found.receipt}


def test_bodies_never_come_nearer_than_shoulders_allow(two: Play) -> None:
    for at_s in np.arange(0, two.scenario.duration_s, 0.1):
        bodies = two.state(float(at_s)).bodies
        for one, other in itertools.combinations(bodies, 2):
            assert math.dist(one.position_m, other.position_m) >= 0.54, at_s


def test_nobody_walks_through_walls_or_shelves(wrong_shelf: Play) -> None:
    from simulator.scenario.paths import FloorMap

    floor = FloorMap(wrong_shelf.geometry)
    for act in wrong_shelf.performances.values():
        assert floor.is_free(act.places_m, slack_m=0.07)


def test_people_walk_at_human_speed(two: Play) -> None:
    for act in two.performances.values():
        steps = np.sqrt((np.diff(act.places_m, axis=0) ** 2).sum(axis=1)) / 0.05
        assert steps.max() <= 1.35
        assert np.median(steps[steps > 0.3]) >= 0.8


def test_the_palm_is_at_the_product_when_it_is_gripped(wrong_shelf: Play) -> None:
    for deed in wrong_shelf.deeds:
        act = wrong_shelf.performances[deed.person]
        palm = pose_body(act.motion.skeleton, act.pose(deed.at_s)).palm_m(deed.hand)
        around = [wrong_shelf.items(deed.at_s + shift) for shift in (-0.01, 0.01)]
        standing = [
            item.position_m
            for items in around
            for item in items
            if item.item_id == deed.item_id and item.position_m is not None
        ]
        height = wrong_shelf.specs[deed.sku or ""].size_m[2]
        assert math.dist(palm, (*standing[0][:2], standing[0][2] + 0.45 * height)) < 0.12
        assert deed.from_s < deed.at_s < deed.to_s
        assert 0.2 < deed.to_s - deed.from_s < 2.0


def test_every_item_is_always_in_one_place(wrong_shelf: Play) -> None:
    ids = {item.item_id for item in wrong_shelf.items(0.0)}
    for at_s in np.arange(0, wrong_shelf.scenario.duration_s, 0.25):
        state = wrong_shelf.state(float(at_s))
        assert {item.item_id for item in state.items} == ids
        holders = [item.held_by for item in state.items if item.held_by is not None]
        assert len(holders) == len(set(holders)), "a hand holds two things"
        assert {holder for holder, _ in holders} <= {body.person for body in state.bodies}


def test_a_product_left_on_a_wrong_shelf_is_bought_from_there(wrong_shelf: Play) -> None:
    assert "rubeto-strawberry" in receipt(wrong_shelf, "visit-hugo")
    assert "rubeto-strawberry" not in receipt(wrong_shelf, "visit-greta")
    kinds = [(d.kind, d.slot_id) for d in wrong_shelf.deeds if d.sku == "rubeto-strawberry"]
    assert kinds == [("pick", "pantry/high/s1"), ("put_back", "drinks/high/s2"), ("pick", "drinks/high/s2")]


def test_the_same_scenario_and_seed_give_the_same_truth_byte_for_byte(repo_dir: Path, tmp_path: Path) -> None:
    loaded = load_scenario(repo_dir / "sample_videos" / "one-shopper" / "scenario.yaml")
    seeds = (loaded.scenario.seed, loaded.scenario.seed, 77)
    files = []
    for number, seed in enumerate(seeds):
        scenario = loaded.scenario.model_copy(update={"duration_s": 60.0})
        job = Job(
            LoadedScenario(scenario, loaded.store, loaded.file, loaded.layout_path), seed, (), RecordingSettings()
        )
        job = Job(job.loaded, seed, ("cam1",), RecordingSettings())
        out = tmp_path / str(number)
        write_truth_only(job, out)
        files.append([path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()])
    assert files[0] == files[1]
    assert files[0] != files[2]
    assert len(files[0]) == 3


def test_a_unit_handed_over_is_paid_by_who_the_scenario_says(repo_dir: Path) -> None:
    give = person("ann", 0, {"pick": {"slot": "drinks/high/s1"}}, {"hand_over": {"to": "bob"}}, {"mark": "given"})
    take = person("bob", 2, {"walk_to": {"to": [2.2, 4.2]}}, {"wait": {"mark": "given"}})
    for pays, name in (("first_taker", "visit-ann"), ("last_holder", "visit-bob")):
        play = compile_scenario(told(repo_dir, give, take, handed_over_pays=pays))
        assert receipt(play, name) == {"quellis-still": 1}
        holders = {
            item.held_by[0] for t in np.arange(0, 40, 0.5) for item in play.items(float(t)) if item.held_by is not None
        }
        assert holders == {1, 2}


def test_what_stands_on_the_floor_or_was_put_back_is_on_no_receipt(repo_dir: Path) -> None:
    steps = [
        {"pick": {"slot": "drinks/high/s1", "quantity": 3}},
        {"put_on_floor": {"taken": 1}},
        {"put_back": {"taken": 2}},
        {"pocket": {}},
        {"crouch": {}},
        {"reach": {"slot": "drinks/high/s2"}},
    ]
    play = compile_scenario(told(repo_dir, person("ann", 0, *steps)))
    assert receipt(play, "visit-ann") == {"quellis-still": 1}
    assert Counter(deed.kind for deed in play.deeds) == {"pick": 3, "put_back": 1, "touch": 1}
    assert {item.kind for item in truth(play, 10.0).interactions} == {"pick", "put_back"}
    on_floor = [item for item in play.items(59.0) if item.position_m is not None and item.position_m[2] < 0.1]
    assert len(on_floor) == 1


def test_a_group_shares_one_scan_and_one_receipt(repo_dir: Path) -> None:
    ann = person("ann", 0, {"pick": {"slot": "drinks/high/s1"}})
    bob = person("bob", 0.5, {"pick": {"slot": "household/high/s1"}}, token=None, with_shopper="ann")
    play = compile_scenario(told(repo_dir, ann, bob))
    assert [scan.party_size for scan in play.scans] == [2]
    visit = truth(play, 10.0).visits[0]
    assert visit.persons == (1, 2)
    assert receipt(play, "visit-ann") == {"quellis-still": 1, "herbelio-green": 1}


def test_staff_restocks_without_a_visit(repo_dir: Path) -> None:
    staff = person("sam", 0, {"restock": {"slot": "drinks/high/s1", "quantity": 2}}, token=None, kind="staff")
    gaps = {"gaps": [{"slot": "drinks/high/s1", "missing": 4}]}
    play = compile_scenario(told(repo_dir, staff, stock=gaps))
    assert truth(play, 10.0).visits == ()
    put = truth(play, 10.0).interactions
    assert [(item.kind, item.sku, item.visit) for item in put] == [("put_back", "quellis-still", None)] * 2
    before, after = (
        sum(item.sku == "quellis-still" and item.position_m is not None for item in play.items(at))
        for at in (0.0, 59.0)
    )
    assert after - before == 2


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"pick": {"slot": "drinks/high/s1", "stray": True}}], "does not belong there"),
        ([{"put_back": {}}], "does not have that"),
        ([{"pick": {"slot": "drinks/high/s1", "quantity": 6}}] * 2, "no unit left"),
        ([{"wait": {"for_s": 58}}], "longer than duration_s"),
        ([{"pick": {"slot": "pantry/low/s1"}}, {"put_back": {"slot": "household/high/s1"}}], "no room"),
    ],
)
def test_a_script_that_cannot_be_played_says_which_step(repo_dir: Path, steps, words: str) -> None:
    with pytest.raises(ScenarioError, match=words) as caught:
        compile_scenario(told(repo_dir, person("ann", 0, *steps), stock={"gap_share": 0.0}))
    assert "shoppers[0].script[" in str(caught.value)
