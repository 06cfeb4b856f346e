"""YOLO models of ultralytics, exported to OpenVINO, run by OpenVINO alone: no torch, no ultralytics."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vision.detectors.base import Detector, Pending, WeightsError, fingerprint
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import ModelMetadata, read_metadata
from vision.detectors.settings import DetectorSettings
from vision.detectors.yolo_head import YoloHead, check_output
from vision.types import F32, U8, Detections, Frame

TOGETHER = 2
"""Pictures that one request computes where enough wait: 3 to 6 % less processor time each on two cores, more gives no more.

Only where the network can take two and gives the same bits as for one, which is tried once (``_compiled_together``).
"""

_ENOUGH = 2 * TOGETHER
"""Pictures in work from which on some are computed together: with fewer, a core would have nothing to do."""


@dataclass(slots=True, eq=False)
class _Slot:
    """An inference request with pictures of its own, (N, H, W, 3) uint8. ``unread`` counts those whose result nobody read."""

    request: Any
    picture: U8
    unread: int = 0

    def begin(self, picture: U8) -> None:
        """Let the network read (N, H, W, 3) uint8 where it lies, and return at once."""
        import openvino as ov

        self.request.set_input_tensor(0, ov.Tensor(picture, shared_memory=True))
        self.unread = len(self.picture)
        self.request.start_async()


class OpenVinoYolo(Detector):
    """A detector on OpenVINO's CPU plug-in. Several frames are computed side by side.

    Colour order, scale and layout are changed inside the network's graph, so a frame's bytes go in as they are.
    Requests are waited for in the order of the frames, in the caller's thread: which one is done first shows nowhere.
    """

    def __init__(self, weights: Path, settings: DetectorSettings, things_of: Container[str] | None = None) -> None:
        """``things_of`` names the cameras whose other things are boxed, too; None: all of them."""
        xml = _find_xml(weights)
        metadata = read_metadata(xml.parent / "metadata.yaml")
        self._head = YoloHead(metadata, settings, things_of)
        self._name = f"openvino:{xml.stem}"
        files = [xml, xml.with_suffix(".bin"), xml.parent / "metadata.yaml"]
        self._compiled, self._input_size_px = compile_network(xml, metadata, settings)
        self._compile_together = partial(_compiled_together, self._compiled, xml, metadata, settings)
        self._together: Any = None
        self._is_together = True
        self._idle: dict[int, list[_Slot]] = {1: [], TOGETHER: []}
        self._in_work = 0
        self._fingerprint = fingerprint("openvino-2", [path for path in files if path.exists()], settings)

    @property
    def name(self) -> str:
        """Return ``openvino:`` and the model's file name."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """Return a digest of the model's files and the settings."""
        return self._fingerprint

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Return width and height of the network's picture."""
        return self._input_size_px

    def begin(self, frame: Frame) -> Pending:
        """Begin with a frame and return at once."""
        slot = self._slot(1)
        letterbox = self._letterbox(frame)
        lying = letterbox.ready_made(frame.image)
        if lying is None:
            letterbox.draw(frame.image, slot.picture[0])
        slot.begin(slot.picture if lying is None else lying[None])
        return _Work(self, frame, letterbox, slot, 0)

    def begin_all(self, frames: Sequence[Frame]) -> list[Pending]:
        """See ``Detector.begin_all``: two at a time where that leaves no core without work."""
        begun: list[Pending] = []
        while len(begun) < len(frames):
            left = frames[len(begun) :]
            is_enough = len(left) >= TOGETHER and self._in_work + len(left) >= _ENOUGH
            is_pair = is_enough and self._can_together()
            begun += self._begin_together(left[:TOGETHER]) if is_pair else [self.begin(left[0])]
        return begun

    def _can_together(self) -> bool:
        if self._is_together and self._together is None:
            self._together = self._compile_together()
            self._is_together = self._together is not None
        return self._is_together

    def _begin_together(self, frames: Sequence[Frame]) -> list[Pending]:
        slot = self._slot(TOGETHER)
        works: list[Pending] = []
        for place, frame in enumerate(frames):
            letterbox = self._letterbox(frame)
            lying = letterbox.ready_made(frame.image)
            if lying is None:
                letterbox.draw(frame.image, slot.picture[place])
            else:
                slot.picture[place] = lying
            works.append(_Work(self, frame, letterbox, slot, place))
        slot.begin(slot.picture)
        return works

    def finish(self, frame: Frame, letterbox: Letterbox, slot: _Slot, place: int) -> Detections:
        """Wait for a request and return what it found; the slot is free once all is read. For the pending result alone."""
        slot.request.wait()
        found = self._head.read(frame, letterbox, slot.request.get_output_tensor(0).data[place])
        self._in_work -= 1
        slot.unread -= 1
        if not slot.unread:
            self._idle[len(slot.picture)].append(slot)
        return found

    def _letterbox(self, frame: Frame) -> Letterbox:
        return Letterbox.fit((frame.image.shape[1], frame.image.shape[0]), self._input_size_px)

    def _slot(self, count: int) -> _Slot:
        """Return a slot for ``count`` pictures that nobody uses."""
        self._in_work += count
        if self._idle[count]:
            return self._idle[count].pop()
        width, height = self._input_size_px
        compiled = self._compiled if count == 1 else self._together
        return _Slot(compiled.create_infer_request(), np.zeros((count, height, width, 3), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """A frame whose inference has begun."""

    detector: OpenVinoYolo
    frame: Frame
    letterbox: Letterbox
    slot: _Slot
    place: int

    def ready(self) -> bool:
        return bool(self.slot.request.wait_for(0))

    def result(self) -> Detections:
        return self.detector.finish(self.frame, self.letterbox, self.slot, self.place)


def _find_xml(weights: Path) -> Path:
    """Return the model's .xml in or at ``weights``; raises WeightsError where there is not exactly one."""
    found = [weights] if weights.suffix == ".xml" else sorted(weights.glob("*.xml"))
    if len(found) != 1 or not found[0].is_file():
        problem = "holds more than one OpenVINO model" if len(found) > 1 else "holds no OpenVINO model (*.xml)"
        raise WeightsError(problem, file=weights, mend="name a folder that `yolo export format=openvino` wrote")
    return found[0]


def compile_network(
    xml: Path, metadata: ModelMetadata, settings: DetectorSettings, count: int = 1
) -> tuple[Any, tuple[int, int]]:
    """Return the compiled network, which takes ``count`` pictures (N, H, W, 3) uint8 BGR, and its (width, height).

    Raises:
        WeightsError: OpenVINO cannot read the file, or its output is not what its metadata tells.
    """
    import openvino as ov

    core = ov.Core()
    try:
        model = core.read_model(xml)
        if model.input(0).partial_shape.is_dynamic:
            model.reshape([1, 3, settings.height_px, settings.width_px])
        height, width = (int(side) for side in model.input(0).shape[2:])
        check_output(list(model.output(0).shape), metadata, xml)
        if count > 1:
            model.reshape([count, 3, height, width])
        return core.compile_model(_with_preprocessing(ov, model), "CPU", _properties(settings)), (width, height)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-160:]
        raise WeightsError(
            f"OpenVINO cannot read the model: {reason}", file=xml, mend="export it anew, or fetch other weights"
        ) from error


def _compiled_together(single: Any, xml: Path, metadata: ModelMetadata, settings: DetectorSettings) -> Any:
    """Return the network compiled for TOGETHER pictures; None where it cannot be, or computes other bits than ``single``.

    Networks that were exported with their shapes written into them cannot, and some kernels round otherwise for two: that
    shows in the whole output for noise.
    """
    try:
        together, (width, height) = compile_network(xml, metadata, settings, TOGETHER)
    except WeightsError:
        return None
    noise = np.random.default_rng(0).integers(0, 256, (TOGETHER, height, width, 3), np.uint8)
    alone = np.concatenate([_computed(single, picture[None]) for picture in noise])
    return together if _computed(together, noise).tobytes() == alone.tobytes() else None


def _computed(compiled: Any, pictures: U8) -> F32:
    request = compiled.create_infer_request()
    request.infer({0: pictures})
    return np.array(request.get_output_tensor(0).data, np.float32)


def _with_preprocessing(ov: Any, model: Any) -> Any:
    """Let the graph take (N, H, W, 3) uint8 BGR and turn it into what the network was trained on."""
    steps = ov.preprocess.PrePostProcessor(model)
    tensor = steps.input(0).tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tensor.set_color_format(ov.preprocess.ColorFormat.BGR)
    steps.input(0).preprocess().convert_element_type(ov.Type.f32).convert_color(ov.preprocess.ColorFormat.RGB).scale(
        255.0
    )
    steps.input(0).model().set_layout(ov.Layout("NCHW"))
    return steps.build()


def _properties(settings: DetectorSettings) -> dict[str, Any]:
    """Return OpenVINO's properties. float32 is asked for, so that no machine silently computes in bfloat16."""
    properties: dict[str, Any] = {
        "PERFORMANCE_HINT": settings.performance.upper(),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    if settings.threads:
        properties["INFERENCE_NUM_THREADS"] = settings.threads
    return properties
