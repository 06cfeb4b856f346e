"""YOLO models of ultralytics, exported to OpenVINO, run by OpenVINO alone: no torch, no ultralytics."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vision.detectors.base import Detector, Pending, WeightsError, fingerprint
from vision.detectors.letterbox import Letterbox
from vision.detectors.metadata import ModelMetadata, read_metadata
from vision.detectors.settings import DetectorSettings
from vision.detectors.yolo_head import YoloHead, check_output
from vision.types import U8, Detections, Frame


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """An inference request with a picture of its own, (1, H, W, 3) uint8, for frames that must be fitted first."""

    request: Any
    picture: U8

    def give(self, picture: U8) -> None:
        """Let the network read (1, H, W, 3) uint8 where it lies."""
        import openvino as ov

        self.request.set_input_tensor(0, ov.Tensor(picture, shared_memory=True))


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
        self._idle: list[_Slot] = []
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
        slot = self._idle.pop() if self._idle else self._new_slot()
        letterbox = Letterbox.fit((frame.image.shape[1], frame.image.shape[0]), self._input_size_px)
        lying = letterbox.ready_made(frame.image)
        if lying is None:
            letterbox.draw(frame.image, slot.picture[0])
        slot.give(slot.picture if lying is None else lying[None])
        slot.request.start_async()
        return _Work(self, frame, letterbox, slot)

    def finish(self, frame: Frame, letterbox: Letterbox, slot: _Slot) -> Detections:
        """Wait for a request and return what it found; the slot is free again. For the pending result alone."""
        slot.request.wait()
        found = self._head.read(frame, letterbox, slot.request.get_output_tensor(0).data[0])
        self._idle.append(slot)
        return found

    def _new_slot(self) -> _Slot:
        width, height = self._input_size_px
        return _Slot(self._compiled.create_infer_request(), np.zeros((1, height, width, 3), np.uint8))


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """A frame whose inference has begun."""

    detector: OpenVinoYolo
    frame: Frame
    letterbox: Letterbox
    slot: _Slot

    def ready(self) -> bool:
        return bool(self.slot.request.wait_for(0))

    def result(self) -> Detections:
        return self.detector.finish(self.frame, self.letterbox, self.slot)


def _find_xml(weights: Path) -> Path:
    """Return the model's .xml in or at ``weights``; raises WeightsError where there is not exactly one."""
    found = [weights] if weights.suffix == ".xml" else sorted(weights.glob("*.xml"))
    if len(found) != 1 or not found[0].is_file():
        problem = "holds more than one OpenVINO model" if len(found) > 1 else "holds no OpenVINO model (*.xml)"
        raise WeightsError(problem, file=weights, mend="name a folder that `yolo export format=openvino` wrote")
    return found[0]


def compile_network(xml: Path, metadata: ModelMetadata, settings: DetectorSettings) -> tuple[Any, tuple[int, int]]:
    """Return the compiled network, which takes (1, H, W, 3) uint8 BGR, and its (width, height).

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
        return core.compile_model(_with_preprocessing(ov, model), "CPU", _properties(settings)), (width, height)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-160:]
        raise WeightsError(
            f"OpenVINO cannot read the model: {reason}", file=xml, mend="export it anew, or fetch other weights"
        ) from error


def _with_preprocessing(ov: Any, model: Any) -> Any:
    """Let the graph take (1, H, W, 3) uint8 BGR and turn it into what the network was trained on."""
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
