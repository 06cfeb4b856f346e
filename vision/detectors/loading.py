"""The one place that chooses an adapter, by what the weights look like."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from vision.detectors.base import Detector, WeightsError
from vision.detectors.settings import DetectorSettings

VENDOR_SUFFIXES = (".pt", ".engine", ".torchscript")


def load_detector(
    weights: Path, settings: DetectorSettings | None = None, *, things_of: Container[str] | None = None
) -> Detector:
    """Load ``weights`` into the adapter for their kind.

    A folder with an OpenVINO model (``*.xml``), or the ``.xml`` itself, goes to OpenVINO; ``.onnx`` to ONNX Runtime;
    ``.pt``, ``.engine`` and ``.torchscript`` to ultralytics.
    ``things_of`` names the cameras in whose pictures other things are boxed, too (None: all). Raises WeightsError where they are
    missing, unreadable, of another kind, or where the extra that reads them is not installed.
    """
    chosen = settings or DetectorSettings()
    if weights.is_dir() or weights.suffix == ".xml":
        from vision.detectors.openvino_yolo import OpenVinoYolo

        return OpenVinoYolo(weights, chosen, things_of)
    if weights.suffix == ".onnx":
        from vision.detectors.onnx_yolo import OnnxYolo

        return OnnxYolo(weights, chosen, things_of)
    if weights.suffix in VENDOR_SUFFIXES:
        from vision.detectors.ultralytics_yolo import UltralyticsYolo

        return UltralyticsYolo(weights, chosen, things_of)
    raise WeightsError(
        "no detector weights of a kind that is understood" if weights.exists() else "detector weights not found",
        file=weights,
        mend=f"name a folder with an OpenVINO model, or a file ending in {', '.join(('.onnx', *VENDOR_SUFFIXES))}",
    )
