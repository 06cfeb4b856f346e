"""What several tests look at: a small drawn store, and small networks that answer as YOLO's exports do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from store_layout.geometry import StoreGeometry
from store_layout.model import Camera, Gondola, Product, Shelf, Slot, Store

DrawnStore = Callable[..., StoreGeometry]
OnnxModel = Callable[..., Path]


@pytest.fixture(scope="session")
def drawn_store() -> DrawnStore:
    """Return a maker of stores: one shelf of ``slots``, a camera right in front of it, 400 px to the metre."""

    def made(
        slots: tuple[Slot, ...], width_m: float, fps: float, skus: Iterable[str], size_m: tuple[float, float, float]
    ) -> StoreGeometry:
        shelf = Shelf(id="s", height_m=1.0, clearance_m=0.3, slots=slots)
        middle_m = width_m / 2
        return StoreGeometry(
            Store(
                version=1,
                name="drawn",
                currency="EUR",
                tax_classes={"standard": {"rate_percent": 0}},
                floor_m=((-2, -3), (2, -3), (2, 1), (-2, 1)),
                cameras=(
                    Camera(id="c", resolution_px=(320, 240), fps=fps, position_m=(middle_m, -1.0, 1.15), look_at_m=(middle_m, 0, 1.15), focal_px=400),
                ),
                gondolas=(Gondola(id="g", front_left_m=(0, 0), facing_deg=270, width_m=width_m, depth_m=0.3, height_m=1.6, shelves=(shelf,)),),
                products=tuple(Product(sku=sku, name=sku, price_minor=100, size_m=size_m) for sku in skus),
            )
        )  # fmt: skip

    return made


@pytest.fixture(scope="session")
def onnx_model() -> OnnxModel:
    """Return a writer of .onnx files that look like ultralytics' exports, with random weights and two convolutions.

    Each patch of 16 x 16 px gives a box anywhere in the picture, a score per class and, for poses, keypoints. ``axes``
    names the sides that the file leaves open; ``rows`` and ``strings`` spoil the output and the metadata.
    """
    onnx = pytest.importorskip("onnx", reason="needs the extra 'dev'")
    make, numpy_helper, types = onnx.helper, onnx.numpy_helper, onnx.TensorProto

    def written(
        file: Path,
        names: tuple[str, ...] = ("person",),
        *,
        pose: bool = False,
        size: tuple[int, int] = (640, 384),
        batch: int = 1,
        axes: dict[int, str] | None = None,
        half: bool = False,
        rows: int | None = None,
        strings: dict[str, str | None] | None = None,
    ) -> Path:
        width, height = size
        random = np.random.default_rng(7)
        scale = [width, height, width / 3, height / 2, *(1.0 for _ in names), *((width, height, 1.0) * 17 * pose)]
        scale = [*scale, *(1.0 for _ in range((rows or 0) - len(scale)))][: rows or len(scale)]
        real = np.float16 if half else np.float32
        bias = np.zeros(len(scale))
        bias[4 : 4 + len(names)] = -1.0
        arrays = {
            "first": random.normal(0, 0.12, (8, 3, 16, 16)),
            "second": random.normal(0, 1.0, (len(scale), 8, 1, 1)),
            "bias": bias,
            "scale": np.reshape(scale, (1, -1, 1)),
        }
        constants = [numpy_helper.from_array(array.astype(real), name) for name, array in arrays.items()]
        constants.append(numpy_helper.from_array(np.array([0, len(scale), -1]), "flat"))
        nodes = [
            make.make_node("Conv", ["images", "first"], ["patches"], kernel_shape=[16, 16], strides=[16, 16]),
            make.make_node("Tanh", ["patches"], ["bent"]),
            make.make_node("Conv", ["bent", "second", "bias"], ["mixed"]),
            make.make_node("Reshape", ["mixed", "flat"], ["rows"]),
            make.make_node("Sigmoid", ["rows"], ["shares"]),
            make.make_node("Mul", ["shares", "scale"], ["output0"]),
        ]
        element = types.FLOAT16 if half else types.FLOAT
        given = [(axes or {}).get(axis, side) for axis, side in enumerate((batch, 3, height, width))]
        graph = make.make_graph(
            nodes,
            "network",
            [make.make_tensor_value_info("images", element, given)],
            [make.make_tensor_value_info("output0", element, [None, len(scale), None])],
            constants,
        )
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9)
        told: dict[str, str | None] = {
            "task": "pose" if pose else "detect",
            "imgsz": str([height, width]),
            "names": str(dict(enumerate(names))),
            "stride": "32",
            "end2end": "False",
            "kpt_shape": "[17, 3]" if pose else None,
        }
        kept = {name: text for name, text in (told | (strings or {})).items() if text is not None}
        onnx.helper.set_model_props(model, kept)
        onnx.save(model, file)
        return file

    return written


@pytest.fixture(scope="session")
def openvino_of() -> Callable[[Path], Path]:
    """Return a maker of OpenVINO folders, in float32, out of .onnx files."""

    def made(file: Path) -> Path:
        import onnx
        import openvino as ov
        import yaml

        model = ov.Core().read_model(file)
        strings = {each.key: each.value for each in onnx.load(file).metadata_props}
        folder = file.with_suffix("")
        ov.save_model(model, folder / f"{file.stem}.xml", compress_to_fp16=False)
        document = {name: text if name == "task" else yaml.safe_load(text) for name, text in strings.items()}
        (folder / "metadata.yaml").write_text(yaml.safe_dump(document))
        return folder

    return made
