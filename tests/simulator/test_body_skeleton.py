from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.appearance import ADULT_CHARACTERS, CHARACTERS, BodyLook, draw_look, draw_looks
from simulator.skeleton import ASSETS, COCO_KEYPOINTS, BodyLibrary, held_item_frame, load_bodies, plan_reach, pose_body
from simulator.state import BodyPose, HandTarget, ItemState, SceneState

LIBRARY = load_bodies()
ROW = {name: index for index, name in enumerate(COCO_KEYPOINTS)}
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def skeleton_of(character: str):
    return LIBRARY.skeleton(BodyLook(character))


def test_every_named_character_is_baked_and_the_file_is_small() -> None:
    assert LIBRARY.characters == CHARACTERS
    assert (ASSETS / "bodies.npz").stat().st_size < 4_000_000


@pytest.mark.parametrize("part", sorted(LIBRARY.parts))
def test_baked_parts_are_whole(part: str) -> None:
    mesh = LIBRARY.parts[part]
    count = mesh["vertices"].shape[1]
    assert mesh["faces"].max() < count
    assert (mesh["weights"].astype(int).sum(axis=1) == 255).all()
    assert mesh["bones"].max() < len(LIBRARY.bones)


def test_heights_are_those_of_people() -> None:
    heights = {name: skeleton_of(name).height_m for name in CHARACTERS}
    assert all(1.45 < heights[name] < 1.95 for name in ADULT_CHARACTERS)
    assert all(1.05 < heights[name] < 1.4 for name in ("girl", "boy"))
    assert heights["man-tall"] - heights["woman-short"] > 0.25


@given(
    character=st.sampled_from(CHARACTERS),
    phase=st.floats(0, 2 * math.pi),
    step=st.floats(0, 1),
    crouch=st.floats(0, 1),
    lean=st.floats(0, 1),
)
@settings(max_examples=15, deadline=None)
def test_bones_keep_their_lengths_and_feet_stay_above_the_floor(
    character: str, phase: float, step: float, crouch: float, lean: float
) -> None:
    skeleton = skeleton_of(character)
    posed = pose_body(skeleton, BodyPose(1, (1.0, 2.0), 30.0, phase, step, crouch, lean))
    for side, tag in (("left", "L"), ("right", "R")):
        chains = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
        bones = (("upperarm01", "lowerarm01", "wrist"), ("upperleg01", "lowerleg01", "foot"))
        for names, parts in zip(chains, bones, strict=True):
            for start, end in ((0, 1), (1, 2)):
                length = np.linalg.norm(
                    posed.joints_m[ROW[f"{side}_{names[start]}"]] - posed.joints_m[ROW[f"{side}_{names[end]}"]]
                )
                assert length == pytest.approx(
                    skeleton.length_m(f"{parts[start]}.{tag}", f"{parts[end]}.{tag}"), abs=1e-3
                )
        assert posed.joints_m[ROW[f"{side}_ankle"], 2] > 0.03


@given(turn=st.floats(-720, 720), x=st.floats(-20, 20), y=st.floats(-20, 20))
@settings(max_examples=10, deadline=None)
def test_a_pose_turns_and_moves_as_a_whole(turn: float, x: float, y: float) -> None:
    skeleton = skeleton_of("woman-slim")
    here = pose_body(skeleton, BodyPose(1, (0.0, 0.0), 0.0, 1.0, 0.8)).joints_m
    there = pose_body(skeleton, BodyPose(1, (x, y), turn, 1.0, 0.8)).joints_m
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    expected = here @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]) + [x, y, 0]
    np.testing.assert_allclose(there, expected, atol=1e-9)


def test_heading_zero_faces_along_x() -> None:
    joints = pose_body(skeleton_of("man-middle"), BodyPose(1, (0.0, 0.0), 0.0)).joints_m
    ears = (joints[ROW["left_ear"]] + joints[ROW["right_ear"]]) / 2
    assert joints[ROW["nose"], 0] > ears[0] + 0.05
    assert joints[ROW["left_shoulder"], 1] > joints[ROW["right_shoulder"], 1] + 0.2


def test_half_a_gait_cycle_mirrors_the_pose() -> None:
    skeleton = skeleton_of("man-slim")
    first = pose_body(skeleton, BodyPose(1, (0.0, 0.0), 0.0, 0.7, 1.0)).joints_m
    second = pose_body(skeleton, BodyPose(1, (0.0, 0.0), 0.0, 0.7 + math.pi, 1.0)).joints_m
    np.testing.assert_allclose(second[MIRRORED] * [1, -1, 1], first, atol=0.012)


def test_the_standing_foot_does_not_slide() -> None:
    skeleton = skeleton_of("man-middle")
    places = []
    for share in np.linspace(0.05, 0.55, 11):
        pose = BodyPose(1, (share * skeleton.stride_m, 0.0), 0.0, share * 2 * math.pi, 1.0)
        places.append(pose_body(skeleton, pose).joints_m[ROW["left_ankle"], :2])
    assert np.ptp(places, axis=0).max() < 0.05


@given(
    character=st.sampled_from(ADULT_CHARACTERS),
    height=st.floats(0.3, 1.5),
    side=st.sampled_from(["left", "right"]),
    across=st.floats(-0.2, 0.2),
    heading=st.floats(-180, 180),
)
@settings(max_examples=15, deadline=None)
def test_the_palm_reaches_into_shelves(character: str, height: float, side: str, across: float, heading: float) -> None:
    skeleton = skeleton_of(character)
    turn = math.radians(heading)
    ahead, left = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    target = (*(0.48 * ahead + across * left), height)
    pose = plan_reach(skeleton, BodyPose(1, (0.0, 0.0), heading), side, target)
    posed = pose_body(skeleton, pose)
    assert posed.hand_errors_m.max() < 0.03
    assert np.linalg.norm(posed.palm_m(side) - target) < 0.03


def test_tall_people_reach_a_shelf_at_170_cm() -> None:
    for character in ("man-tall", "man-middle", "woman-tall"):
        pose = plan_reach(skeleton_of(character), BodyPose(1, (0.0, 0.0), 0.0), "right", (0.45, -0.1, 1.7))
        assert pose_body(skeleton_of(character), pose).hand_errors_m[1] < 0.03


def test_a_target_out_of_reach_is_reported_not_faked() -> None:
    pose = BodyPose(1, (0.0, 0.0), 0.0, right_hand=HandTarget((2.0, 0.0, 1.2)))
    posed = pose_body(skeleton_of("man-middle"), pose)
    assert posed.hand_errors_m[1] > 1.0
    assert posed.hand_errors_m[1] == pytest.approx(np.linalg.norm(posed.palms_m[1] - (2.0, 0.0, 1.2)), abs=1e-6)


def test_blending_moves_the_palm_steadily_to_its_target() -> None:
    skeleton, target = skeleton_of("woman-middle"), (0.4, -0.2, 1.1)
    away = [
        np.linalg.norm(
            pose_body(skeleton, BodyPose(1, (0.0, 0.0), 0.0, right_hand=HandTarget(target, blend))).palms_m[1] - target
        )
        for blend in np.linspace(0, 1, 9)
    ]
    assert all(later < earlier for earlier, later in pairwise(away))
    assert away[-1] < 0.02


def test_a_held_bottle_stays_upright_in_a_carrying_hand() -> None:
    posed = pose_body(skeleton_of("man-middle"), BodyPose(1, (0.0, 0.0), 40.0, carry_right=1.0))
    frame = held_item_frame(posed, "right", (0.07, 0.07, 0.24))
    np.testing.assert_allclose(frame[:, :3].T @ frame[:, :3], np.eye(3), atol=1e-9)
    assert np.linalg.det(frame[:, :3]) == pytest.approx(1.0)
    assert frame[2, 2] > 0.8
    middle = frame[:, 3] + frame[:, 2] * 0.12
    assert np.linalg.norm(middle - posed.palm_m("right")) < 0.07


def test_looks_are_drawn_from_the_generator_alone() -> None:
    first = draw_looks((3, 1, 2), np.random.default_rng(9))
    assert first == draw_looks((3, 1, 2), np.random.default_rng(9))
    many = [draw_look(np.random.default_rng(seed)) for seed in range(60)]
    assert len({look.character for look in many}) > 8
    assert len({look.shirt_pattern for look in many}) >= 4


def test_impossible_states_are_refused() -> None:
    with pytest.raises(ValueError, match=r"lean must lie in 0\.\.1"):
        BodyPose(1, (0.0, 0.0), 0.0, lean=1.2)
    with pytest.raises(ValueError, match="cannot stand and be held"):
        ItemState(1, "a", (0.0, 0.0, 0.0), held_by=(1, "left"))
    with pytest.raises(ValueError, match="a person appears twice"):
        SceneState(0.0, (BodyPose(1, (0.0, 0.0), 0.0), BodyPose(1, (1.0, 0.0), 0.0)))
    with pytest.raises(ValueError, match="no baked body"):
        BodyLook("giant")


def test_bodies_stand_on_the_floor_at_any_scale() -> None:
    library: BodyLibrary = LIBRARY
    for scale in (0.85, 1.15):
        skeleton = library.skeleton(BodyLook("man-broad", scale=scale))
        assert skeleton.height_m == pytest.approx(skeleton_of("man-broad").height_m * scale)
        ankle = pose_body(skeleton, BodyPose(1, (0.0, 0.0), 0.0)).joints_m[ROW["left_ankle"], 2]
        assert 0.04 < ankle < 0.14
