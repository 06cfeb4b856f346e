"""Kinematics of the simulated people, without any picture: joints, palms and bone matrices.

Walking is driven by the gait phase, so feet do not slide when the caller advances the
phase by ``2 pi`` for every ``STRIDE_M`` of path. Legs and arms are solved in closed form
as two-bone chains; a hand with a target puts the middle of its palm on it whenever the
arm is long enough (``PosedBody.hand_errors_m`` says how far off it stays).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.appearance import BodyLook
from simulator.state import BodyPose, HandTarget, Side
from store_layout.model import Point3

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

ASSETS = Path(__file__).parent / "assets"

STRIDE_M = 1.32
"""Path length of one gait cycle (two steps) of a body 1.7 m tall at full step amplitude; scales with height."""

MAX_LEAN_DEG = 75.0
"""Bend of hips and back at ``lean`` 1."""

MAX_CROUCH_SHARE = 0.52
"""Share of the leg's length by which the hips sink at ``crouch`` 1."""

SIDES: tuple[Side, Side] = ("left", "right")
COCO_KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *(f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in SIDES),
)
"""Names of the rows of ``PosedBody.joints_m``."""

_JOINT_BONES = ("upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
_UP: F64 = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """One person's bones at rest, in metres: feet on z = 0, facing -y, the body's left at +x.

    ``heads_m`` (J, 3) where each bone starts, ``parents`` (J,) with -1 for the root and
    parents before children, ``face_m`` (5, 3) nose, eyes and ears, ``height_m`` to the
    crown, ``palm_m`` (2, 3) from the wrist to the middle of each palm, ``hand_frames``
    (2, 3, 3) finger, palm and thumb directions of each hand as columns.
    """

    bones: Mapping[str, int]
    parents: I64
    heads_m: F64
    face_m: F64
    height_m: float
    palm_m: F64
    hand_frames: F64

    def head_m(self, bone: str) -> F64:
        """(3,) where a bone starts at rest."""
        return np.asarray(self.heads_m[self.bones[bone]])

    def length_m(self, start: str, end: str) -> float:
        """Distance between the starts of two bones."""
        return float(np.linalg.norm(self.head_m(end) - self.head_m(start)))

    @property
    def stride_m(self) -> float:
        """Path length of one gait cycle of this body at full step amplitude."""
        return STRIDE_M * self.height_m / 1.7

    @property
    def arm_m(self) -> float:
        """From the shoulder to the middle of the palm of a straight arm."""
        upper, lower = self.length_m("upperarm01.L", "lowerarm01.L"), self.length_m("lowerarm01.L", "wrist.L")
        return upper + lower + float(np.linalg.norm(self.palm_m[0]))


@dataclass(frozen=True, slots=True, eq=False)
class PosedBody:
    """A body in the world.

    ``bone_matrices`` (J, 3, 4) take rest points to the world; ``joints_m`` (17, 3) are the
    COCO keypoints; ``palms_m`` (2, 3) and ``hand_rotations`` (2, 3, 3) belong to the left
    and the right hand. A hand rotation's columns are the directions in which the fingers
    point, the palm looks and the thumb rises. ``hand_errors_m`` (2,) is the distance of a
    palm from its target weighted by the target's blend, 0 without one.
    """

    bone_matrices: F64
    joints_m: F64
    palms_m: F64
    hand_rotations: F64
    hand_errors_m: F64

    def palm_m(self, side: Side) -> F64:
        """(3,) middle of one palm."""
        return np.asarray(self.palms_m[SIDES.index(side)])


@dataclass(frozen=True, slots=True, eq=False)
class BodyLibrary:
    """The baked bodies: rest data of every character, and the mesh parts that they share."""

    characters: tuple[str, ...]
    bones: Mapping[str, int]
    parents: I64
    heads_m: F64
    face_m: F64
    parts: Mapping[str, Mapping[str, NDArray[np.generic]]]

    def skeleton(self, look: BodyLook) -> Skeleton:
        """Return the rest skeleton of one look, scaled, with its soles on z = 0."""
        row = self.characters.index(look.character)
        lowest = float(self.vertices_m("shoes", look.character)[:, 2].min())
        shift = np.array([0.0, 0.0, -lowest])
        heads = (self.heads_m[row] + shift) * look.scale
        crown = float(self.vertices_m("head", look.character)[:, 2].max())
        return Skeleton(
            self.bones,
            self.parents,
            heads,
            (self.face_m[row] + shift) * look.scale,
            (crown - lowest) * look.scale,
            np.stack([_palm(heads, self.bones, name) for name in ("L", "R")]),
            np.stack([_hand_frame(heads, self.bones, name) for name in ("L", "R")]),
        )

    def vertices_m(self, part: str, character: str) -> F64:
        """(N, 3) rest vertices of one part as baked: unscaled, soles below z = 0."""
        packed = self.parts[part]["vertices"][self.characters.index(character)]
        return np.asarray(packed.astype(np.float64) * 1e-4)


def load_bodies(path: Path | None = None) -> BodyLibrary:
    """Read the baked bodies; raises FileNotFoundError where they were never baked."""
    with np.load(path or ASSETS / "bodies.npz", allow_pickle=False) as data:
        fields = ("vertices", "faces", "materials", "bones", "weights")
        return BodyLibrary(
            tuple(str(name) for name in data["characters"]),
            {str(name): row for row, name in enumerate(data["bones"])},
            data["parents"].astype(np.int64),
            data["heads_m"].astype(np.float64),
            data["face_m"].astype(np.float64),
            {str(part): {field: data[f"{part}/{field}"] for field in fields} for part in data["parts"]},
        )


def _unit(vector: F64) -> F64:
    return np.asarray(vector / (math.sqrt(float(vector @ vector)) + 1e-12))


def _hand_frame(heads_m: F64, bones: Mapping[str, int], side: str) -> F64:
    """(3, 3) columns: finger direction, palm normal, thumb direction of a hand at rest."""
    wrist = heads_m[bones[f"wrist.{side}"]]
    fingers = _unit(heads_m[bones[f"finger3-1.{side}"]] - wrist)
    across = heads_m[bones[f"finger2-1.{side}"]] - heads_m[bones[f"finger5-1.{side}"]]
    thumb = _unit(across - fingers * float(across @ fingers))
    palm = np.cross(thumb, fingers) if side == "R" else np.cross(fingers, thumb)
    return np.stack([fingers, palm, thumb], axis=1)


def _palm(heads_m: F64, bones: Mapping[str, int], side: str) -> F64:
    """(3,) from the wrist to the middle of the palm's surface at rest."""
    wrist, knuckle = heads_m[bones[f"wrist.{side}"]], heads_m[bones[f"finger3-1.{side}"]]
    frame = _hand_frame(heads_m, bones, side)
    return np.asarray((knuckle - wrist) * 0.9 + frame[:, 1] * 0.015)


def _rotation(axis: int, angle_rad: float) -> F64:
    """(3, 3) rotation about a coordinate axis."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    first, second = [(1, 2), (2, 0), (0, 1)][axis]
    out = np.eye(3)
    out[first, first] = out[second, second] = cosine
    out[first, second], out[second, first] = -sine, sine
    return out


def _about(axis: F64, angle_rad: float) -> F64:
    """(3, 3) rotation about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + math.sin(angle_rad) * cross + (1 - math.cos(angle_rad)) * cross @ cross)


def _align(start: F64, end: F64) -> F64:
    """(3, 3) shortest rotation taking one direction to another."""
    start, end = _unit(start), _unit(end)
    cosine = float(start @ end)
    if cosine < -0.9999:
        side = _unit(np.cross(start, [0.31, 0.59, 0.74]))
        return _about(side, math.pi)
    x, y, z = np.cross(start, end)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def _two_bones(start: F64, target: F64, upper_m: float, lower_m: float, pole: F64) -> tuple[F64, F64]:
    """Return the middle joint and the end of a two-bone chain (law of cosines), bent towards ``pole``."""
    direction = target - start
    distance = math.sqrt(float(direction @ direction)) + 1e-9
    direction = direction / distance
    reach = min(max(distance, abs(upper_m - lower_m) + 1e-3), (upper_m + lower_m) * 0.998)
    cosine = (upper_m**2 + reach**2 - lower_m**2) / (2 * upper_m * reach)
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    bend = _unit(pole - direction * float(pole @ direction))
    middle = start + direction * (upper_m * math.cos(angle)) + bend * (upper_m * math.sin(angle))
    return middle, start + direction * reach


class _Poser:
    """Poses one body: walks down the bones, from hips over spine to hands."""

    def __init__(self, skeleton: Skeleton, pose: BodyPose) -> None:
        self.skeleton, self.pose = skeleton, pose
        joints = len(skeleton.parents)
        self.rotations = np.zeros((joints, 3, 3))
        self.starts_m = np.zeros((joints, 3))
        self.yaw = _rotation(2, math.radians(pose.heading_deg + 90.0))
        self.forward = self.yaw @ np.array([0.0, -1.0, 0.0])
        self.left = self.yaw @ np.array([1.0, 0.0, 0.0])
        self.size = skeleton.height_m / 1.7
        self.posed: set[int] = set()

    def place(self, bone: str, rotation: F64 | None = None) -> None:
        """Hang a bone on its parent, turned like the parent unless told otherwise."""
        row = self.skeleton.bones[bone]
        parent = int(self.skeleton.parents[row])
        self.starts_m[row] = self.starts_m[parent] + self.rotations[parent] @ (
            self.skeleton.heads_m[row] - self.skeleton.heads_m[parent]
        )
        self.rotations[row] = self.rotations[parent] if rotation is None else rotation
        self.posed.add(row)

    def parent_rotation(self, bone: str) -> F64:
        """(3, 3) world rotation of a bone's parent."""
        return np.asarray(self.rotations[self.skeleton.parents[self.skeleton.bones[bone]]])

    def start_m(self, bone: str) -> F64:
        """(3,) where a posed bone starts."""
        return np.asarray(self.starts_m[self.skeleton.bones[bone]])

    def point_bone(self, bone: str, child: str, end_m: F64) -> None:
        """Place a bone so that the child's start comes towards ``end_m``."""
        self.place(bone)
        parent = self.parent_rotation(bone)
        rest = parent @ (self.skeleton.head_m(child) - self.skeleton.head_m(bone))
        self.rotations[self.skeleton.bones[bone]] = _align(rest, end_m - self.start_m(bone)) @ parent

    def run(self) -> PosedBody:
        """Pose everything."""
        self._hips()
        for side in ("L", "R"):
            self._leg(side)
        self._spine()
        errors = np.array([self._arm(side, name) for side, name in (("L", SIDES[0]), ("R", SIDES[1]))])
        self._head()
        for bone, row in self.skeleton.bones.items():
            if row not in self.posed:
                self.place(bone)
        return self._result(errors)

    def _hips(self) -> None:
        """Hips sway and bob with the gait, sink with crouching and move back with leaning."""
        pose, amplitude = self.pose, self.pose.step_amplitude
        bend = math.radians(MAX_LEAN_DEG) * pose.lean
        bob = (-0.026 - 0.022 * math.cos(2 * pose.gait_phase_rad)) * amplitude - 0.006
        sink = self.leg_m("L") * MAX_CROUCH_SHARE * pose.crouch
        back = 0.16 * math.sin(0.5 * bend) + 0.08 * pose.crouch
        root = np.array([*pose.position_m, self.skeleton.head_m("root")[2] + (bob - 0.05 * bend) * self.size - sink])
        root += self.left * (0.015 * amplitude * math.sin(pose.gait_phase_rad)) - self.forward * back * self.size
        row = self.skeleton.bones["root"]
        tilt = 0.45 * bend + 0.35 * pose.crouch
        self.starts_m[row] = root
        self.rotations[row] = (
            self.yaw @ _rotation(2, 0.10 * amplitude * math.cos(pose.gait_phase_rad)) @ _rotation(0, tilt)
        )
        self.posed.add(row)

    def leg_m(self, side: str) -> float:
        """Length of a straight leg, hip to ankle."""
        skeleton = self.skeleton
        upper = skeleton.length_m(f"upperleg01.{side}", f"lowerleg01.{side}")
        return upper + skeleton.length_m(f"lowerleg01.{side}", f"foot.{side}")

    def _step(self, side: str) -> tuple[float, float, float]:
        """Forward offset, lift and pitch of a foot: 60 % stance sliding back, 40 % swing."""
        amplitude = self.pose.step_amplitude
        cycle = (self.pose.gait_phase_rad / (2 * math.pi) + (0.0 if side == "L" else 0.5)) % 1.0
        step = STRIDE_M * 0.3 * amplitude * self.size
        if cycle < 0.6:
            share = cycle / 0.6
            pitch = -0.25 * max(0.0, 0.12 - share) / 0.12 + 0.5 * max(0.0, share - 0.75) / 0.25
            return step * (1 - 2 * share), 0.0, amplitude * pitch
        share = (cycle - 0.6) / 0.4
        ease = 3 * share**2 - 2 * share**3
        return step * (2 * ease - 1), 0.09 * amplitude * math.sin(math.pi * share), amplitude * (0.5 - 0.75 * share)

    def _leg(self, side: str) -> None:
        skeleton = self.skeleton
        ahead, lift, pitch = self._step(side)
        ankle = skeleton.head_m(f"foot.{side}")
        target = np.array([*self.pose.position_m, ankle[2] + lift + max(0.0, pitch) * 0.10])
        target += self.left * ankle[0] * (0.62 + 0.25 * self.pose.crouch) + self.forward * ahead
        outward = self.left * (0.08 + 0.3 * self.pose.crouch) * (1 if side == "L" else -1)
        thigh, shin, foot, pelvis = (f"{bone}.{side}" for bone in ("upperleg01", "lowerleg01", "foot", "pelvis"))
        self.place(pelvis)
        self.place(thigh)
        lengths = skeleton.length_m(thigh, shin), skeleton.length_m(shin, foot)
        knee, end = _two_bones(self.start_m(thigh), target, *lengths, self.forward + outward)
        self.point_bone(thigh, shin, knee)
        self.point_bone(shin, foot, end)
        toe_out = 0.1 if side == "L" else -0.1
        heel = 0.35 * max(0.0, self.pose.crouch - 0.5)
        self.place(foot, self.yaw @ _rotation(0, pitch + heel) @ _rotation(2, toe_out))

    def _spine(self) -> None:
        pose = self.pose
        bend = math.radians(MAX_LEAN_DEG) * pose.lean * 0.55 / 4
        twist = self._reach_twist() / 4 - 0.05 * pose.step_amplitude * math.cos(pose.gait_phase_rad)
        for bone in ("spine05", "spine04", "spine03", "spine02"):
            self.place(bone, self.parent_rotation(bone) @ _rotation(0, bend) @ _rotation(2, twist))
        self.place("spine01")

    def _reach_twist(self) -> float:
        """Turn of the chest that brings the reaching shoulder forward, at most 0.35 rad."""
        total = 0.0
        for sign, side in ((-1.0, SIDES[0]), (1.0, SIDES[1])):
            target = self.pose.hand(side)
            if target is not None:
                away = np.array(target.point_m[:2]) - np.array(self.pose.position_m)
                far = math.sqrt(float(away @ away)) / (0.75 * self.skeleton.arm_m)
                total += sign * 0.35 * target.blend * min(1.0, max(0.0, far - 0.4))
        return total

    def _head(self) -> None:
        self.place("neck01")
        parent = self.parent_rotation("head")
        self.place("head")
        if self.pose.look_at_m is None:
            return
        x, y, z = parent.T @ (np.array(self.pose.look_at_m) - self.start_m("head"))
        turn = min(0.9, max(-0.9, math.atan2(x, -y)))
        nod = min(0.5, max(-0.8, math.atan2(z - 0.06, math.hypot(x, y))))
        self.rotations[self.skeleton.bones["head"]] = parent @ _rotation(2, turn * 0.8) @ _rotation(0, -nod * 0.7)

    def _swing(self, side: str, carry: float) -> tuple[F64, F64]:
        """Directions of a hanging upper arm and forearm in the body's frame (x left, -y forward)."""
        amplitude = self.pose.step_amplitude
        sign = 1.0 if side == "L" else -1.0
        phase = self.pose.gait_phase_rad + (math.pi if side == "L" else 0.0)
        swing = 0.42 * amplitude * math.cos(phase) + 0.05
        bent = swing + 0.28 + 0.15 * amplitude * max(0.0, math.cos(phase))
        upper = _unit(np.array([sign * 0.16, -math.sin(swing), -math.cos(swing)]))
        fore = _unit(np.array([sign * 0.06, -math.sin(bent), -math.cos(bent)]))
        held_upper = _unit(np.array([sign * 0.12, -0.10, -1.0]))
        held_fore = _unit(np.array([-sign * 0.18, -1.0, -0.05]))
        return upper * (1 - carry) + held_upper * carry, fore * (1 - carry) + held_fore * carry

    def _arm(self, side: str, name: Side) -> float:
        """Pose one arm; return how far the palm stays from its target."""
        target = self.pose.hand(name)
        blend = 0.0 if target is None else target.blend
        sign = 1.0 if side == "L" else -1.0
        self._lift_shoulder(side, target, sign)
        self.place(f"shoulder01.{side}")
        self.place(f"upperarm01.{side}")
        elbow, wrist = self._hanging(side, self.pose.carry(name))
        goal: F64 | None = None
        if target is not None and blend > 0:
            goal = self._goal(side, wrist, elbow, target)
            elbow, wrist = self._reaching(side, goal, elbow, blend)
        self._bend_arm(side, elbow, wrist)
        palm = self._palm_m(side)
        if goal is None:
            return 0.0
        for _ in range(4):
            # The palm lies beyond the wrist and off the forearm's axis: aim by what the last try missed.
            aim = wrist + (goal - palm)
            elbow, wrist = self._solve(side, aim, elbow, blend)
            self._bend_arm(side, elbow, wrist)
            palm = self._palm_m(side)
        return float(np.linalg.norm(goal - palm))

    def _lift_shoulder(self, side: str, target: HandTarget | None, sign: float) -> None:
        """Raise the collar bone for what is higher than the shoulder, at most 0.5 rad."""
        clavicle = f"clavicle.{side}"
        self.place(clavicle)
        if target is not None:
            above = (target.point_m[2] - self.start_m(clavicle)[2]) / 0.3
            lift = target.blend * 0.5 * min(1.0, max(0.0, above))
            turned = self.parent_rotation(clavicle) @ _rotation(1, -sign * lift)
            self.rotations[self.skeleton.bones[clavicle]] = turned

    def _hanging(self, side: str, carry: float) -> tuple[F64, F64]:
        upper, fore = self._swing(side, carry)
        lengths = self._arm_lengths(side)
        elbow = self.start_m(f"upperarm01.{side}") + self.yaw @ _unit(upper) * lengths[0]
        return elbow, elbow + self.yaw @ _unit(fore) * lengths[1]

    def _arm_lengths(self, side: str) -> tuple[float, float]:
        names = (f"upperarm01.{side}", f"lowerarm01.{side}", f"wrist.{side}")
        return self.skeleton.length_m(*names[:2]), self.skeleton.length_m(*names[1:])

    def _goal(self, side: str, wrist: F64, elbow: F64, target: HandTarget) -> F64:
        """(3,) where the palm shall be: between where it would hang and the target."""
        hanging = wrist + _unit(wrist - elbow) * float(np.linalg.norm(self.skeleton.palm_m[0 if side == "L" else 1]))
        return np.asarray(hanging * (1 - target.blend) + np.array(target.point_m) * target.blend)

    def _reaching(self, side: str, goal: F64, elbow: F64, blend: float) -> tuple[F64, F64]:
        away = _unit(goal - self.start_m(f"upperarm01.{side}"))
        palm = float(np.linalg.norm(self.skeleton.palm_m[0 if side == "L" else 1]))
        return self._solve(side, goal - away * palm, elbow, blend)

    def _solve(self, side: str, wrist_goal: F64, elbow: F64, blend: float) -> tuple[F64, F64]:
        """Two-bone solution with the elbow low and outward, or where it hung while the blend is small."""
        shoulder = self.start_m(f"upperarm01.{side}")
        outward = self.left * (0.45 if side == "L" else -0.45)
        pole = (outward - _UP) * blend + (1 - blend) * (elbow - (shoulder + wrist_goal) / 2)
        return _two_bones(shoulder, wrist_goal, *self._arm_lengths(side), pole)

    def _bend_arm(self, side: str, elbow: F64, wrist: F64) -> None:
        """Set the bones of an arm; the forearm twists half way to where the thumb rises."""
        self.point_bone(f"upperarm01.{side}", f"lowerarm01.{side}", elbow)
        self.point_bone(f"lowerarm01.{side}", f"wrist.{side}", wrist)
        axis = _unit(wrist - elbow)
        fore = self.rotations[self.skeleton.bones[f"lowerarm01.{side}"]]
        twist = self._twist(side, fore, axis)
        self.place(f"lowerarm02.{side}", _about(axis, twist * 0.6) @ fore)
        self.place(f"wrist.{side}", _about(axis, twist) @ fore)
        self._curl(side)

    def _twist(self, side: str, fore: F64, axis: F64) -> float:
        """Angle about the forearm that lifts the thumb: forward on a hanging arm, up on a raised one."""
        thumb = fore @ self.skeleton.hand_frames[0 if side == "L" else 1][:, 2]
        wish = _UP + self.forward
        thumb, wish = (_unit(vector - axis * float(vector @ axis)) for vector in (thumb, wish))
        angle = math.atan2(float(np.cross(thumb, wish) @ axis), float(thumb @ wish))
        return min(1.7, max(-1.7, angle))

    def _curl(self, side: str) -> None:
        """Bend the fingers: slightly when idle, around the product when holding or reaching."""
        name: Side = SIDES[0] if side == "L" else SIDES[1]
        target = self.pose.hand(name)
        grip = max(self.pose.carry(name), 0.6 * (target.blend if target is not None else 0.0))
        hand = self.rotations[self.skeleton.bones[f"wrist.{side}"]]
        frame = hand @ self.skeleton.hand_frames[0 if side == "L" else 1]
        axis = frame[:, 2] if side == "L" else -frame[:, 2]
        for finger in range(2, 6):
            for joint, share in ((1, 0.45), (2, 1.0)):
                bend = _about(axis, -(0.25 + 0.55 * grip) * share)
                self.place(f"finger{finger}-{joint}.{side}", bend @ hand)
        for joint in (1, 2):
            self.place(f"finger1-{joint}.{side}")

    def _palm_m(self, side: str) -> F64:
        row = self.skeleton.bones[f"wrist.{side}"]
        return np.asarray(self.starts_m[row] + self.rotations[row] @ self.skeleton.palm_m[0 if side == "L" else 1])

    def _result(self, errors: F64) -> PosedBody:
        skeleton, rotations = self.skeleton, self.rotations
        shift = self.starts_m - np.einsum("jab,jb->ja", rotations, skeleton.heads_m)
        matrices = np.concatenate([rotations, shift[:, :, None]], axis=2)
        head = matrices[skeleton.bones["head"]]
        face = skeleton.face_m @ head[:, :3].T + head[:, 3]
        limbs = [self.start_m(f"{bone}.{side}") for bone in _JOINT_BONES for side in ("L", "R")]
        hands = [
            rotations[skeleton.bones[f"wrist.{side}"]] @ skeleton.hand_frames[row]
            for row, side in enumerate(("L", "R"))
        ]
        palms = np.stack([self._palm_m("L"), self._palm_m("R")])
        return PosedBody(matrices, np.concatenate([face, np.stack(limbs)]), palms, np.stack(hands), errors)


def pose_body(skeleton: Skeleton, pose: BodyPose) -> PosedBody:
    """Pose one body in the world."""
    return _Poser(skeleton, pose).run()


def held_item_frame(posed: PosedBody, side: Side, size_m: Point3) -> F64:
    """(3, 4) rotation and place of a held product: item axes (x right, -y front, z up) to the world.

    The product stands on the thumb's axis, its side against the palm, gripped at 0.45 of
    its height, and turns with the whole wrist.
    """
    row = SIDES.index(side)
    _, palm, thumb = posed.hand_rotations[row].T
    width_m, depth_m, height_m = size_m
    # The thin side lies between palm and fingers, and a wide front looks away from the palm.
    if width_m >= depth_m:
        rotation = np.stack([np.cross(-palm, thumb), -palm, thumb], axis=1)
    else:
        rotation = np.stack([palm, np.cross(thumb, palm), thumb], axis=1)
    origin = posed.palms_m[row] + palm * (min(width_m, depth_m) / 2 + 0.004) - thumb * (0.45 * height_m)
    return np.concatenate([rotation, origin[:, None]], axis=1)


def plan_reach(skeleton: Skeleton, pose: BodyPose, side: Side, target_m: Point3, within_m: float = 0.02) -> BodyPose:
    """Return ``pose`` with the hand at the target and no more lean and crouch than that takes.

    Tries bends from none to full and keeps the first whose palm comes within
    ``within_m``, else the closest; ``pose_body(...).hand_errors_m`` tells what is left.
    """
    best, best_error = pose, math.inf
    for lean, crouch in _bends(target_m[2] < 0.55 * skeleton.height_m):
        tried = replace(pose, lean=max(pose.lean, lean), crouch=max(pose.crouch, crouch))
        hand = HandTarget(target_m, 1.0)
        tried = replace(tried, left_hand=hand) if side == "left" else replace(tried, right_hand=hand)
        error = float(pose_body(skeleton, tried).hand_errors_m[SIDES.index(side)])
        if error < best_error - 1e-9:
            best, best_error = tried, error
        if error <= within_m:
            break
    return best


def _bends(low: bool) -> list[tuple[float, float]]:
    """Pairs of lean and crouch, least first; low targets crouch, high ones only lean."""
    bends = [(0.0, 0.0), (0.12, 0.0), (0.25, 0.0), (0.4, 0.0)]
    if low:
        bends += [(0.3, 0.25), (0.45, 0.3), (0.45, 0.5), (0.55, 0.65), (0.6, 0.8), (0.75, 0.9), (1.0, 1.0)]
    return bends
