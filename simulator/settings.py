"""How simulated pictures are made: every number with its unit and reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from store_layout.model import Strict

Gain = Annotated[float, Field(ge=0, le=10)]


class CameraEffects(Strict):
    """What lens, sensor and electronics of a cheap ceiling camera add to a clean picture."""

    noise_read: Annotated[float, Field(ge=0, le=20, description="grey levels of noise in the dark")] = 1.2
    noise_shot: Annotated[float, Field(ge=0, le=2, description="grey levels of noise per square root of level")] = 0.08
    exposure_drift: Annotated[float, Field(ge=0, le=0.5, description="slow swing of the exposure, share")] = 0.015
    white_balance_drift: Annotated[float, Field(ge=0, le=0.2, description="slow swing of red and blue, share")] = 0.008
    exposure: Annotated[float, Field(gt=0, le=5, description="fixed gain on top, 1 is well exposed")] = 1.0
    white_balance: Annotated[tuple[float, float, float], Field(description="fixed R, G, B gains")] = (1.0, 1.0, 1.0)
    blur_px: Annotated[float, Field(ge=0, le=3, description="sigma of the lens's blur; 0.5 is a sharp lens")] = 0.5
    vignette: Annotated[float, Field(ge=0, le=0.8, description="share of light lost in the corners")] = 0.18
    saturation: Annotated[float, Field(ge=0, le=2, description="1 keeps colours, 0 is grey")] = 1.0
    shutter_s: Annotated[float, Field(ge=0, le=0.2, description="exposure time; 1/60 s is usual indoors")] = 1 / 60


class RoomLook(Strict):
    """What the layout does not say about a room. ``seed`` draws colours and posters."""

    seed: Annotated[int, Field(ge=0)] = 0
    floor: Literal["tile", "wood", "plain"] = "tile"
    floor_gloss: Annotated[float, Field(ge=0, le=0.9)] = 0.3
    posters: Annotated[int, Field(ge=0, le=20, description="posters on walls; they look like nobody")] = 2
    ceiling_m: Annotated[
        float | None, Field(gt=1.5, le=10, description="ceiling height; none: just above walls and cameras")
    ] = None


class Lighting(Strict):
    """The store's lamps, hung in a grid under the ceiling."""

    strength: Gain = 1.0
    ambient: Annotated[float, Field(ge=0, le=10, description="low against the lamps: flat light hides people")] = 1.0
    colour: Annotated[tuple[float, float, float], Field(description="linear R, G, B of the lamps")] = (1.0, 0.97, 0.92)
    spacing_m: Annotated[float, Field(ge=1, le=10, description="distance between lamps; at most six are hung")] = 2.8


class RenderSettings(Strict):
    """All settings of a renderer."""

    supersampling: Annotated[float, Field(ge=1, le=3, description="rendered pixels per picture pixel, each way")] = 1.25
    shadow_px: Annotated[int, Field(ge=128, le=4096, description="edge of one lamp's shadow map")] = 768
    effects: CameraEffects = CameraEffects()
    room: RoomLook = RoomLook()
    lighting: Lighting = Lighting()
