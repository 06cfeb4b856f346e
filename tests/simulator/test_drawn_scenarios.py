"""Drawn scenarios: the same seed tells the same, every plan can be shopped in, and the command's words are understood."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.scenarios.__main__ import cases, numbers
from benchmarks.scenarios.drawn import CROWD_APART_S, PLANS, Difficulty, difficulty_for, draw_scenario, plan_of
from benchmarks.scenarios.make import drawing, playable
from benchmarks.scenarios.shop import draw_shop
from simulator.packaging import load_specs
from simulator.scenario.director import compile_scenario
from simulator.scenario.files import check_scenario
from simulator.scenario.truth import truth
from store_layout.checks import store_problems
from store_layout.errors import InputError
from store_layout.model import Store


@pytest.fixture(scope="module")
def hall() -> Store:
    return draw_shop("hall", load_specs(), np.random.default_rng(1), True, 3)


def test_a_shop_is_sound_and_a_number_always_draws_the_same(hall: Store) -> None:
    assert [problem for problem in store_problems(hall) if problem.severity == "error"] == []
    difficulty = Difficulty(shoppers=3)
    scenario = draw_scenario(difficulty, hall, "a", 5)
    check_scenario(scenario, hall)
    assert scenario == draw_scenario(difficulty, hall, "a", 5)
    assert scenario.shoppers != draw_scenario(difficulty, hall, "a", 6).shoppers
    assert len(scenario.shoppers) == 3


def test_any_three_seeds_have_all_plans() -> None:
    assert {plan_of(seed) for seed in (100, 101, 102)} == set(PLANS)


def test_a_crowd_comes_less_close_after_each_other() -> None:
    assert difficulty_for(2).apart_s == difficulty_for(4).apart_s == Difficulty(shoppers=1).apart_s
    assert difficulty_for(8).apart_s == 8 * CROWD_APART_S


def test_numbers_are_read_and_nonsense_is_refused() -> None:
    assert numbers("3, 7,100-102", "seeds") == [3, 7, 100, 101, 102]
    assert numbers("", "drawn") == []
    for text in ("x", "3-y", "-4"):
        with pytest.raises(InputError, match="is no number"):
            numbers(text, "seeds")
    with pytest.raises(InputError, match="9 shoppers"):
        cases([9], [100], load_specs())


def test_cases_are_named_after_shoppers_and_seed() -> None:
    assert [case.name for case in cases([1, 4], [100, 101], load_specs())] == [
        "drawn-1-100", "drawn-1-101", "drawn-4-100", "drawn-4-101",
    ]  # fmt: skip


@pytest.mark.slow
def test_eight_shoppers_play_to_the_end() -> None:
    name = "drawn-8-101"
    loaded = playable(drawing(name, difficulty_for(8), 101, load_specs()), name)
    assert len(truth(compile_scenario(loaded), 10.0).visits) == 8
