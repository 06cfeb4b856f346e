"""Bake the simulated people's bodies into ``simulator/assets/bodies.npz``.

Run once, by hand: ``pip install anny fast-simplification`` (brings PyTorch), then
``python -m simulator.bake``. Nothing else needs these packages. anny is Apache-2.0,
the MakeHuman data in it CC0; its SMPL-X topology is not used.

Every character shares one topology: parts are cut and thinned on the mean body, and
each character's vertices follow. Rest pose: z up, facing -y, the body's left at +x.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from simulator.appearance import CHARACTERS

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

VERTEX_STEP_M = 1e-4
"""Vertices are stored as int16 in this step: +-3.2 m at a tenth of a millimetre."""

FACE_SHARE = {
    "head": 0.30,
    "hands": 0.30,
    "forearms": 0.5,
    "shins": 0.25,
    "shoes": 0.30,
    "hair": 1.0,
    "hair-long": 1.0,
    "shirt-long": 0.40,
    "shirt-short": 0.40,
    "trousers-long": 0.30,
    "trousers-short": 0.30,
}
"""Share of the triangles that stays: at 640x360 a head is about 20 pixels high."""

SKIN, LIPS, BROWS, EYE_WHITE, IRIS, PUPIL, SHIRT, TROUSERS, SHOES, SOLES, HAIR = range(11)

# gender 0 man, 1 woman; age 1/3 child, 2/3 adult, 1 old; the rest 0..1 about a mean of 0.5
PHENOTYPES: Mapping[str, dict[str, float]] = {
    "woman-short": {"gender": 1, "age": 0.68, "muscle": 0.45, "weight": 0.5, "height": 0.27, "proportions": 0.6},
    "woman-slim": {"gender": 0.97, "age": 0.64, "muscle": 0.5, "weight": 0.3, "height": 0.4, "proportions": 0.8},
    "woman-middle": {"gender": 1, "age": 0.72, "muscle": 0.5, "weight": 0.5, "height": 0.35, "proportions": 0.6},
    "woman-broad": {"gender": 1, "age": 0.78, "muscle": 0.5, "weight": 0.8, "height": 0.35, "proportions": 0.5},
    "woman-tall": {"gender": 0.95, "age": 0.68, "muscle": 0.55, "weight": 0.45, "height": 0.46, "proportions": 0.8},
    "woman-old": {"gender": 0.98, "age": 0.93, "muscle": 0.35, "weight": 0.6, "height": 0.34, "proportions": 0.45},
    "man-short": {"gender": 0, "age": 0.7, "muscle": 0.5, "weight": 0.55, "height": 0.23, "proportions": 0.55},
    "man-slim": {"gender": 0.03, "age": 0.65, "muscle": 0.45, "weight": 0.3, "height": 0.34, "proportions": 0.7},
    "man-middle": {"gender": 0, "age": 0.72, "muscle": 0.55, "weight": 0.5, "height": 0.32, "proportions": 0.6},
    "man-broad": {"gender": 0, "age": 0.78, "muscle": 0.65, "weight": 0.78, "height": 0.34, "proportions": 0.5},
    "man-tall": {"gender": 0, "age": 0.68, "muscle": 0.6, "weight": 0.5, "height": 0.44, "proportions": 0.8},
    "man-old": {"gender": 0.02, "age": 0.93, "muscle": 0.4, "weight": 0.6, "height": 0.3, "proportions": 0.45},
    "girl": {"gender": 1, "age": 0.37, "muscle": 0.45, "weight": 0.45, "height": 0.3, "proportions": 0.6},
    "boy": {"gender": 0, "age": 0.36, "muscle": 0.5, "weight": 0.5, "height": 0.25, "proportions": 0.6},
}

SIDES = ("L", "R")
KEPT_BONES = (
    *("root", "spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "head"),
    *(f"{bone}.{side}" for side in SIDES for bone in ("pelvis", "upperleg01", "lowerleg01", "foot")),
    *(f"{bone}.{side}" for side in SIDES for bone in ("clavicle", "shoulder01", "upperarm01", "lowerarm01")),
    *(f"{bone}.{side}" for side in SIDES for bone in ("lowerarm02", "wrist")),
    *(f"finger{finger}-{joint}.{side}" for side in SIDES for finger in range(1, 6) for joint in (1, 2)),
)


@dataclass(frozen=True, slots=True)
class Source:
    """The parametric model's shared data and the mean body.

    ``weights`` (V, J) over ``bones``; ``groups`` maps a mesh group to its (Q, 4) quads;
    ``vertices_m`` (C, V, 3) and ``heads_m`` (C, J, 3) of every character.
    """

    bones: tuple[str, ...]
    parents: I64
    weights: F64
    groups: Mapping[str, I64]
    vertices_m: F64
    heads_m: F64

    @property
    def mean_m(self) -> F64:
        """(V, 3) vertices of the mean adult, on which parts are cut."""
        return np.asarray(self.vertices_m[:-2].mean(axis=0))

    def mean_head_m(self, bone: str) -> F64:
        """(3,) head of one bone of the mean adult."""
        return np.asarray(self.heads_m[:-2, self.bones.index(bone)].mean(axis=0))


@dataclass(frozen=True, slots=True)
class Part:
    """A thinned piece of body or clothing: (C, N, 3) vertices, (N, J) weights, (F, 3) faces, (N,) materials."""

    vertices_m: F64
    weights: F64
    faces: I64
    materials: I64


def read_groups(path: Path) -> dict[str, I64]:
    """Read the named quad groups of the MakeHuman base mesh."""
    quads: dict[str, list[list[int]]] = {}
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("g "):
            group = line.split()[1]
        elif line.startswith("f "):
            quads.setdefault(group, []).append([int(corner.split("/")[0]) - 1 for corner in line.split()[1:]])
    return {name: np.array(rows) for name, rows in quads.items() if all(len(row) == 4 for row in rows)}


def load_source() -> Source:
    """Evaluate the parametric model for every phenotype."""
    anny: Any = importlib.import_module("anny")
    torch: Any = importlib.import_module("torch")
    model = anny.Anny(topology="anny-full")
    identity = torch.eye(4, dtype=torch.float64)[None, None].repeat(1, model.bone_count, 1, 1)
    bodies = [model(pose_parameters=identity, phenotype_kwargs=PHENOTYPES[name]) for name in CHARACTERS]
    index, share = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    weights = np.zeros((len(index), len(model.bone_labels)))
    np.add.at(weights, (np.repeat(np.arange(len(index)), index.shape[1]), index.ravel()), share.ravel())
    return Source(
        bones=tuple(model.bone_labels),
        parents=np.array(model.bone_parents),
        weights=weights / weights.sum(axis=1, keepdims=True),
        groups=read_groups(Path(anny.__file__).parent / "data" / "mpfb2" / "3dobjs" / "base.obj"),
        vertices_m=np.stack([body["rest_vertices"][0].numpy() for body in bodies]).astype(np.float64),
        heads_m=np.stack([body["rest_bone_heads"][0].numpy() for body in bodies]).astype(np.float64),
    )


def triangles(quads: I64) -> I64:
    """Split (Q, 4) quads into (2Q, 3) triangles."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def normals(vertices_m: F64, faces: I64) -> F64:
    """(V, 3) unit normals, faces weighted by area."""
    corner = vertices_m[faces]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros_like(vertices_m)
    for column in range(3):
        np.add.at(total, faces[:, column], face)
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12))


def smooth(vertices_m: F64, faces: I64, share: float) -> F64:
    """Pull every vertex by ``share`` towards the mean of its neighbours."""
    total, count = np.zeros_like(vertices_m), np.zeros(len(vertices_m))
    for start, end in ((0, 1), (1, 2), (2, 0)):
        np.add.at(total, faces[:, start], vertices_m[faces[:, end]])
        np.add.at(count, faces[:, start], 1)
    return vertices_m * (1 - share) + share * total / np.maximum(count, 1)[:, None]


def thin(vertices_m: F64, faces: I64, share: float) -> tuple[I64, I64]:
    """Return the kept vertex indices (K,) and (F, 3) faces over them, about ``share`` of the triangles."""
    simplify = importlib.import_module("fast_simplification").simplify
    if share >= 1:
        return np.arange(len(vertices_m)), faces
    points, coarse = simplify(vertices_m.astype(np.float32), faces.astype(np.int32), target_reduction=1.0 - share)
    _, nearest = KDTree(vertices_m).query(points)
    mapped = np.asarray(nearest)[coarse.astype(np.int64)]
    distinct = (mapped[:, 0] != mapped[:, 1]) & (mapped[:, 1] != mapped[:, 2]) & (mapped[:, 2] != mapped[:, 0])
    kept, inverse = np.unique(mapped[distinct], return_inverse=True)
    return kept, inverse.reshape(-1, 3)


class Cutter:
    """Cuts the mean body into parts. Thresholds are read off the mean adult's joints."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mean = source.mean_m
        self.dominant = np.array(source.bones)[source.weights.argmax(axis=1)]
        self.eye = source.mean_head_m("eye.L")
        self.floor_m = float(self.mean[np.unique(source.groups["body"]), 2].min())
        self.waist_m = float(source.mean_head_m("spine04")[2]) - 0.02
        self.neck_m = float(source.mean_head_m("neck01")[2])
        self.knee_m = float(source.mean_head_m("lowerleg01.L")[2])
        self.skin_faces = triangles(source.groups["body"])
        self.cloth_faces = triangles(source.groups["helper-tights"])

    def of_bones(self, *prefixes: str) -> Bools:
        """(V,) vertices whose heaviest bone starts with one of the prefixes."""
        chosen = np.array([bone.startswith(prefixes) for bone in self.source.bones])
        return np.asarray(chosen[self.source.weights.argmax(axis=1)])

    @property
    def arm(self) -> Bools:
        """(V,) vertices of both arms, hands included."""
        shoulder = self.source.mean_head_m("upperarm01.L")
        bones = self.of_bones("upperarm", "lowerarm", "wrist", "finger", "metacarpal", "shoulder")
        return np.asarray(bones & (np.abs(self.mean[:, 0]) > shoulder[0] * 0.95))

    @property
    def along_arm(self) -> F64:
        """(V,) 0 at the shoulder, 1 at the wrist."""
        shoulder, wrist = self.source.mean_head_m("upperarm01.L"), self.source.mean_head_m("wrist.L")
        axis = (wrist - shoulder) / np.linalg.norm(wrist - shoulder) ** 2
        mirrored = self.mean * [0, 1, 1] + np.abs(self.mean) * [1, 0, 0]
        return np.asarray((mirrored - shoulder) @ axis)

    def part(self, name: str, faces: I64, keep: Bools, shape: Callable[[F64, I64], F64], materials: I64 | int) -> Part:
        """Cut ``keep`` out of ``faces``, thin it on the mean body, and let ``shape`` dress every character."""
        chosen = faces[keep[faces].all(axis=1)]
        used, inverse = np.unique(chosen, return_inverse=True)
        local = inverse.reshape(-1, 3)
        kept, thinned = thin(shape(self.mean, chosen)[used], local, FACE_SHARE[name])
        rows = used[kept]
        dressed = np.stack([shape(body, chosen)[rows] for body in self.source.vertices_m])
        painted = np.full(len(rows), materials) if isinstance(materials, int) else materials[rows]
        return Part(dressed, self.source.weights[rows], thinned, painted)


def _offset(amount_m: F64, wrinkle_m: float = 0.0) -> Callable[[F64, I64], F64]:
    """Return a shape that blows a piece up along its normals by (V,) metres, with standing folds."""

    def shape(vertices_m: F64, faces: I64) -> F64:
        size = float(np.ptp(vertices_m[:, 2])) / 1.7
        x, y, z = vertices_m.T / size
        folds = np.sin(38 * z + 9 * x + 2 * np.sin(17 * x)) + 0.8 * np.sin(60 * z + 25 * y + 1.3)
        blown = amount_m * size + wrinkle_m * folds
        return np.asarray(vertices_m + normals(vertices_m, faces) * blown[:, None])

    return shape


def _shoe_shape(floor_m: Callable[[F64], float]) -> Callable[[F64, I64], F64]:
    def shape(vertices_m: F64, faces: I64) -> F64:
        sole = floor_m(vertices_m) - 0.012
        out = vertices_m + normals(vertices_m, faces) * 0.009
        # Smoothing melts the toes into one; the push outwards gives back what it took.
        for _ in range(16):
            out = smooth(out, faces, 0.6)
        out = out + normals(out, faces) * 0.013
        out[:, 2] = np.maximum(out[:, 2], sole)
        return out

    return shape


def face_paint(cutter: Cutter) -> I64:
    """(V,) materials of the bare body: skin with painted lips and brows."""
    x, y, z = cutter.mean.T
    eye = cutter.eye
    head = cutter.of_bones("head", "eye", "neck")
    lips = head & (np.abs(z - (eye[2] - 0.068)) < 0.009) & (np.abs(x) < 0.024) & (y < eye[1] - 0.015)
    brows = head & (np.abs(z - (eye[2] + 0.022)) < 0.006) & (np.abs(x) > 0.012) & (np.abs(x) < 0.05)
    return np.where(lips, LIPS, np.where(brows & (y < eye[1] + 0.01), BROWS, SKIN))


def skin_parts(cutter: Cutter) -> dict[str, Part]:
    """Cut head, hands, forearms and shins out of the bare body."""
    paint, z, arm = face_paint(cutter), cutter.mean[:, 2], cutter.arm
    head = cutter.of_bones("neck", "head", "eye") | ((z > cutter.neck_m - 0.03) & ~arm)
    legs = cutter.of_bones("upperleg", "lowerleg", "foot", "toe")
    masks = {
        "head": head,
        "hands": arm & (cutter.along_arm > 0.90),
        "forearms": arm & (cutter.along_arm > 0.30) & (cutter.along_arm < 0.97),
        "shins": legs & (z < cutter.knee_m + 0.02) & (z > cutter.floor_m + 0.08),
    }
    bare = _offset(np.zeros(len(z)))
    return {name: cutter.part(name, cutter.skin_faces, mask, bare, paint) for name, mask in masks.items()}


def cloth_parts(cutter: Cutter) -> dict[str, Part]:
    """Cut shirts and trousers out of the tight helper mesh and the body's feet."""
    z, arm, waist = cutter.mean[:, 2], cutter.arm, cutter.waist_m
    loose = np.where(arm, 0.009, 0.011 + 0.009 * np.clip((waist + 0.15 - z) / 0.3, 0, 1))
    torso = (z > waist - 0.10) & (z < cutter.neck_m + 0.035)
    wide = np.where(z < cutter.knee_m, 0.013, 0.007)
    below = (z < waist + 0.03) & ~arm
    ankle = float(cutter.source.mean_head_m("foot.L")[2]) + 0.035
    faces = cutter.cloth_faces
    shirt, trousers = _offset(loose, 0.0025), _offset(wide, 0.0025)
    out = {
        f"shirt-{name}": cutter.part(f"shirt-{name}", faces, np.where(arm, cutter.along_arm < end, torso), shirt, SHIRT)
        for name, end in (("long", 0.97), ("short", 0.40))
    }
    for name, end in (("long", ankle), ("short", cutter.knee_m - 0.04)):
        part_name = f"trousers-{name}"
        out[part_name] = cutter.part(part_name, faces, below & (z > end), trousers, TROUSERS)
    soles = np.where(z < cutter.floor_m + 0.018, SOLES, SHOES)
    foot = cutter.of_bones("foot", "toe") & (z < cutter.floor_m + 0.125)
    body = np.unique(cutter.source.groups["body"])
    shoe = _shoe_shape(lambda vertices_m: float(vertices_m[body, 2].min()))
    return out | {"shoes": cutter.part("shoes", cutter.skin_faces, foot, shoe, soles)}


def hair_parts(cutter: Cutter) -> dict[str, Part]:
    """Cut a short cut out of the scalp and long hair out of the helper mesh."""
    x, y, z = cutter.mean.T
    eye = cutter.eye
    back = y - eye[1]
    fringe = 0.05 * ((np.abs(x) < 0.05) & (back < 0.02))
    scalp = cutter.of_bones("head", "neck") & (z > eye[2] - 0.075)
    scalp &= z > eye[2] + 0.066 - np.clip(back - 0.015, 0, 0.2) + fringe
    scalp &= ~((np.abs(x) > 0.068) & (np.abs(z - eye[2] + 0.01) < 0.035) & (back > 0.05) & (back < 0.13))
    thickness = 0.012 + 0.012 * np.clip((z - eye[2] - 0.05) / 0.08, 0, 1)
    thickness = thickness + 0.005 * np.sin(90 * x) * np.sin(80 * y)
    strands = triangles(cutter.source.groups["helper-hair"])
    hanging = np.zeros(len(z), bool)
    hanging[np.unique(strands)] = True
    hanging &= (z > eye[2] - 0.30) & ~((y < eye[1] + 0.05) & (z < eye[2] + 0.08))
    return {
        "hair": cutter.part("hair", cutter.skin_faces, scalp, _offset(thickness), HAIR),
        "hair-long": cutter.part("hair-long", strands, hanging, _offset(np.full(len(z), 0.004)), HAIR),
    }


def eye_part(cutter: Cutter) -> Part:
    """Both eyeballs, painted white, brown and black by how far forward a vertex lies."""
    faces = np.concatenate([triangles(cutter.source.groups[f"helper-{side}-eye"]) for side in "lr"])
    used, inverse = np.unique(faces, return_inverse=True)
    points = cutter.mean[used]
    forward = (points[:, 1].mean() - points[:, 1]) / (np.ptp(points[:, 1]) / 2)
    materials = np.where(forward > 0.93, PUPIL, np.where(forward > 0.8, IRIS, EYE_WHITE))
    return Part(cutter.source.vertices_m[:, used], cutter.source.weights[used], inverse.reshape(-1, 3), materials)


def face_points(cutter: Cutter) -> F64:
    """(C, 5, 3) nose, left eye, right eye, left ear, right ear at rest, the first five COCO keypoints."""
    x, y, z = cutter.mean.T
    eye = cutter.eye
    head = cutter.of_bones("head", "eye")
    used = np.zeros(len(z), bool)
    used[np.unique(cutter.source.groups["body"])] = True
    tip = np.flatnonzero(head & used & (np.abs(x) < 0.015) & (z > eye[2] - 0.06) & (z < eye[2] - 0.01))
    nose = tip[y[tip].argmin()]
    side = np.flatnonzero(head & used & (np.abs(z - eye[2] + 0.01) < 0.035) & (y > eye[1] + 0.05))
    ears = side[x[side].argmax()], side[x[side].argmin()]
    eyes = [cutter.source.heads_m[:, cutter.source.bones.index(f"eye.{name}")] + [0, -0.012, 0] for name in SIDES]
    bodies = cutter.source.vertices_m
    return np.stack([bodies[:, nose], *eyes, bodies[:, ears[0]], bodies[:, ears[1]]], axis=1)


def kept_bone(source: Source, bone: int) -> int:
    """Return the nearest kept ancestor's row in ``KEPT_BONES`` (itself where it is kept)."""
    while source.bones[bone] not in KEPT_BONES:
        bone = int(source.parents[bone])
    return KEPT_BONES.index(source.bones[bone])


def fold_weights(source: Source, weights: F64) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Fold (N, J) weights onto the kept bones: (N, 4) bone rows and (N, 4) weights out of 255."""
    folded = np.zeros((len(weights), len(KEPT_BONES)))
    for bone in range(len(source.bones)):
        folded[:, kept_bone(source, bone)] += weights[:, bone]
    rows = np.argsort(-folded, axis=1, kind="stable")[:, :4]
    share = np.take_along_axis(folded, rows, axis=1)
    share = np.round(255 * share / share.sum(axis=1, keepdims=True)).astype(np.int64)
    share[:, 0] += 255 - share.sum(axis=1)
    return rows.astype(np.uint8), share.astype(np.uint8)


def ordered_bones(source: Source) -> list[int]:
    """Parents of the kept bones, as rows in ``KEPT_BONES``, -1 for the root."""
    parents = []
    for name in KEPT_BONES:
        parent = int(source.parents[source.bones.index(name)])
        parents.append(-1 if parent < 0 else kept_bone(source, parent))
    return parents


def bake(path: Path) -> None:
    """Write the baked bodies to ``path``."""
    source = load_source()
    cutter = Cutter(source)
    parts = skin_parts(cutter) | {"eyes": eye_part(cutter)} | cloth_parts(cutter) | hair_parts(cutter)
    out: dict[str, NDArray[Any]] = {
        "characters": np.array(CHARACTERS),
        "bones": np.array(KEPT_BONES),
        "parents": np.array(ordered_bones(source), np.int16),
        "heads_m": source.heads_m[:, [source.bones.index(name) for name in KEPT_BONES]].astype(np.float32),
        "face_m": face_points(cutter).astype(np.float32),
        "parts": np.array(list(parts)),
    }
    for name, part in parts.items():
        out[f"{name}/vertices"] = np.round(part.vertices_m / VERTEX_STEP_M).astype(np.int16)
        out[f"{name}/faces"] = part.faces.astype(np.uint16)
        out[f"{name}/materials"] = part.materials.astype(np.uint8)
        out[f"{name}/bones"], out[f"{name}/weights"] = fold_weights(source, part.weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **out)


if __name__ == "__main__":
    bake(Path(__file__).parent / "assets" / "bodies.npz")
