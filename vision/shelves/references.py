"""What each product looks like: colour histograms of its reference pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from store_layout.errors import LayoutError
from store_layout.model import Store
from vision.shelves.looks import histogram, to_lab
from vision.types import F64


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """Histograms (K, BINS) of the reference pictures of each SKU that has any."""

    histograms: dict[str, F64] = field(default_factory=dict)


def load_references(store: Store, base_dir: Path) -> References:
    """Read the reference pictures of ``store``, whose layout file lies in ``base_dir``.

    Raise LayoutError for a picture that cannot be read.
    """
    found: dict[str, F64] = {}
    for product in store.products:
        pictures = [_read(base_dir / name, product.sku) for name in product.reference_pictures]
        if pictures:
            found[product.sku] = np.stack(pictures)
    return References(found)


def _read(path: Path, sku: str) -> F64:
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if image is None:
        raise LayoutError(f"products[{sku}].reference_pictures: cannot read {path}", mend="give a PNG or JPEG file")
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    mask = np.ones(image.shape[:2], np.bool_)
    if image.shape[2] == 4:
        mask = image[:, :, 3] > 127
        image = np.ascontiguousarray(image[:, :, :3])
    scale = 96 / max(image.shape[:2])
    size = (max(8, round(image.shape[1] * scale)), max(8, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small_mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return histogram(to_lab(np.asarray(small, np.uint8), 0.0), small_mask)
