"""Reference pictures of products, as a supplier would send them: another light, another angle, another lens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulator.errors import SimulatorError
from simulator.graphics import Graphics
from simulator.packaging import Packaging, PackagingSpec
from simulator.renderer import StoreRenderer
from simulator.settings import CameraEffects, Lighting, RenderSettings, RoomLook
from simulator.state import ItemState, LightState, SceneState
from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Store

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

_STUDIO_M = 3.0
_PLACE_M = (1.2, 1.6)
_FOCAL_PX = 620.0
_PICTURE_PX = 320
_AHEAD_DEG = 14.0
"""The camera looks down by this much; store cameras look down by 30 to 60 degrees."""
_FILLS = 0.72
"""Share of the picture's edge that the product's largest extent takes."""


def pack_shots(
    packaging: Packaging,
    skus: Sequence[str] | None = None,
    turn_deg: float = 22.0,
    graphics: Graphics | None = None,
) -> dict[str, U8]:
    """Return a picture of every product, uint8 (H, W, 3) BGR, cut close around it.

    The front is turned ``turn_deg`` to its right. The light is white and soft, unlike a
    store's. Raises SimulatorError for a SKU without packaging.
    """
    chosen = list(packaging.specs) if skus is None else list(skus)
    for sku in chosen:
        if sku not in packaging.specs:
            raise SimulatorError(f"no packaging for {sku}")
    cameras = tuple(_camera(f"shot{index}", packaging.specs[sku]) for index, sku in enumerate(chosen))
    if not cameras:
        return {}
    floor = ((0.0, 0.0), (_STUDIO_M, 0.0), (_STUDIO_M, _STUDIO_M), (0.0, _STUDIO_M))
    store = Store(version=1, name="studio", currency="EUR", tax_classes={}, floor_m=floor, cameras=cameras)
    geometry = StoreGeometry(store)
    renderer = StoreRenderer(store, geometry, packaging, {}, _studio_settings(), graphics=graphics)
    shots = {sku: _shot(renderer, geometry, sku, f"shot{index}", turn_deg) for index, sku in enumerate(chosen)}
    renderer.close()
    return shots


def _studio_settings() -> RenderSettings:
    effects = CameraEffects(vignette=0.0, blur_px=0.4, exposure_drift=0.0, white_balance_drift=0.0, shutter_s=0.0)
    lighting = Lighting(strength=0.95, ambient=2.4, colour=(0.96, 1.0, 1.06))
    room = RoomLook(seed=3, floor="plain", floor_gloss=0.05, posters=0, ceiling_m=2.6)
    return RenderSettings(supersampling=2.0, effects=effects, lighting=lighting, room=room)


def _camera(camera_id: str, spec: PackagingSpec) -> Camera:
    """A camera before the studio's product, at the distance at which it fills the picture."""
    extent = max(spec.size_m[2], float(np.hypot(spec.size_m[0], spec.size_m[1])))
    away = _FOCAL_PX * extent / (_PICTURE_PX * _FILLS)
    x, y = _PLACE_M
    middle = (x, y, spec.size_m[2] / 2)
    height = middle[2] + away * float(np.sin(np.radians(_AHEAD_DEG)))
    position = (x, y - away * float(np.cos(np.radians(_AHEAD_DEG))), height)
    return Camera(
        id=camera_id,
        resolution_px=(_PICTURE_PX, _PICTURE_PX),
        fps=1,
        position_m=position,
        look_at_m=middle,
        focal_px=_FOCAL_PX,
    )


def _shot(renderer: StoreRenderer, geometry: StoreGeometry, sku: str, camera_id: str, turn_deg: float) -> U8:
    item = ItemState(1, sku, (*_PLACE_M, 0.0), -90.0 + turn_deg)
    frame = renderer.render(SceneState(0.0, items=(item,), light=LightState()), camera_id, np.random.default_rng(0))
    pixels, _ = geometry.cameras[camera_id].project(renderer.item_corners_m(item))
    low = np.maximum(np.floor(pixels.min(axis=0)) - 3, 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 3, _PICTURE_PX).astype(int)
    return np.ascontiguousarray(frame.image[low[1] : high[1], low[0] : high[0]])
