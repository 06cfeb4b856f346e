"""What the renderer draws that is not the room: people and products, with their buffers on the graphics card."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.appearance import BodyLook
from simulator.body_mesh import build_body
from simulator.graphics import Graphics, set_uniforms
from simulator.packaging import Mesh, PackagingSpec
from simulator.skeleton import BodyLibrary, PosedBody, pose_body
from simulator.state import BodyPose, ItemState
from simulator.world import StaticMesh

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]

_GLOSS = {"box": 0.25, "carton": 0.25, "can": 0.6, "bottle": 0.5, "bag": 0.5, "jar": 0.6}
_STATIC_LAYOUT = ("3f 3f 2f 4f 1f", "position", "normal", "uv", "paint", "layer")
_MAX_GAP_S = 0.5
"""Beyond this time between two states a movement is a cut, not a blur."""


class Solid:
    """Triangles that stand in the store once or many times (``stands``: x, y, z, yaw in radians)."""

    def __init__(self, graphics: Graphics, mesh: StaticMesh) -> None:
        self.graphics = graphics
        rows = np.column_stack([mesh.vertices, mesh.layers]).astype(np.float32)
        self.vertices = graphics.buffer(rows)
        self.faces = graphics.buffer(mesh.faces)
        self.count = 0
        self._draw: Any = None
        self._depth: Any = None
        self._stands: Any = None

    def stand(self, stands: F32) -> None:
        """Set where copies stand, (K, 4)."""
        self._draw = self._depth = self._stands = None
        self.count = len(stands)
        if not self.count:
            return
        make = self.graphics.context.vertex_array
        self._stands = self.graphics.buffer(stands.astype(np.float32))
        copies = (self._stands, "4f/i", "stand")
        self._draw = make(self.graphics.static, [(self.vertices, *_STATIC_LAYOUT), copies], self.faces)
        self._depth = make(self.graphics.static_depth, [(self.vertices, "3f 40x", "position"), copies], self.faces)

    def draw(self) -> None:
        """Draw all copies with the static program."""
        if self.count:
            self._draw.render(instances=self.count)

    def draw_depth(self) -> None:
        """Draw all copies into a shadow map."""
        if self.count:
            self._depth.render(instances=self.count)


class Shape(Solid):
    """One product's shape: it stands on shelves as a Solid and is drawn singly when held."""

    def __init__(self, graphics: Graphics, mesh: Mesh, spec: PackagingSpec, layer: int) -> None:
        count = len(mesh.vertices_m)
        gloss = _GLOSS[spec.kind]
        paint = np.tile([1.0, 1.0, 1.0, gloss], (count, 1))
        rows = np.column_stack([mesh.vertices_m, mesh.normals, mesh.uv, paint]).astype(np.float32)
        layers = np.full(count, layer, np.float32)
        super().__init__(graphics, StaticMesh(rows, layers, mesh.faces.astype(np.int32)))
        self.spec, self.gloss = spec, gloss
        make = graphics.context.vertex_array
        layout = ("3f 3f 2f 16x 1f", "position", "normal", "uv", "layer")
        self._single = make(graphics.item, [(self.vertices, *layout)], self.faces)
        self._single_depth = make(graphics.item_depth, [(self.vertices, "3f 40x", "position")], self.faces)
        low, high = mesh.vertices_m.min(axis=0), mesh.vertices_m.max(axis=0)
        self.corners_m = np.array(
            [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )

    def draw_single(self, model: F64, before: F64) -> None:
        """Draw one copy at ``model`` (4, 4), blurred from ``before``."""
        set_uniforms(self.graphics.item, model=model, model_before=before, gloss=self.gloss)
        self._single.render()

    def draw_single_depth(self, model: F64) -> None:
        """Draw one copy into a shadow map."""
        set_uniforms(self.graphics.item_depth, model=model)
        self._single_depth.render()


def stand_of(item: ItemState) -> tuple[float, float, float, float]:
    """Return x, y, z and the turn in radians of a standing item (its front lies at -y before turning)."""
    assert item.position_m is not None
    return (*item.position_m, math.radians(item.yaw_deg + 90.0))


def stand_matrix(item: ItemState) -> F64:
    """(4, 4) of a standing item."""
    x, y, z, turn = stand_of(item)
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.array([[cosine, -sine, 0, x], [sine, cosine, 0, y], [0, 0, 1, z], [0, 0, 0, 1.0]])


class Body:
    """One person: its skeleton, its skinned vertices and where it was an instant ago."""

    def __init__(self, graphics: Graphics, library: BodyLibrary, look: BodyLook) -> None:
        self.graphics, self.look = graphics, look
        self.skeleton = library.skeleton(look)
        mesh = build_body(library, look)
        self.count = len(mesh.rest)
        rest = np.column_stack([mesh.rest, mesh.bones, mesh.weights / 255.0]).astype(np.float32)
        self._skinned = graphics.context.buffer(reserve=self.count * 36)
        make, faces = graphics.context.vertex_array, graphics.buffer(mesh.faces)
        names = ("rest", "rest_normal", "bone", "weight")
        self._skin = make(graphics.skinning, [(graphics.buffer(rest), "3f 3f 4f 4f", *names)])
        moved = (self._skinned, "3f 3f 3f", "place", "normal", "before")
        paint = (graphics.buffer(mesh.paint), "3f 3f 2f", "rest", "colour", "surface")
        self._draw = make(graphics.body, [moved, paint], faces)
        shape = [(self._skinned, "3f 24x", "place")]
        self._depth = make(graphics.body_depth, shape, faces)
        self._white = make(graphics.body_white, shape, faces)
        self.posed: PosedBody | None = None
        self.pose: BodyPose | None = None
        self.shutter_travel_m = 0.0

    def move(self, pose: BodyPose, elapsed_s: float, shutter_s: float) -> None:
        """Take a new pose, ``elapsed_s`` after the last one, and skin it."""
        if pose == self.pose and self.shutter_travel_m == 0.0:
            return
        posed = pose_body(self.skeleton, pose)
        now = posed.bone_matrices
        before = now
        if self.posed is not None and 0 < elapsed_s <= _MAX_GAP_S:
            before = now + (self.posed.bone_matrices - now) * min(1.0, shutter_s / elapsed_s)
            ends = np.concatenate([posed.palms_m, posed.joints_m]) - np.concatenate(
                [self.posed.palms_m, self.posed.joints_m]
            )
            self.shutter_travel_m = float(np.linalg.norm(ends, axis=1).max()) * shutter_s / elapsed_s
        else:
            self.shutter_travel_m = 0.0
        self.posed, self.pose = posed, pose
        program = self.graphics.skinning
        set_uniforms(program, bones=now.reshape(-1, 4), past=before.reshape(-1, 4))
        self.graphics.skin(self._skin, self._skinned, self.count)

    def draw(self, row: int, cloth_layer: int) -> None:
        """Draw into a geometry buffer as body number ``row``."""
        second = np.array(self.look.shirt_second)
        set_uniforms(self.graphics.body, second=second, row=float(row), cloth_layer=float(cloth_layer))
        self._draw.render()

    def draw_depth(self) -> None:
        """Draw into a shadow map."""
        self._depth.render()

    def draw_white(self) -> None:
        """Draw the outline into the current target."""
        self._white.render()

    def bounds_m(self) -> F64:
        """(N, 3) points around everything that the body covers."""
        assert self.posed is not None
        joints = self.posed.joints_m
        reach = np.where(np.arange(17) < 5, 0.17, 0.16)
        palms = self.posed.palms_m
        points, radii = np.concatenate([joints, palms]), np.concatenate([reach, [0.16, 0.16]])
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return np.asarray((points[:, None] + signs[None] * radii[:, None, None]).reshape(-1, 3))
