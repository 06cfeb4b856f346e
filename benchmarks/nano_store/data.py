"""What the competition's plain data says: the store, its cameras, its products and its cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from store_layout.errors import InputError

Read = TypeVar("Read")
Triple = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
ShelfKey = tuple[int, int]
"""Number of the gondola, and of the shelf in it."""


class Plain(BaseModel):
    """A part of the data. What a file says beyond the fields here is left aside."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Placed(Plain):
    """Something placed in what it belongs to: ``rotation_rodrigues`` in radians about an axis, of which only z occurs."""

    translation_m: Triple
    rotation_rodrigues: Triple
    size_m: Triple


class GondolaData(Placed):
    """A wall of shelves, placed in the world; its shelves stand out in its own -y."""

    gondola: int


class ShelfData(Placed):
    """A board, placed in its gondola. ``size_m``'s third number is the free height above it."""

    gondola: int
    shelf: int


class PlateData(Placed):
    """A scale, placed in its shelf; here a plate is only a place to name."""

    gondola: int
    shelf: int
    plate: int


class StoreData(Plain):
    """store.json."""

    gondolas: Annotated[tuple[GondolaData, ...], Field(min_length=1)]
    shelves: Annotated[tuple[ShelfData, ...], Field(min_length=1)]
    plates: Annotated[tuple[PlateData, ...], Field(min_length=1)]


class CameraData(Plain):
    """A camera: ``K`` of a picture of width and height 1, ``Tw`` from the camera to the world in inches."""

    K: tuple[Triple, Triple, Triple]
    Tw: tuple[Row4, Row4, Row4, Row4]
    dist_coeffs: tuple[float, float, float, float, float]


class CamerasData(Plain):
    """cameras.json."""

    cameras: dict[str, CameraData]


class ProductData(Plain):
    """A product of products.json."""

    barcode: str
    name: str
    weight_g: float


class EventData(Plain):
    """One hand's deed in a case. ``plates`` are those whose weight changed."""

    order: int
    shopper: str
    action: Literal["pick", "put_back"]
    barcode: str
    gondola: int
    shelf: int
    plates: Annotated[tuple[int, ...], Field(min_length=1)]
    together_with_previous: bool = False

    @property
    def key(self) -> ShelfKey:
        """The shelf it happened at."""
        return self.gondola, self.shelf


class CaseData(Plain):
    """A case of cases.json: who did what, in which order, and what their receipts say."""

    case: str
    winner_f1_2020: float | None = None
    events: Annotated[tuple[EventData, ...], Field(min_length=1)]
    receipts: dict[str, dict[str, int]]

    @property
    def shoppers(self) -> tuple[str, ...]:
        """Everybody, in order of their first deed."""
        return tuple(dict.fromkeys([event.shopper for event in self.events] + sorted(self.receipts)))


class NanoData(Plain):
    """All four files."""

    store: StoreData
    cameras: dict[str, CameraData]
    products: dict[str, ProductData]
    cases: tuple[CaseData, ...]


def read_data(folder: Path) -> NanoData:
    """Read ``folder``. Raises InputError that names file and field."""
    products = _read(folder / "products.json", TypeAdapter(tuple[ProductData, ...]))
    cases = _read(folder / "cases.json", TypeAdapter(tuple[CaseData, ...]))
    known = {product.barcode: product for product in products}
    shelves = _read(folder / "store.json", TypeAdapter(StoreData))
    _check(folder / "cases.json", cases, known, {(each.gondola, each.shelf) for each in shelves.shelves})
    cameras = _read(folder / "cameras.json", TypeAdapter(CamerasData)).cameras
    return NanoData(store=shelves, cameras=cameras, products=known, cases=cases)


def _read(file: Path, kind: TypeAdapter[Read]) -> Read:
    try:
        return kind.validate_python(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InputError(
                first["msg"], file=file, field=field, mend="give it the form of the other cases"
            ) from error
        raise InputError(f"cannot be read: {error}", file=file, mend="name a folder in the benchmark's form") from error


def _check(file: Path, cases: tuple[CaseData, ...], known: dict[str, ProductData], shelves: set[ShelfKey]) -> None:
    """Raise InputError for the first case that names a product or a shelf that there is not."""
    for case in cases:
        for event in case.events:
            where = f"{case.case}, event {event.order}"
            if event.barcode not in known:
                raise InputError(f"{where}: no product {event.barcode}", file=file, mend="add it to products.json")
            if event.key not in shelves:
                raise InputError(f"{where}: no shelf {event.key}", file=file, mend="add it to store.json")
