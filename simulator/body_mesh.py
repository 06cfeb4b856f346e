"""One dressed body as vertices for the graphics card: rest positions, skin weights and paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.appearance import PATTERNS, BodyLook
from simulator.skeleton import BodyLibrary

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]

_MATERIALS = ("skin", "lips", "brows", "eye-white", "iris", "pupil", "shirt", "trousers", "shoes", "soles", "hair")
_GLOSS = {"skin": 0.25, "lips": 0.3, "eye-white": 0.7, "iris": 0.8, "pupil": 0.8, "shoes": 0.2, "hair": 0.3}


@dataclass(frozen=True, slots=True, eq=False)
class BodyMesh:
    """Vertices of one look.

    ``rest`` (N, 6) position and normal; ``bones`` (N, 4) and ``weights`` (N, 4) out of
    255; ``paint`` (N, 8): rest position of a body 1.7 m tall (for patterns), sRGB colour, pattern
    number, gloss; ``faces`` (F, 3).
    """

    rest: F32
    bones: U8
    weights: U8
    paint: F32
    faces: I32


def parts_of(look: BodyLook) -> tuple[str, ...]:
    """Return the names of the baked parts that a look wears."""
    parts = ["head", "hands", "eyes", f"shirt-{look.sleeves}", f"trousers-{look.legs}", "shoes"]
    parts += ["forearms"] if look.sleeves == "short" else []
    parts += ["shins"] if look.legs == "short" else []
    parts += [] if look.hair_style == "bald" else ["hair"]
    return tuple(parts + (["hair-long"] if look.hair_style == "long" else []))


def _colours(look: BodyLook) -> F64:
    """(11, 3) sRGB colour of every baked material."""
    skin, hair = np.array(look.skin), np.array(look.hair)
    return np.array(
        [
            skin,
            skin * [0.85, 0.55, 0.55],
            hair * 0.8 + skin * 0.1,
            (0.92, 0.9, 0.88),
            (0.25, 0.18, 0.1),
            (0.05, 0.04, 0.04),
            look.shirt,
            look.trousers,
            look.shoes,
            (0.9, 0.9, 0.88),
            hair,
        ]
    )


def _vertex_normals(vertices: F64, faces: NDArray[np.int64]) -> F64:
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for column in range(3):
        np.add.at(total, faces[:, column], face)
    return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12))


def build_body(library: BodyLibrary, look: BodyLook) -> BodyMesh:
    """Dress one body (about 5 ms)."""
    lowest = float(library.vertices_m("shoes", look.character)[:, 2].min())
    rest, paint, bones, weights, faces = [], [], [], [], []
    height = float(library.vertices_m("head", look.character)[:, 2].max()) - lowest
    colours = _colours(look)
    patterns = np.zeros(len(_MATERIALS))
    patterns[6], patterns[7] = PATTERNS.index(look.shirt_pattern), PATTERNS.index(look.trousers_pattern)
    gloss = np.array([_GLOSS.get(material, 0.05) for material in _MATERIALS])
    count = 0
    for name in parts_of(look):
        part = library.parts[name]
        vertices = library.vertices_m(name, look.character)
        triangles = part["faces"].astype(np.int64)
        materials = part["materials"].astype(np.int64)
        vertices[:, 2] -= lowest
        rest.append(np.column_stack([vertices * look.scale, _vertex_normals(vertices, triangles)]))
        paint.append(
            np.column_stack([vertices * (1.7 / height), colours[materials], patterns[materials], gloss[materials]])
        )
        bones.append(part["bones"])
        weights.append(part["weights"])
        faces.append(triangles + count)
        count += len(vertices)
    return BodyMesh(
        np.concatenate(rest).astype(np.float32),
        np.concatenate(bones).astype(np.uint8),
        np.concatenate(weights).astype(np.uint8),
        np.concatenate(paint).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
    )
