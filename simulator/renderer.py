"""Renders a store of any layout with people and products in it, one camera's picture at a time.

What never moves is drawn once per camera and kept; a frame redraws only the rectangles
where people are, and where a product left or came since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.actors import Body, Shape, Solid, stand_matrix, stand_of
from simulator.appearance import BodyLook
from simulator.effects import apply_effects, channel_gains, vignette
from simulator.errors import SimulatorError
from simulator.frames import RenderedFrame, VisiblePerson, box_of
from simulator.graphics import GeometryBuffer, Graphics, Rect, set_uniforms
from simulator.packaging import Packaging
from simulator.settings import RenderSettings
from simulator.skeleton import BodyLibrary, PosedBody, held_item_frame, load_bodies
from simulator.state import ItemState, LightState, SceneState
from simulator.surfaces import SURFACES, draw_surfaces, draw_tags
from simulator.views import FAR_M, NEAR_M, View
from simulator.world import MAX_LAMPS, build_world, lamp_matrix, lamps
from store_layout.geometry import StoreGeometry
from store_layout.model import Store

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

_TILE_COLUMNS = 3
_MARGIN_PX = 14
_FADE_PX = 12
"""Over this band inside a redrawn rectangle shadows fade into the kept picture, so its edge is not seen."""
_SHADOW_REACH_M = 0.6
"""How far behind a person, seen from a lamp, shadows are redrawn; beyond, they differ by a few grey levels at most."""
_CASTING = (0, 5, 6, 9, 10, 11, 12)
"""The joints whose shadows bound a body's: nose, shoulders, wrists and hips."""
_REFRESH_M = 0.25
"""How far around a product that came or went the shelf is redrawn: its shadow and its corner's darkness."""
_JOINT_DEPTH_M = np.array(
    [0.04, 0.03, 0.03, 0.05, 0.05, *(0.14, 0.14, 0.09, 0.09, 0.08, 0.08), *(0.2, 0.2, 0.12, 0.12), 0.11, 0.11]
)
"""A joint lies this deep under the skin or cloth in front of it and still counts as visible."""


@dataclass(slots=True)
class _Canvas:
    """The render targets of one size."""

    work: GeometryBuffer
    shade: tuple[Any, Any]
    soft: tuple[Any, Any]
    lit: tuple[Any, Any]
    smeared: tuple[Any, Any]
    outline: tuple[Any, Any]


@dataclass(slots=True)
class _Kept:
    """One camera's unmoving picture: its geometry, its lit pixels (h, w, 4), and what must be redrawn first."""

    view: View
    geometry: GeometryBuffer
    lit: U8
    dirty: list[Rect] = field(default_factory=list)
    light: LightState | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A product in a hand at one instant."""

    shape: Shape
    model: F64
    before: F64


class StoreRenderer:
    """Renders one store. ``looks`` says what each person looks like, ``packaging`` every product that stands there.

    Making one takes about half a second; ``graphics`` and ``library`` can be shared by
    many. Raises NoDisplayError where OpenGL cannot be started.
    """

    def __init__(
        self,
        store: Store,
        geometry: StoreGeometry,
        packaging: Packaging,
        looks: Mapping[int, BodyLook],
        settings: RenderSettings | None = None,
        *,
        graphics: Graphics | None = None,
        library: BodyLibrary | None = None,
    ) -> None:
        self.store, self.geometry = store, geometry
        self.settings = settings or RenderSettings()
        self._owns_graphics = graphics is None
        self._graphics = graphics or Graphics()
        self._library = library or load_bodies()
        with self._graphics.current():
            self._build(packaging)
        self._looks: dict[int, BodyLook] = {}
        self._bodies: dict[int, Body] = {}
        self.set_looks(looks)
        self._kept: dict[str, _Kept] = {}
        self._canvases: dict[tuple[int, int], _Canvas] = {}
        self._standing: dict[int, ItemState] = {}
        self._items_seen: tuple[ItemState, ...] | None = None
        self._state: SceneState | None = None
        self._held: dict[int, _Held] = {}

    def _build(self, packaging: Packaging) -> None:
        """Upload pictures, shapes and the room, and make the lamps' shadow maps."""
        tags = draw_tags(self.store.products)
        self._cells = self._graphics.cells(np.concatenate([draw_surfaces(), tags, packaging.cells]))
        first = len(SURFACES) + len(tags)
        self._shapes = {
            sku: Shape(self._graphics, packaging.meshes[sku], spec, first + index)
            for index, (sku, spec) in enumerate(packaging.specs.items())
        }
        self._room = Solid(self._graphics, build_world(self.geometry, self.settings))
        self._room.stand(np.zeros((1, 4), np.float32))
        self._lamps = lamps(self.store, self.settings)
        self._lamp_clips = np.stack([lamp_matrix(lamp) for lamp in self._lamps])
        self._make_shadow_maps()

    # --- what a caller uses

    def set_looks(self, looks: Mapping[int, BodyLook]) -> None:
        """Dress the people anew; the store stays as it is."""
        with self._graphics.current():
            for person, look in looks.items():
                if self._looks.get(person) != look:
                    self._bodies[person] = Body(self._graphics, self._library, look)
        self._looks = dict(looks)

    def render(self, state: SceneState, camera_id: str, noise_rng: np.random.Generator | None = None) -> RenderedFrame:
        """Return what ``camera_id`` sees of ``state``. Without ``noise_rng`` the sensor is noiseless."""
        with self._graphics.current():
            self._take(state)
            kept = self._keep(camera_id)
            self._refresh(kept, state.light)
            rendered, depth = self._compose(kept, state)
            outlines = self._outlines(kept, state)
        picture, rows = kept.view.develop(rendered)
        camera = kept.view.camera
        effects = self.settings.effects
        fall = vignette((camera.width_px, camera.height_px), effects.vignette)
        gains = channel_gains(effects, camera_id, state.at_s)
        image = apply_effects(np.ascontiguousarray(picture[..., ::-1]), effects, fall, gains, noise_rng)
        persons = np.array([0, *(body.person for body in state.bodies)], np.int32)
        people = self._people(kept, state, rows, (outlines, depth))
        return RenderedFrame(camera_id, state.at_s, image, persons[rows], people)

    def item_corners_m(self, item: ItemState) -> F64:
        """(8, 3) corners of the box around a standing item, such as to see where it lies in a picture."""
        model = stand_matrix(item)
        return np.asarray(self._shape(item).corners_m @ model[:3, :3].T + model[:3, 3])

    def posed(self, person: int) -> PosedBody:
        """Return a person's joints and palms as last rendered; SimulatorError for who never was."""
        posed = self._bodies[person].posed if person in self._bodies else None
        if posed is None:
            raise SimulatorError(f"person {person} was never rendered")
        return posed

    def close(self) -> None:
        """Give the graphics card's memory back."""
        if self._owns_graphics:
            self._graphics.close()

    # --- taking a state

    def _take(self, state: SceneState) -> None:
        """Bring bodies, products and shadow maps to ``state``, once for all cameras."""
        if state is self._state:
            return
        for pose in state.bodies:
            if pose.person not in self._bodies:
                raise SimulatorError(f"person {pose.person} has no look", mend="give StoreRenderer a look for everyone")
        last = self._state
        elapsed = state.at_s - last.at_s if last is not None else 0.0
        moved = self._take_standing(state.items)
        for pose in state.bodies:
            self._bodies[pose.person].move(pose, elapsed, self.settings.effects.shutter_s)
        self._take_held(state, elapsed)
        if moved or last is None:
            self._draw_static_shadows()
        self._draw_moving_shadows(state)
        self._state = state

    def _shape(self, item: ItemState) -> Shape:
        if item.sku not in self._shapes:
            raise SimulatorError(f"no packaging for {item.sku}", mend="add it to the packaging given to StoreRenderer")
        return self._shapes[item.sku]

    def _take_standing(self, items: tuple[ItemState, ...]) -> bool:
        """Put products where they stand; mark what cameras must redraw. Return whether anything changed."""
        if items is self._items_seen:
            return False
        for item in items:
            self._shape(item)
        standing = {item.item_id: item for item in items if item.position_m is not None}
        old, self._standing, self._items_seen = self._standing, standing, items
        changed = [item for key, item in standing.items() if old.get(key) != item]
        changed += [item for key, item in old.items() if standing.get(key) != item]
        for sku in {item.sku for item in changed}:
            stands = [stand_of(item) for item in standing.values() if item.sku == sku]
            self._shape(next(item for item in changed if item.sku == sku)).stand(
                np.array(stands, np.float32).reshape(-1, 4)
            )
        for item in changed:
            model = stand_matrix(item)
            corners = self._shape(item).corners_m
            spread = corners + np.sign(corners - corners.mean(axis=0)) * _REFRESH_M
            for kept in self._kept.values():
                rect = kept.view.rect(spread @ model[:3, :3].T + model[:3, 3], _MARGIN_PX)
                kept.dirty += [rect] if rect is not None else []
        return bool(changed)

    def _take_held(self, state: SceneState, elapsed_s: float) -> None:
        held: dict[int, _Held] = {}
        present = {pose.person for pose in state.bodies}
        for item in state.items:
            if item.held_by is None:
                continue
            person, side = item.held_by
            posed = self._bodies[person].posed if person in present else None
            if posed is None:
                raise SimulatorError(f"item {item.item_id} is held by {person}, who is not there")
            shape = self._shape(item)
            model = np.eye(4)
            model[:3] = held_item_frame(posed, side, shape.spec.size_m)
            last = self._held.get(item.item_id)
            share = self.settings.effects.shutter_s / elapsed_s if 0 < elapsed_s <= 0.5 else 0.0
            before = model if last is None else model + (last.model - model) * min(1.0, share)
            held[item.item_id] = _Held(shape, model, before)
        self._held = held

    # --- shadows

    def _make_shadow_maps(self) -> None:
        edge = self.settings.shadow_px
        rows = -(-len(self._lamps) // _TILE_COLUMNS)
        size = (edge * _TILE_COLUMNS, edge * rows)
        self._tiles = (float(_TILE_COLUMNS), float(rows))
        self._still_shadows = self._graphics.depth_texture(size)
        self._shadows = self._graphics.depth_texture(size, compare=True)
        make = self._graphics.context.framebuffer
        self._still_shadow_target = make(depth_attachment=self._still_shadows)
        self._shadow_target = make(depth_attachment=self._shadows)

    def _tile(self, lamp: int) -> Rect:
        edge = self.settings.shadow_px
        return (lamp % _TILE_COLUMNS * edge, lamp // _TILE_COLUMNS * edge, edge, edge)

    def _draw_static_shadows(self) -> None:
        target = self._still_shadow_target
        self._graphics.aim(target, depth_test=True)
        target.clear(depth=1.0)
        for lamp in range(len(self._lamps)):
            target.viewport = self._tile(lamp)
            self._graphics.aim(target, self._tile(lamp), depth_test=True)
            set_uniforms(self._graphics.static_depth, clip=self._lamp_clips[lamp])
            self._room.draw_depth()
            for shape in self._shapes.values():
                shape.draw_depth()

    def _draw_moving_shadows(self, state: SceneState) -> None:
        """Start from the still shadows and add people and what they hold."""
        graphics, target = self._graphics, self._shadow_target
        target.viewport = (0, 0, *self._shadows.size)
        graphics.aim(target, depth_test=True)
        graphics.run_depth_copy("copy_depth", {"from_depth": self._still_shadows})
        for lamp in range(len(self._lamps)):
            target.viewport = self._tile(lamp)
            graphics.aim(target, self._tile(lamp), depth_test=True)
            for program in (graphics.body_depth, graphics.item_depth):
                set_uniforms(program, clip=self._lamp_clips[lamp])
            for pose in state.bodies:
                self._bodies[pose.person].draw_depth()
            for held in self._held.values():
                held.shape.draw_single_depth(held.model)

    # --- the unmoving picture

    def _keep(self, camera_id: str) -> _Kept:
        if camera_id not in self._kept:
            if camera_id not in self.geometry.cameras:
                raise SimulatorError(f"no camera {camera_id!r}", mend=f"name one of {', '.join(self.geometry.cameras)}")
            view = View.of_camera(self.geometry.cameras[camera_id], self.settings.supersampling)
            width, height = view.size_px
            buffer = self._graphics.geometry_buffer(view.size_px)
            whole = (0, 0, width, height)
            self._kept[camera_id] = _Kept(view, buffer, np.zeros((height, width, 4), np.uint8), [whole])
        return self._kept[camera_id]

    def _canvas(self, size_px: tuple[int, int]) -> _Canvas:
        if size_px not in self._canvases:
            graphics, half = self._graphics, ((size_px[0] + 1) // 2, (size_px[1] + 1) // 2)
            self._canvases[size_px] = _Canvas(
                graphics.geometry_buffer(size_px),
                graphics.plane(half, 1),
                graphics.plane(half, 1),
                graphics.plane(size_px, 4),
                graphics.plane(size_px, 4),
                graphics.plane(half, 4),
            )
        return self._canvases[size_px]

    def _refresh(self, kept: _Kept, light: LightState) -> None:
        """Redraw and relight what changed of the unmoving picture since it was last used."""
        width, height = kept.view.size_px
        whole = (0, 0, width, height)
        for rect in _disjoint(kept.dirty):
            self._draw_still(kept, rect)
        relight = [whole] if kept.light != light else _disjoint(kept.dirty)
        if relight:
            canvas = self._canvas(kept.view.size_px)
            # Without people's shadows: what is kept must hold when they have gone.
            self._graphics.set_compare(self._still_shadows, True)
            for rect in relight:
                self._restore(kept, canvas, rect)
                self._shade(kept.view, canvas, rect, light, self._still_shadows)
                _paste(kept.lit, canvas.lit[1], rect)
            self._graphics.set_compare(self._still_shadows, False)
        kept.dirty, kept.light = [], light

    def _draw_still(self, kept: _Kept, rect: Rect) -> None:
        target = kept.geometry.target
        self._graphics.aim(target, rect, depth_test=True)
        target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._cells.use(0)
        set_uniforms(self._graphics.static, cells=0, clip=kept.view.clip)
        self._room.draw()
        for shape in self._shapes.values():
            shape.draw()

    def _restore(self, kept: _Kept, canvas: _Canvas, rect: Rect) -> None:
        still = kept.geometry
        self._graphics.aim(canvas.work.target, rect, depth_test=True)
        textures = {"from_albedo": still.albedo, "from_facing": still.facing, "from_depth": still.depth}
        self._graphics.run_depth_copy("restore", textures)

    def _shade(self, view: View, canvas: _Canvas, rect: Rect, light: LightState, shadows: Any) -> None:
        """Occlusion and light over one rectangle of the work buffer, into ``canvas.lit``."""
        graphics, work = self._graphics, canvas.work
        half = (rect[0] // 2, rect[1] // 2, (rect[2] + 3) // 2, (rect[3] + 3) // 2)
        seen = {"unclip": view.unclip, "eye": view.camera.position_m}
        graphics.aim(canvas.shade[1], half, depth_test=False)
        textures = {"depth": work.depth, "facing": work.facing}
        graphics.run_screen("occlusion", textures, **seen, focal=np.array(view.focal_uv))
        graphics.aim(canvas.soft[1], half, depth_test=False)
        step = np.array([1 / canvas.soft[0].width, 1 / canvas.soft[0].height])
        graphics.run_screen("soften", {"shade": canvas.shade[0], "depth": work.depth}, step_uv=step)
        graphics.aim(canvas.lit[1], rect, depth_test=False)
        textures = {"albedo": work.albedo, "facing": work.facing, "depth": work.depth}
        textures |= {"shade": canvas.soft[0], "shadows": shadows}
        graphics.run_screen("lighting", textures, **seen, **self._light_uniforms(light))

    def _light_uniforms(self, light: LightState) -> dict[str, Any]:
        lighting, count = self.settings.lighting, len(self._lamps)
        gains = np.ones(MAX_LAMPS)
        given = light.lamp_gains[:count]
        gains[: len(given)] = given
        clips, places = np.zeros((MAX_LAMPS, 4, 4)), np.zeros((MAX_LAMPS, 3))
        clips[:count], places[:count] = self._lamp_clips, self._lamps
        return {
            "lamps": count,
            "lamp_clip": clips,
            "lamp": places,
            "lamp_gain": gains * lighting.strength * light.gain,
            "lamp_colour": np.array(lighting.colour) * light.colour,
            "ambient": lighting.ambient * light.ambient_gain * light.gain,
            "exposure": 1.0,
            "tiles": self._tiles,
        }

    # --- the moving picture

    def _compose(self, kept: _Kept, state: SceneState) -> tuple[U8, F64]:
        """Return the rendered picture (h, w, 4) and the depth (h, w) in clip units where people are, else 1."""
        view = kept.view
        width, height = view.size_px
        out = kept.lit.copy()
        depth = np.ones((height, width), np.float32)
        canvas = self._canvas(view.size_px)
        for rect in self._moving_rects(view, state):
            self._restore(kept, canvas, rect)
            self._draw_moving(view, canvas, rect, state)
            self._shade(view, canvas, rect, state.light, self._shadows)
            source = canvas.lit[1]
            if self._smears(view, state):
                self._graphics.aim(canvas.smeared[1], rect, depth_test=False)
                textures = {"lit": canvas.lit[0], "velocity": canvas.work.velocity}
                self._graphics.run_screen("smear", textures, size=(float(width), float(height)), reach=4.0)
                source = canvas.smeared[1]
            _paste(out, source, rect, fade=True)
            _paste_depth(depth, canvas.work, rect)
        return out, np.asarray(depth, np.float64)

    def _draw_moving(self, view: View, canvas: _Canvas, rect: Rect, state: SceneState) -> None:
        graphics = self._graphics
        graphics.aim(canvas.work.target, rect, depth_test=True)
        self._cells.use(0)
        half = np.array(view.size_px) / 2.0
        set_uniforms(graphics.body, cells=0, clip=view.clip, half_px=half)
        for row, pose in enumerate(state.bodies, start=1):
            self._bodies[pose.person].draw(row, SURFACES.index("cloth"))
        set_uniforms(graphics.item, cells=0, clip=view.clip, half_px=half)
        for held in self._held.values():
            held.shape.draw_single(held.model, held.before)

    def _smears(self, view: View, state: SceneState) -> bool:
        """Whether anything moves more than half a pixel while the shutter is open."""
        for pose in state.bodies:
            body = self._bodies[pose.person]
            assert body.posed is not None
            _, depth = view.project(body.posed.joints_m)
            nearest = max(0.5, float(depth.min()))
            if body.shutter_travel_m * view.focal_uv[0] * view.size_px[0] / nearest > 0.5:
                return True
        return False

    def _moving_rects(self, view: View, state: SceneState) -> list[Rect]:
        rects = [view.rect(self._body_extent_m(pose.person), _MARGIN_PX) for pose in state.bodies]
        for held in self._held.values():
            corners = held.shape.corners_m @ held.model[:3, :3].T + held.model[:3, 3]
            rects.append(view.rect(corners, _MARGIN_PX))
        return _disjoint([rect for rect in rects if rect is not None])

    def _body_extent_m(self, person: int) -> F64:
        """(N, 3) points around a body and the near part of its shadows on floor, walls and shelves."""
        body = self._bodies[person]
        assert body.posed is not None
        casting = body.posed.joints_m[list(_CASTING)]
        lamps = np.array(self._lamps)
        ray = casting[None] - lamps[:, None]
        ray /= np.linalg.norm(ray, axis=2, keepdims=True) + 1e-9
        to_floor = casting[None, :, 2] / np.maximum(-ray[..., 2], 1e-3)
        length = np.minimum(to_floor, _SHADOW_REACH_M)
        tips = casting[None] + ray * length[..., None]
        return np.concatenate([body.bounds_m(), tips.reshape(-1, 3)])

    # --- truth

    def _people(
        self, kept: _Kept, state: SceneState, rows: U8, seen: tuple[list[NDArray[np.bool_]], F64]
    ) -> tuple[VisiblePerson, ...]:
        """What of each body shows in ``rows``; ``seen`` is their outlines and the picture's depth."""
        outlines, depth = seen
        people = []
        for row, (pose, outline) in enumerate(zip(state.bodies, outlines, strict=True), start=1):
            visible = rows == row
            whole = np.count_nonzero(outline)
            share = min(1.0, np.count_nonzero(visible[::2, ::2]) / whole) if whole else 0.0
            box = box_of(visible)
            whole_box = box_of(outline)
            scaled = None if whole_box is None else _join(box, tuple(2.0 * value for value in whole_box))
            keypoints = self._keypoints(kept.view, pose.person, depth)
            people.append(VisiblePerson(pose.person, box, scaled, float(share), keypoints))
        return tuple(people)

    def _outlines(self, kept: _Kept, state: SceneState) -> list[NDArray[np.bool_]]:
        """Half-size (H, W) masks of every body as if nothing stood before it, four to a drawing."""
        view, camera = kept.view, kept.view.camera
        texture, target = self._canvas(view.size_px).outline
        masks: list[NDArray[np.bool_]] = []
        half = ((camera.width_px + 1) // 2, (camera.height_px + 1) // 2)
        set_uniforms(self._graphics.body_white, clip=view.clip)
        for start in range(0, len(state.bodies), 4):
            group = state.bodies[start : start + 4]
            self._graphics.aim(target, depth_test=False)
            target.color_mask = (True, True, True, True)
            target.clear()
            for channel, pose in enumerate(group):
                target.color_mask = tuple(index == channel for index in range(4))
                target.use()
                self._bodies[pose.person].draw_white()
            target.color_mask = (True, True, True, True)
            planes = np.frombuffer(target.read(components=4), np.uint8).reshape(texture.height, texture.width, 4)
            masks += [_developed_mask(view, planes[..., channel], half) for channel in range(len(group))]
        return masks

    def _keypoints(self, view: View, person: int, depth: F64) -> F64:
        """(17, 3) pixels and visibility of a person's joints (see VisiblePerson)."""
        posed = self._bodies[person].posed
        assert posed is not None
        camera = view.camera
        pixels, _ = camera.project(posed.joints_m)
        rendered, away = view.project(posed.joints_m)
        inside = np.isfinite(pixels).all(axis=1) & (away > 0)
        inside &= (np.nan_to_num(pixels) >= 0).all(axis=1)
        inside &= (np.nan_to_num(pixels) < [camera.width_px, camera.height_px]).all(axis=1)
        at = np.clip(np.nan_to_num(rendered).astype(np.int64), 0, np.array(view.size_px) - 1)
        seen_m = _metres(depth[at[:, 1], at[:, 0]])
        visible = away < seen_m + _JOINT_DEPTH_M
        out = np.column_stack([np.nan_to_num(pixels), np.where(visible, 2.0, 1.0)])
        out[~inside] = 0.0
        return out


def _disjoint(rects: list[Rect]) -> list[Rect]:
    """Join rectangles that overlap until none do."""
    rest = list(rects)
    out: list[Rect] = []
    while rest:
        x, y, width, height = rest.pop()
        for index, (left, top, wide, high) in enumerate(rest):
            if x < left + wide and left < x + width and y < top + high and top < y + height:
                x0, y0, x1, y1 = min(x, left), min(y, top), max(x + width, left + wide), max(y + height, top + high)
                rest[index] = (x0, y0, x1 - x0, y1 - y0)
                break
        else:
            out.append((x, y, width, height))
    return out


def _paste(image: U8, target: Any, rect: Rect, *, fade: bool = False) -> None:
    """Copy a rectangle of a render target into an (h, w, 4) picture; ``fade`` blends its edges where nobody is."""
    x, y, width, height = rect
    pixels = np.frombuffer(target.read(viewport=rect, components=4, alignment=1), np.uint8).reshape(height, width, 4)
    part = image[y : y + height, x : x + width]
    if fade:
        inner = (x > 0, y > 0, x + width < image.shape[1], y + height < image.shape[0])
        share = _ramp(height, inner[1], inner[3])[:, None] * _ramp(width, inner[0], inner[2])[None]
        share = np.where(pixels[..., 3] > 0, np.float32(1), share)[..., None]
        blended = part[..., :3] + (pixels[..., :3].astype(np.float32) - part[..., :3]) * share
        part[..., :3] = (blended + np.float32(0.5)).astype(np.uint8)
        part[..., 3] = pixels[..., 3]
    else:
        part[:] = pixels


def _ramp(length: int, first: bool, last: bool) -> NDArray[np.float32]:
    """(length,) weights that rise from 0 at the first and fall to 0 at the last end, where asked to."""
    steps = np.arange(length, dtype=np.float32)
    out = np.ones(length, np.float32)
    if first:
        out = np.minimum(out, steps / _FADE_PX)
    if last:
        out = np.minimum(out, steps[::-1] / _FADE_PX)
    return out


def _paste_depth(depth: NDArray[np.float32], work: GeometryBuffer, rect: Rect) -> None:
    x, y, width, height = rect
    values = np.frombuffer(
        work.target.read(viewport=rect, attachment=-1, components=1, dtype="f4", alignment=1), np.float32
    )
    depth[y : y + height, x : x + width] = values.reshape(height, width)


def _metres(depth: F64) -> F64:
    """Distance along the optical axis of depth-buffer values in 0..1."""
    return 2 * FAR_M * NEAR_M / (FAR_M + NEAR_M - (depth * 2 - 1) * (FAR_M - NEAR_M))


def _developed_mask(view: View, plane: U8, half_px: tuple[int, int]) -> NDArray[np.bool_]:
    """Bring an outline to half the camera's picture, bent like it."""
    plane = np.ascontiguousarray(plane)
    if view.bend is None:
        return np.asarray(cv2.resize(plane, half_px, interpolation=cv2.INTER_NEAREST) > 0)
    columns, rows = (np.asarray((axis[::2, ::2] + 0.5) / 2 - 0.5, np.float32) for axis in view.bend)
    return np.asarray(cv2.remap(plane, columns, rows, cv2.INTER_NEAREST) > 0)


def _join(
    first: tuple[float, float, float, float] | None, second: tuple[float, ...]
) -> tuple[float, float, float, float]:
    """Return the box around two boxes (or the second alone)."""
    first = first or (second[0], second[1], second[2], second[3])
    return min(first[0], second[0]), min(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])
