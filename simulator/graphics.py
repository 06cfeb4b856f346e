"""OpenGL for the renderer: the context, its programs and its buffers. The only module that knows moderngl.

Needs EGL; Mesa's llvmpipe (Debian: libegl1 libgl1-mesa-dri) renders on the processor.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator import shaders
from simulator.errors import NoDisplayError

F64 = NDArray[np.float64]
Rect = tuple[int, int, int, int]
"""Left, top, width, height in rendered pixels."""


def _moderngl() -> Any:
    try:
        import moderngl
    except ImportError as error:
        raise NoDisplayError(
            "the renderer needs moderngl and pillow", mend="pip install 'tillfree[simulator]'"
        ) from error
    return moderngl


def _load_triton_first() -> None:
    """Load triton's library, where one is installed, before Mesa loads its own LLVM.

    In the other order PyTorch crashes the process when it is imported later (both bring LLVM).
    """
    if importlib.util.find_spec("triton") is not None:
        importlib.import_module("triton._C.libtriton")


def matrix_bytes(matrix: F64) -> bytes:
    """Return (4, 4) or (K, 4, 4) matrices as OpenGL wants them, column by column."""
    return bytes(np.ascontiguousarray(np.swapaxes(matrix, -1, -2), dtype=np.float32).tobytes())


def set_uniforms(program: Any, **values: Any) -> None:
    """Set uniforms by name; arrays as bytes (matrices transposed). Names that the compiler dropped are passed over."""
    for name, value in values.items():
        if name not in program:
            continue
        if isinstance(value, np.ndarray):
            square = value.ndim >= 2 and value.shape[-2:] == (4, 4)
            data = matrix_bytes(value) if square else np.ascontiguousarray(value, dtype=np.float32).tobytes()
            program[name].write(data)
        else:
            program[name].value = value


@dataclass(frozen=True, slots=True, eq=False)
class GeometryBuffer:
    """Albedo (A gloss), facing (A body's row), velocity and depth of one size, and the target that fills them."""

    albedo: Any
    facing: Any
    velocity: Any
    depth: Any
    target: Any


class Graphics:
    """One OpenGL context with the renderer's programs. Make one a process and give it to every renderer."""

    def __init__(self) -> None:
        moderngl = _moderngl()
        _load_triton_first()
        try:
            self.context = moderngl.create_standalone_context(backend="egl")
        except Exception as error:  # glcontext raises bare Exception for every way EGL fails
            raise NoDisplayError(
                f"OpenGL cannot be started ({error})", mend="apt install libegl1 libgl1-mesa-dri"
            ) from error
        # What Python drops is deleted when this context is next current, never in another context.
        self.context.gc_mode = "context_gc"
        self.gl = moderngl
        make = self.context.program
        self.skinning = make(vertex_shader=shaders.SKINNING, varyings=["place", "normal", "before"])
        self.static = make(shaders.STATIC_VERTEX, shaders.STATIC_GEOMETRY)
        self.item = make(shaders.ITEM_VERTEX, shaders.ITEM_GEOMETRY)
        self.body = make(shaders.BODY_VERTEX, shaders.BODY_GEOMETRY)
        self.static_depth = make(shaders.STATIC_DEPTH, shaders.DEPTH_ONLY)
        self.item_depth = make(shaders.ITEM_DEPTH, shaders.DEPTH_ONLY)
        self.body_depth = make(shaders.BODY_DEPTH, shaders.DEPTH_ONLY)
        self.body_white = make(shaders.BODY_DEPTH, shaders.WHITE)
        screen = {
            "restore": shaders.RESTORE,
            "copy_depth": shaders.COPY_DEPTH,
            "occlusion": shaders.OCCLUSION,
            "soften": shaders.SOFTEN,
            "lighting": shaders.LIGHTING,
            "smear": shaders.SMEAR,
        }
        self.screen = {name: make(shaders.QUAD, source) for name, source in screen.items()}
        corners = self.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32))
        self._idle = self.plane((1, 1), 1)[1]
        self._quads = {
            name: self.context.vertex_array(program, [(corners, "2f", "corner")])
            for name, program in self.screen.items()
        }

    def skin(self, source: Any, result: Any, vertices: int) -> None:
        """Run the skinning program over ``source`` into ``result``."""
        # A surfaceless context has no framebuffer of its own, and without one OpenGL skins nothing.
        self._idle.use()
        source.transform(result, self.gl.POINTS, vertices=vertices)

    def buffer(self, data: NDArray[np.generic]) -> Any:
        """Upload an array (at least one byte)."""
        return self.context.buffer(np.ascontiguousarray(data).tobytes() or b"\0" * 4)

    def geometry_buffer(self, size_px: tuple[int, int]) -> GeometryBuffer:
        """Make a geometry buffer."""
        context, gl = self.context, self.gl
        albedo, facing = (context.texture(size_px, 4) for _ in range(2))
        velocity = context.texture(size_px, 2, dtype="f2")
        for texture in (albedo, facing, velocity):
            texture.filter = (gl.NEAREST, gl.NEAREST)
            texture.repeat_x = texture.repeat_y = False
        depth = self.depth_texture(size_px)
        return GeometryBuffer(albedo, facing, velocity, depth, context.framebuffer([albedo, facing, velocity], depth))

    def depth_texture(self, size_px: tuple[int, int], *, compare: bool = False) -> Any:
        """Make a depth texture, for look-ups of depth or (``compare``) of shadow."""
        texture = self.context.depth_texture(size_px)
        self.set_compare(texture, compare)
        texture.repeat_x = texture.repeat_y = False
        return texture

    def set_compare(self, texture: Any, compare: bool) -> None:
        """Make look-ups of a depth texture return shadow (``compare``) or depth."""
        texture.compare_func = "<=" if compare else ""
        kind = self.gl.LINEAR if compare else self.gl.NEAREST
        texture.filter = (kind, kind)

    def plane(self, size_px: tuple[int, int], components: int) -> tuple[Any, Any]:
        """Make a picture of 8-bit components and the target that fills it."""
        texture = self.context.texture(size_px, components)
        texture.filter = (self.gl.LINEAR, self.gl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        return texture, self.context.framebuffer([texture])

    def cells(self, pictures: NDArray[np.uint8]) -> Any:
        """Upload (K, 512, 512, 3) pictures as one repeating array texture with mipmaps."""
        layers, height, width, _ = pictures.shape
        texture = self.context.texture_array((width, height, layers), 3, np.ascontiguousarray(pictures).tobytes())
        texture.build_mipmaps()
        texture.filter = (self.gl.LINEAR_MIPMAP_LINEAR, self.gl.LINEAR)
        texture.anisotropy = 4.0
        return texture

    def aim(self, target: Any, rect: Rect | None = None, *, depth_test: bool) -> None:
        """Draw into ``target`` from now on, within ``rect`` where one is given."""
        target.scissor = rect
        target.use()
        flag = self.gl.DEPTH_TEST
        self.context.enable(flag) if depth_test else self.context.disable(flag)
        self.context.depth_func = "<="

    def run_screen(self, name: str, textures: dict[str, Any], **uniforms: Any) -> None:
        """Run a full-screen program over the current target with named textures bound."""
        program = self.screen[name]
        for unit, (sampler, texture) in enumerate(textures.items()):
            texture.use(unit)
            if sampler in program:
                program[sampler].value = unit
        set_uniforms(program, **uniforms)
        self._quads[name].render(self.gl.TRIANGLE_STRIP)

    def run_depth_copy(self, name: str, textures: dict[str, Any], **uniforms: Any) -> None:
        """Run a full-screen program that writes depth whatever was there."""
        self.context.enable(self.gl.DEPTH_TEST)
        self.context.depth_func = "1"
        self.run_screen(name, textures, **uniforms)
        self.context.depth_func = "<="

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make this the process's current context for a while, and delete what was dropped since."""
        with self.context:
            self.context.gc()
            yield

    def close(self) -> None:
        """Give the context back."""
        self.context.release()
