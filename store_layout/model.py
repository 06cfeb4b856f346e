"""The layout file: what a store is made of, as validated data.

Everything is in metres on a right-handed frame: x and y on the floor, z up.
Angles are degrees, counter-clockwise seen from above, 0 along +x.
Every model is frozen and refuses unknown keys. Geometry lives in ``geometry``,
reading and cross-checking files in ``files`` and ``checks``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Polygon = Annotated[tuple[Point2, ...], Field(min_length=3)]


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaxClass(Strict):
    """A tax rate. ``inclusive`` prices already contain it."""

    rate_percent: Annotated[Decimal, Field(ge=0, le=100)]
    inclusive: bool = True


class Product(Strict):
    """One SKU. ``reference_pictures`` are paths relative to the layout file."""

    sku: Identifier
    name: str
    barcode: str | None = None
    weight_g: Annotated[float | None, Field(gt=0)] = None
    size_m: Annotated[Point3 | None, Field(description="width, depth, height of one unit as it stands")] = None
    price_minor: Annotated[int, Field(ge=0)]
    tax_class: str = "standard"
    reference_pictures: tuple[str, ...] = ()


class Slot(Strict):
    """One facing of one product: a stretch of shelf from ``from_m`` to ``to_m``.

    Distances run along the shelf from its left end, as a shopper in front sees it.
    """

    id: Identifier
    sku: Identifier
    from_m: Annotated[float, Field(ge=0)]
    to_m: Annotated[float, Field(gt=0)]
    facings: Annotated[int, Field(ge=1)] = 1
    units_deep: Annotated[int, Field(ge=1)] = 1


class Shelf(Strict):
    """One board. ``height_m`` is its top surface; ``clearance_m`` the free height above it.

    A board with a ``depth_m`` less than its gondola's keeps to the back.
    """

    id: Identifier
    height_m: Annotated[float, Field(ge=0)]
    clearance_m: Annotated[float, Field(gt=0)]
    depth_m: Annotated[float | None, Field(gt=0)] = None
    slots: tuple[Slot, ...]


class Gondola(Strict):
    """A shelf unit. ``front_left_m`` is the floor corner at the left of its front, seen from in front.

    ``facing_deg`` is the direction in which its front looks. Width runs to the right of
    ``front_left_m`` as a shopper in front sees it, depth runs away from the shopper.
    """

    id: Identifier
    front_left_m: Point2
    facing_deg: float
    width_m: Annotated[float, Field(gt=0)]
    depth_m: Annotated[float, Field(gt=0)]
    height_m: Annotated[float, Field(gt=0)]
    shelves: Annotated[tuple[Shelf, ...], Field(min_length=1)]


class Camera(Strict):
    """A pinhole camera with OpenCV's distortion (k1, k2, p1, p2, k3).

    Its direction is either ``look_at_m``, a point on the optical axis, or
    ``yaw_deg`` and ``pitch_deg`` of the optical axis (pitch below the horizon is negative).
    ``roll_deg`` turns the picture about that axis, positive when the camera leans to its right.
    """

    id: Identifier
    resolution_px: tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
    fps: Annotated[float, Field(gt=0, le=240)]
    position_m: Point3
    look_at_m: Point3 | None = None
    yaw_deg: float | None = None
    pitch_deg: Annotated[float | None, Field(ge=-90, le=90)] = None
    roll_deg: float = 0.0
    focal_px: Annotated[float | tuple[float, float], Field(description="one focal length, or fx and fy")]
    principal_point_px: Point2 | None = None
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)


class Gate(Strict):
    """A line on the floor that shoppers cross. The shop is to the left, walking from the first point to the second.

    ``area_m`` is where a shopper stands while scanning; without it, 0.9 m to both sides of the line.
    """

    id: Identifier
    kind: Literal["entry", "exit", "both"] = "both"
    line_m: tuple[Point2, Point2]
    area_m: Polygon | None = None


class Wall(Strict):
    """A wall along a polyline. It hides what is behind it up to ``height_m``."""

    path_m: Annotated[tuple[Point2, ...], Field(min_length=2)]
    height_m: Annotated[float, Field(gt=0)] = 3.0


class Zone(Strict):
    """A named part of the floor, such as a till, a staff area or the street outside."""

    id: Identifier
    kind: Literal["shop", "staff", "outside", "other"] = "shop"
    area_m: Polygon


class Store(Strict):
    """A whole layout file."""

    version: Literal[1]
    name: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    time_zone: str = "UTC"
    tax_classes: dict[str, TaxClass]
    floor_m: Polygon
    walls: tuple[Wall, ...] = ()
    zones: tuple[Zone, ...] = ()
    gates: tuple[Gate, ...] = ()
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    gondolas: tuple[Gondola, ...] = ()
    products: tuple[Product, ...] = ()
