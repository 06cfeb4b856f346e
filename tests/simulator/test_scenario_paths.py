import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.scenario.motion import Keys, ease
from simulator.scenario.paths import MARGIN_M, FloorMap, resample
from simulator.scenario.streams import stream
from simulator.scenario.traffic import along_line
from store_layout.files import load_store
from store_layout.geometry import StoreGeometry

NOBODY = np.zeros((0, 2))


@pytest.fixture(scope="module")
def floor(repo_dir: Path) -> FloorMap:
    return FloorMap(StoreGeometry(load_store(repo_dir / "sample_videos" / "store" / "layout.yaml")))


def test_a_route_keeps_off_walls_and_shelves(floor: FloorMap) -> None:
    start, goal = np.array([3.1, 6.8]), np.array([0.9, 1.6])
    route = floor.route(start, goal, floor.taste(stream(1, "x")), NOBODY, 0.5)
    assert route is not None
    assert np.allclose(route[[0, -1]], [start, goal])
    assert floor.is_free(route, slack_m=0.07)
    assert 5.5 < np.sqrt((np.diff(route, axis=0) ** 2).sum(axis=1)).sum() < 9.0


def test_a_route_goes_around_who_stands_in_the_way(floor: FloorMap) -> None:
    start, goal, body = np.array([1.4, 4.6]), np.array([4.2, 4.6]), np.array([2.8, 4.6])
    taste = np.zeros(floor.shape)
    straight = floor.route(start, goal, taste, NOBODY, 0.5)
    around = floor.route(start, goal, taste, body[None], 0.5)
    assert straight is not None
    assert around is not None
    assert np.sqrt(((straight - body) ** 2).sum(axis=1)).min() < 0.3
    assert np.sqrt(((around - body) ** 2).sum(axis=1)).min() > 0.4


def test_there_is_no_route_into_a_shelf(floor: FloorMap) -> None:
    assert floor.route(np.array([2.0, 4.0]), np.array([4.0, 1.5]), np.zeros(floor.shape), NOBODY, 0.5) is None
    assert not floor.is_free(np.array([[2.4, 5.8]]))
    assert floor.clearance_m[floor.free].min() >= MARGIN_M


@given(length=st.floats(0.05, 12.0), speed=st.floats(0.5, 1.5))
def test_a_walk_takes_the_time_that_its_speed_allows(length: float, speed: float) -> None:
    places = along_line(np.array([[0.0, 0.0], [length, 0.0]]), speed)
    steps = np.diff(np.concatenate([[0.0], places[:, 0]]))
    assert math.isclose(places[-1, 0], length, abs_tol=1e-9)
    assert steps.min() >= -1e-9
    assert steps.max() <= speed * 0.05 + 1e-9


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 5)), min_size=1, max_size=6), st.floats(-1, 12))
def test_keyed_values_stay_between_their_keys(keys: list[tuple[float, float]], at_s: float) -> None:
    channel = Keys((0.0,))
    for time, value in keys:
        channel.add(time, value)
    bounds = [0.0, *(value for _, value in keys)]
    assert min(bounds) - 1e-9 <= channel.at(at_s)[0] <= max(bounds) + 1e-9
    assert channel.times_s == sorted(channel.times_s)


def test_ease_is_at_rest_at_both_ends() -> None:
    assert [ease(share) for share in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]


def test_resampling_keeps_the_ends() -> None:
    line = resample(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]), 0.1)
    assert np.allclose(line[[0, -1]], [[0, 0], [1, 2]])
    assert np.abs(np.sqrt((np.diff(line, axis=0) ** 2).sum(axis=1)) - 0.1).max() < 0.04


def test_streams_differ_by_name_and_not_by_run() -> None:
    assert stream(3, "a", 1).random() == stream(3, "a", 1).random()
    assert len({stream(3, *name).random() for name in (("a", 1), ("a", 2), ("a1",), ("b", 1))}) == 4
