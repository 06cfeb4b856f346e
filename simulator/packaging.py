"""Invented products: what their packaging looks like, its texture and its shape.

Textures are drawn with Pillow in the DejaVu fonts that matplotlib ships, so they do
not depend on what fonts a machine has. All pictures of a store lie in one atlas of
square cells; a product's cell holds its wrap (front left, back right) above a row of
plain swatches for bottoms, caps and lids.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import matplotlib as mpl
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field, TypeAdapter, ValidationError

from simulator.errors import SimulatorError
from store_layout.model import Identifier, Point3, Product, Strict

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

CELL_PX = 512
COLUMNS = 8
WRAP_PX = (512, 384)
"""Width and height of a product's wrap; the front is its left half."""
_SHARPER = 2

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
Kind = Literal["box", "can", "bottle", "bag", "jar", "carton"]
Motif = Literal["wave", "sun", "balls", "bolt", "chips", "stripes", "leaves", "drops", "none"]
FontName = Literal["sans", "serif", "slant", "mono"]
_FONTS: Mapping[FontName, str] = {
    "sans": "DejaVuSans-Bold.ttf",
    "serif": "DejaVuSerif-Bold.ttf",
    "slant": "DejaVuSans-BoldOblique.ttf",
    "mono": "DejaVuSansMono-Bold.ttf",
}
_PAPER = "DejaVuSans-Bold.ttf"
_METAL = (200, 203, 208)
Rgb8 = tuple[int, int, int]


class PackagingSpec(Strict):
    """How one product looks. Two specs that differ in one field are look-alikes."""

    kind: Kind
    brand: str
    name: str
    size_text: str
    base: Colour
    accent: Colour
    text: Colour
    motif: Motif = "none"
    font: FontName = "sans"
    lid: Colour = "#e8e8e8"
    size_m: Annotated[Point3, Field(description="width, depth, height of one unit as it stands")]
    weight_g: Annotated[float | None, Field(gt=0)] = None
    price_minor: Annotated[int | None, Field(ge=0)] = None


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles with (N, 3) vertices and unit normals, (N, 2) atlas coordinates (v down) and (F, 3) faces."""

    vertices_m: F64
    normals: F64
    uv: F64
    faces: I64


@dataclass(frozen=True, slots=True, eq=False)
class Packaging:
    """The drawn products of one or more stores: pictures once, meshes by SKU.

    ``cells`` is (K, 512, 512, 3) uint8 RGB in the order of ``specs``; ``meshes`` hold uv in
    0..1 of the product's own cell.
    """

    specs: Mapping[str, PackagingSpec]
    cells: U8
    meshes: Mapping[str, Mesh]


def load_specs(path: Path | None = None) -> dict[str, PackagingSpec]:
    """Read a catalogue file (SKU to packaging); raises SimulatorError with file and field."""
    path = path or Path(__file__).parent / "assets" / "packaging.yaml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[Identifier, PackagingSpec]).validate_python(data)
    except (OSError, yaml.YAMLError) as error:
        raise SimulatorError(f"not a readable packaging catalogue ({error})", file=path) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SimulatorError(first["msg"], file=path, field=place) from error


def plain_spec(product: Product) -> PackagingSpec:
    """Return packaging for a product that no catalogue knows: colours from its SKU, shape from its size."""
    seed = np.random.default_rng(zlib.crc32(product.sku.encode()))
    base, accent = (tuple(int(value) for value in seed.integers(30, 230, 3)) for _ in range(2))
    size = product.size_m or (0.08, 0.08, 0.16)
    round_ = abs(size[0] - size[1]) < 0.01 and size[2] > size[0]
    light = sum(base) > 380
    return PackagingSpec(
        kind=("can" if size[2] < 0.18 else "bottle") if round_ else "box",
        brand=product.name.split()[0][:12] if product.name.split() else product.sku[:12],
        name=product.name[:20] or product.sku,
        size_text=f"{product.weight_g:.0f} g" if product.weight_g else "1 pc",
        base="#{:02x}{:02x}{:02x}".format(*base),
        accent="#{:02x}{:02x}{:02x}".format(*accent),
        text="#202020" if light else "#ffffff",
        motif=("wave", "sun", "balls", "stripes")[int(seed.integers(4))],
        size_m=size,
        weight_g=product.weight_g,
        price_minor=product.price_minor,
    )


def specs_for(products: Sequence[Product], catalogue: Mapping[str, PackagingSpec]) -> dict[str, PackagingSpec]:
    """Return a spec for every product: the catalogue's, or a plain one of the product's size."""
    return {product.sku: catalogue.get(product.sku) or plain_spec(product) for product in products}


def build_packaging(specs: Mapping[str, PackagingSpec]) -> Packaging:
    """Draw every spec's cell and build its mesh (about 30 ms each)."""
    cells = [draw_cell(spec) for spec in specs.values()]
    return Packaging(
        dict(specs),
        np.stack(cells) if cells else np.zeros((0, CELL_PX, CELL_PX, 3), np.uint8),
        {sku: build_mesh(spec) for sku, spec in specs.items()},
    )


# --- textures


def rgb8(colour: str) -> Rgb8:
    """Return #rrggbb as three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(first: Rgb8, second: Rgb8, share: float) -> Rgb8:
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def font(name: str, size_px: float) -> ImageFont.FreeTypeFont:
    """Load one of the fonts that matplotlib ships."""
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size_px)


def fitted_text(
    draw: ImageDraw.ImageDraw,
    text: str,
    font_name: str,
    box_px: tuple[float, float, float, float],
    fill: Rgb8,
    outline: Rgb8 | None = None,
) -> None:
    """Draw a line of text as large as fits into (left, top, width, height), centred."""
    left, top, width, height = box_px
    probe = draw.textbbox((0, 0), text, font=font(font_name, 100))
    scale = min(width / max(1, probe[2] - probe[0]), height / max(1, probe[3] - probe[1]))
    used = font(font_name, max(4, int(100 * scale)))
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=used)
    at = (left + (width - (x1 - x0)) / 2 - x0, top + (height - (y1 - y0)) / 2 - y0)
    draw.text(at, text, font=used, fill=fill, stroke_width=3 if outline else 0, stroke_fill=outline)


def _wave(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, _: np.random.Generator) -> None:
    line = [(x, height * (0.62 + 0.06 * math.sin(x / width * 2 * math.pi))) for x in range(0, width + 8, 8)]
    draw.polygon([*line, (width, height * 0.80), (0, height * 0.74)], fill=colour)


def _sun(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, _: np.random.Generator) -> None:
    x, y, ray = width * 0.5, height * 0.70, width * 0.48
    for turn in np.linspace(0, 2 * math.pi, 16, endpoint=False):
        ends = [(x + ray * math.cos(a), y + ray * math.sin(a)) for a in (turn, turn + 0.2)]
        draw.polygon([(x, y), *ends], fill=colour)
    draw.ellipse([x - ray / 2, y - ray / 2, x + ray / 2, y + ray / 2], fill=_mix(colour, (255, 255, 255), 0.4))


def _balls(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, rng: np.random.Generator) -> None:
    for _ in range(26):
        x, y, radius = rng.uniform(0, width), rng.uniform(height * 0.55, height * 0.88), rng.uniform(0.04, 0.10) * width
        shade = _mix((0, 0, 0), colour, float(rng.uniform(0.72, 1.0)))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=shade)
        glint = [x - radius * 0.5, y - radius * 0.6, x - radius * 0.1, y - radius * 0.2]
        draw.ellipse(glint, fill=_mix(shade, (255, 255, 255), 0.35))


def _bolt(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, _: np.random.Generator) -> None:
    shape = [(0.60, 0.50), (0.25, 0.73), (0.47, 0.73), (0.38, 0.88), (0.78, 0.66), (0.54, 0.66)]
    draw.polygon([(x * width, y * height) for x, y in shape], fill=colour)


def _chips(draw: ImageDraw.ImageDraw, width: int, height: int, _: Rgb8, rng: np.random.Generator) -> None:
    for _count in range(12):
        x, y, radius = rng.uniform(0, width), rng.uniform(height * 0.58, height * 0.84), width * 0.15
        box = [x - radius, y - radius, x + radius, y + radius * 0.7]
        start, end = float(rng.uniform(0, 180)), float(rng.uniform(200, 340))
        draw.chord(box, start, end, fill=(232, 192, 96), outline=(188, 140, 48), width=4)


def _stripes(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, _: np.random.Generator) -> None:
    for step in range(-3, 8):
        x, low, top = step * width * 0.22, height * 0.88, height * 0.56
        corners = [(x, low), (x + width * 0.1, low), (x + width * 0.42, top), (x + width * 0.32, top)]
        draw.polygon(corners, fill=colour)


def _leaves(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, rng: np.random.Generator) -> None:
    for _ in range(10):
        x, y = rng.uniform(0, width), rng.uniform(height * 0.58, height * 0.86)
        tilt, long = float(rng.uniform(-1.2, 1.2)), width * 0.13
        ahead = np.array([math.cos(tilt), math.sin(tilt)]) * long
        side = np.array([-ahead[1], ahead[0]]) * 0.3
        middle = np.array([x, y])
        draw.polygon(
            [tuple(point) for point in (middle - ahead, middle + side, middle + ahead, middle - side)], fill=colour
        )


def _drops(draw: ImageDraw.ImageDraw, width: int, height: int, colour: Rgb8, rng: np.random.Generator) -> None:
    for _ in range(12):
        x, y, radius = rng.uniform(0, width), rng.uniform(height * 0.6, height * 0.86), rng.uniform(0.03, 0.06) * width
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
        draw.polygon(
            [(x - radius * 0.8, y - radius * 0.5), (x + radius * 0.8, y - radius * 0.5), (x, y - radius * 2.4)],
            fill=colour,
        )


def _draw_motif(draw: ImageDraw.ImageDraw, spec: PackagingSpec, width: int, height: int) -> None:
    drawers = {
        "wave": _wave,
        "sun": _sun,
        "balls": _balls,
        "bolt": _bolt,
        "chips": _chips,
        "stripes": _stripes,
        "leaves": _leaves,
        "drops": _drops,
    }
    if spec.motif != "none":
        # One seed for all: look-alikes differ in what their specs say and in nothing else.
        drawers[spec.motif](draw, width, height, rgb8(spec.accent), np.random.default_rng(7))


def draw_front(spec: PackagingSpec) -> Image.Image:
    """Draw the front label, 256x384: brand, name on a band, motif, size."""
    width, height = WRAP_PX[0] // 2 * _SHARPER, WRAP_PX[1] * _SHARPER
    base, text, accent = rgb8(spec.base), rgb8(spec.text), rgb8(spec.accent)
    fade = np.linspace(0, 0.3, height)[:, None, None]
    ground = np.array(base) * (1 - fade) + np.array(base) * 0.72 * fade
    picture = Image.fromarray(np.broadcast_to(ground, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    _draw_motif(draw, spec, width, height)
    brand = (width * 0.06, height * 0.10, width * 0.88, height * 0.20)
    fitted_text(draw, spec.brand, _FONTS[spec.font], brand, text, _mix(base, (0, 0, 0), 0.5))
    draw.rectangle([width * 0.04, height * 0.37, width * 0.96, height * 0.49], fill=accent)
    ink = (20, 20, 20) if np.dot(accent, [0.3, 0.59, 0.11]) > 120 else (250, 250, 250)
    fitted_text(draw, spec.name, _PAPER, (width * 0.08, height * 0.39, width * 0.84, height * 0.08), ink)
    fitted_text(draw, spec.size_text, _PAPER, (width * 0.30, height * 0.905, width * 0.40, height * 0.055), text)
    return picture.resize((WRAP_PX[0] // 2, WRAP_PX[1]), Image.Resampling.LANCZOS)


def draw_back(spec: PackagingSpec) -> Image.Image:
    """Draw the back label, 256x384: brand, lines that stand for small print, a barcode's look."""
    width, height = WRAP_PX[0] // 2, WRAP_PX[1]
    base, text = rgb8(spec.base), rgb8(spec.text)
    picture = Image.new("RGB", (width, height), _mix(base, (0, 0, 0), 0.08))
    draw = ImageDraw.Draw(picture)
    fitted_text(draw, spec.brand, _PAPER, (width * 0.1, height * 0.05, width * 0.8, height * 0.1), text)
    faint = _mix(text, base, 0.4)
    for line in range(14):
        top, long = height * (0.25 + 0.035 * line), width * 0.7 * ((line * 37) % 10 + 3) / 13
        draw.rectangle([width * 0.12, top, width * 0.12 + long, top + height * 0.012], fill=faint)
    draw.rectangle([width * 0.12, height * 0.8, width * 0.6, height * 0.95], fill=(255, 255, 255))
    for bar in range(20):
        left = width * (0.15 + 0.02 * bar)
        draw.rectangle(
            [left, height * 0.82, left + width * (0.004 + 0.004 * (bar * 7 % 3)), height * 0.93], fill=(0, 0, 0)
        )
    return picture


def draw_cell(spec: PackagingSpec) -> U8:
    """(512, 512, 3) uint8 RGB: front and back, and swatches of base, accent, metal and lid."""
    cell = Image.new("RGB", (CELL_PX, CELL_PX), rgb8(spec.base))
    front = draw_front(spec)
    cell.paste(front, (0, 0))
    cell.paste(front if spec.kind in ("can", "bottle", "jar") else draw_back(spec), (WRAP_PX[0] // 2, 0))
    draw = ImageDraw.Draw(cell)
    swatches = (_mix(rgb8(spec.base), (0, 0, 0), 0.05), rgb8(spec.accent), _METAL, rgb8(spec.lid))
    for column, colour in enumerate(swatches):
        draw.rectangle([column * 128, WRAP_PX[1], column * 128 + 127, CELL_PX - 1], fill=colour)
    return np.asarray(cell, dtype=np.uint8)


# --- shapes


_SWATCH_UV = {
    name: ((column * 128 + 64) / CELL_PX, 448 / CELL_PX)
    for column, name in enumerate(("base", "accent", "metal", "lid"))
}
_FRONT = (3 / CELL_PX, 3 / CELL_PX, 253 / CELL_PX, 381 / CELL_PX)
_BACK = (259 / CELL_PX, 3 / CELL_PX, 509 / CELL_PX, 381 / CELL_PX)


class _Builder:
    """Collects pieces of a mesh."""

    def __init__(self) -> None:
        self.pieces: list[Mesh] = []

    def add(self, vertices: F64, normals: F64, uv: F64, faces: I64) -> None:
        start = sum(len(piece.vertices_m) for piece in self.pieces)
        self.pieces.append(Mesh(vertices, normals, uv, faces + start))

    def quad(self, corners: Sequence[Point3], uv: F64) -> None:
        """Add a flat piece of three or four corners, counter-clockwise from outside, from its lower left."""
        points = np.array(corners, dtype=np.float64)
        normal = np.cross(points[1] - points[0], points[-1] - points[0])
        normal = normal / np.linalg.norm(normal)
        faces = np.array([[0, 1, 2], [0, 2, 3]][: len(points) - 2])
        self.add(points, np.tile(normal, (len(points), 1)), uv[: len(points)], faces)

    def mesh(self) -> Mesh:
        join = np.concatenate
        return Mesh(
            join([piece.vertices_m for piece in self.pieces]),
            join([piece.normals for piece in self.pieces]),
            join([piece.uv for piece in self.pieces]),
            join([piece.faces for piece in self.pieces]),
        )


def _picture(rect: tuple[float, float, float, float]) -> F64:
    left, top, right, bottom = rect
    return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])


def _plain(name: str, count: int = 4) -> F64:
    return np.tile(_SWATCH_UV[name], (count, 1))


def _walls(builder: _Builder, half_x: float, half_y: float, height: float) -> None:
    front, back = _picture(_FRONT), _picture(_BACK)
    x, y = half_x, half_y
    builder.quad([(-x, -y, 0), (x, -y, 0), (x, -y, height), (-x, -y, height)], front)
    builder.quad([(x, y, 0), (-x, y, 0), (-x, y, height), (x, y, height)], front)
    builder.quad([(x, -y, 0), (x, y, 0), (x, y, height), (x, -y, height)], back)
    builder.quad([(-x, y, 0), (-x, -y, 0), (-x, -y, height), (-x, y, height)], back)
    builder.quad([(-x, y, 0), (x, y, 0), (x, -y, 0), (-x, -y, 0)], _plain("base"))


def _box(spec: PackagingSpec) -> Mesh:
    builder = _Builder()
    x, y, z = spec.size_m[0] / 2, spec.size_m[1] / 2, spec.size_m[2]
    _walls(builder, x, y, z)
    builder.quad([(-x, -y, z), (x, -y, z), (x, y, z), (-x, y, z)], _plain("accent"))
    return builder.mesh()


def _carton(spec: PackagingSpec) -> Mesh:
    """A drink carton with a gable top and its fin."""
    builder = _Builder()
    x, y, top = spec.size_m[0] / 2, spec.size_m[1] / 2, spec.size_m[2]
    eave, ridge = top * 0.80, top * 0.94
    _walls(builder, x, y, eave)
    builder.quad([(-x, -y, eave), (x, -y, eave), (x, 0, ridge), (-x, 0, ridge)], _plain("accent"))
    builder.quad([(x, y, eave), (-x, y, eave), (-x, 0, ridge), (x, 0, ridge)], _plain("accent"))
    builder.quad([(x, -y, eave), (x, y, eave), (x, 0, ridge)], _plain("base"))
    builder.quad([(-x, y, eave), (-x, -y, eave), (-x, 0, ridge)], _plain("base"))
    for sign in (-1, 1):
        fin = [(sign * -x, sign * 0.002, ridge), (sign * x, sign * 0.002, ridge)]
        fin += [(sign * x, sign * 0.002, top), (sign * -x, sign * 0.002, top)]
        builder.quad(fin, _plain("lid"))
    return builder.mesh()


def _bag(spec: PackagingSpec) -> Mesh:
    """A pillow bag: two bulged sheets."""
    builder = _Builder()
    width, depth, height = spec.size_m
    across, up = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(0, 1, 8))
    bulge = (1 - np.abs(across) ** 3) * np.sqrt(np.clip(np.sin(math.pi * up), 0, 1))
    bulge = bulge * (0.9 + 0.1 * np.cos(9 * across + 7 * up))
    corner = np.arange(7 * 8).reshape(8, 7)[:-1, :-1].ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 8], 1), np.stack([corner, corner + 8, corner + 7], 1)]
    )
    for sign in (-1.0, 1.0):
        points = [across * width / 2 * (0.93 + 0.07 * np.abs(2 * up - 1)), sign * bulge * depth / 2, up * height]
        normal = np.stack([across * 0.6, np.full_like(across, sign), (up - 0.5) * 0.5], -1).reshape(-1, 3)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        uv = np.stack([(128 - sign * across * 124) / CELL_PX, (381 - up * 377) / CELL_PX], -1).reshape(-1, 2)
        builder.add(np.stack(points, -1).reshape(-1, 3), normal, uv, faces if sign < 0 else faces[:, ::-1])
    return builder.mesh()


Profile = tuple[tuple[float, float, str], ...]
_CAN: Profile = (
    *((0.86, 0.0, "metal"), (1.0, 0.09, "metal"), (1.0, 0.09, "label"), (1.0, 0.90, "label"), (1.0, 0.90, "metal")),
    *((0.86, 0.97, "metal"), (0.86, 1.0, "metal"), (0.78, 0.985, "metal"), (0.0, 0.985, "metal")),
)
_BOTTLE: Profile = (
    *((0.88, 0.0, "base"), (1.0, 0.04, "base"), (1.0, 0.16, "base"), (1.0, 0.16, "label"), (1.0, 0.60, "label")),
    *((1.0, 0.60, "base"), (0.95, 0.68, "base"), (0.68, 0.79, "base"), (0.38, 0.87, "base"), (0.38, 0.90, "base")),
    *((0.46, 0.90, "lid"), (0.46, 0.99, "lid"), (0.40, 1.0, "lid"), (0.0, 1.0, "lid")),
)
_JAR: Profile = (
    *((0.88, 0.0, "base"), (1.0, 0.05, "base"), (1.0, 0.12, "base"), (1.0, 0.12, "label"), (1.0, 0.70, "label")),
    *((1.0, 0.70, "base"), (0.86, 0.82, "base"), (0.90, 0.82, "lid"), (0.90, 0.99, "lid"), (0.86, 1.0, "lid")),
    (0.0, 1.0, "lid"),
)
_TURNS = 14


def _turned(spec: PackagingSpec, profile: Profile) -> Mesh:
    """A body turned about its axis from a profile of (radius share, height share, surface)."""
    builder = _Builder()
    width, depth, height = spec.size_m
    angle = np.linspace(-0.5 * math.pi, 1.5 * math.pi, _TURNS + 1)
    round_ = np.stack([np.sin(angle) * width / 2, -np.cos(angle) * depth / 2], axis=1)
    corner = np.arange(_TURNS)
    ring = _TURNS + 1
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 1 + ring], 1), np.stack([corner, corner + 1 + ring, corner + ring], 1)]
    )
    for (low_r, low_z, _), (high_r, high_z, surface) in pairwise(profile):
        if (low_r, low_z) == (high_r, high_z):
            continue
        rise, narrowing = (high_z - low_z) * height, (low_r - high_r) * width / 2
        slope = np.array([rise, narrowing]) / math.hypot(rise, narrowing)
        normal = np.stack([np.sin(angle) * slope[0], -np.cos(angle) * slope[0], np.full(ring, slope[1])], axis=1)
        points = [
            np.column_stack([round_ * radius, np.full(ring, z * height)])
            for radius, z in ((low_r, low_z), (high_r, high_z))
        ]
        builder.add(np.concatenate(points), np.concatenate([normal, normal]), _ring_uv(surface, ring), faces)
    return builder.mesh()


def _ring_uv(surface: str, ring: int) -> F64:
    """(2 * ring, 2): the label twice around, its front to -y; or a plain swatch."""
    if surface != "label":
        return _plain(surface, 2 * ring)
    # The ring starts a quarter turn before the front: u = 0 there, 128 (the front's middle) at -y.
    u = np.linspace(2, CELL_PX - 2, ring) / CELL_PX
    return np.concatenate([np.stack([u, np.full(ring, v / CELL_PX)], axis=1) for v in (381, 3)])


def build_mesh(spec: PackagingSpec) -> Mesh:
    """Return the shape of one unit, the middle of its underside at the origin, its front at -y."""
    profiles: Mapping[str, Profile] = {"can": _CAN, "bottle": _BOTTLE, "jar": _JAR}
    if spec.kind in profiles:
        return _turned(spec, profiles[spec.kind])
    return {"box": _box, "carton": _carton, "bag": _bag}[spec.kind](spec)
